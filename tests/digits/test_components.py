from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.digits.components import Mask, components

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def flooded(mask: Mask) -> list[frozenset[tuple[int, int]]]:
    """The same by flooding, slow and plain."""
    left = set(zip(*(axis.tolist() for axis in np.nonzero(mask)), strict=True))
    found = []
    while left:
        edge, part = [left.pop()], set[tuple[int, int]]()
        while edge:
            y, x = edge.pop()
            part.add((y, x))
            near = {(y + down, x + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(frozenset(part))
    return found


@given(MASKS)
def test_components_are_those_that_flooding_finds(mask: Mask) -> None:
    labels, parts = components(mask, mask.astype(np.float32))
    assert ((labels > 0) == mask).all()
    pixels = {frozenset(zip(*(axis.tolist() for axis in np.nonzero(labels == part.label)), strict=True)) for part in parts}
    assert pixels == set(flooded(mask))


@given(MASKS)
def test_components_tell_their_box_mass_and_peak(mask: Mask) -> None:
    ink = np.arange(mask.size, dtype=np.float32).reshape(mask.shape)
    labels, parts = components(mask, ink)
    for part in parts:
        own = labels == part.label
        box = own[part.y : part.y + part.height, part.x : part.x + part.width]
        assert box.sum() == own.sum()
        assert box.any(axis=0).all() or part.width > 1
        assert (part.mass, part.peak) == (ink[own].sum(), ink[own].max())


@pytest.mark.parametrize(("offset", "gap"), [(0, 0), (3, 0), (5, 2), (9, 6)])
def test_gap_between_components_is_the_paper_between_their_boxes(offset: int, gap: int) -> None:
    mask = np.zeros((16, 24), bool)
    mask[2:5, 2:5] = True
    mask[8:11, 2 + offset : 5 + offset] = True
    upper, lower = components(mask, mask.astype(np.float32))[1]
    assert upper.gap_to(lower) == max(gap, 3)
