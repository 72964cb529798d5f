"""What is printed on paper before anyone writes on it: lines, squares, the cells of a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Rules = Literal["plain", "ruled", "squared", "cells"]

RULES: Final[tuple[Rules, ...]] = ("plain", "plain", "ruled", "squared", "cells")


def drawn_rules(
    rules: Rules,
    shape: tuple[int, int],
    height: float,
    bases: Sequence[float],
    cells: Sequence[tuple[float, float, int]],
    random: np.random.Generator,
) -> Reals:
    """Coverage 0–1 (H, W) of a paper's print.

    Args:
        rules: the kind of paper.
        shape: H, W.
        height: of a digit, in pixels.
        bases: y of each line's base.
        cells: x of each line's first cell, its side and how many there are.
        random: every choice comes from it.
    """
    print_ = np.zeros(shape)
    thick = max(1, round(random.uniform(0.02, 0.05) * height))
    if rules == "ruled":
        pitch = bases[1] - bases[0] if len(bases) > 1 else random.uniform(1.5, 2.2) * height
        _rows(print_, bases[0] + random.uniform(0, 0.2) * height, pitch, thick)
        print_ *= random.uniform(0.12, 0.45)
    elif rules == "squared":
        pitch = random.uniform(0.4, 0.8) * height
        _rows(print_, random.uniform(0, pitch), pitch, thick)
        _rows(print_.T, random.uniform(0, pitch), pitch, thick)
        print_ *= random.uniform(0.1, 0.4)
    elif rules == "cells":
        for base, (start, side, count) in zip(bases, cells, strict=True):
            _cells(print_, (start, base + 0.2 * height), side, count, 1.4 * height, thick)
        print_ *= random.uniform(0.2, 0.9)
    return print_


def _rows(print_: Reals, start: float, pitch: float, thick: int) -> None:
    for y in np.arange(start % pitch, len(print_), pitch):
        print_[round(y) : round(y) + thick] = 1


def _cells(print_: Reals, corner: tuple[float, float], side: float, count: int, height: float, thick: int) -> None:
    """A row of cells whose lower left corner is at x, y; neighbours share a wall."""
    left, bottom = round(corner[0]), round(corner[1])
    top, right = round(corner[1] - height), round(corner[0] + side * count)
    for y in (top, bottom):
        print_[y : y + thick, left : right + thick] = 1
    for place in range(count + 1):
        x = round(corner[0] + place * side)
        print_[top : bottom + thick, x : x + thick] = 1
