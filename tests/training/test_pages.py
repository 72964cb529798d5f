from __future__ import annotations

import numpy as np
import pytest

from app.digits.components import components
from training.pages import SPACED, TOUCHING_PAIR, Layout, Page, made_up_page
from training.rules import RULES, Rules
from training.strokes import GLYPHS, draw_by_hand

LABELS = np.arange(40) % len(GLYPHS)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Drawn digits, ink 255 on paper 0; uint8 (N, 84, 84)."""
    random = np.random.default_rng(0)
    return np.stack([255 - draw_by_hand(str(label), random) for label in LABELS])


def test_page_same_seed_is_the_same_page(images: np.ndarray) -> None:
    first, second, other = (made_up_page(images, LABELS, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.image, second.image)
    assert (first.text, first.boxes) == (second.text, second.boxes)
    assert first.image.shape != other.image.shape


@pytest.mark.parametrize("rules", sorted(set(RULES)))
def test_page_tells_where_each_digit_is(images: np.ndarray, rules: Rules) -> None:
    page = made_up_page(images, LABELS, 5, Layout(digits=(4, 6), lines=(2, 3), rules=(rules,)))
    assert page.rules == rules
    assert page.text == "\n".join(page.lines)
    assert [len(line) for line in page.lines] == [len(boxes) for boxes in page.boxes]
    for boxes in page.boxes:
        lefts = [x for x, _, _, _ in boxes]
        assert lefts == sorted(lefts)
    assert _ink_inside(page) > 1.5 * _ink_outside(page)


@pytest.mark.parametrize(
    ("layout", "parts"),
    [(Layout(digits=(2, 2), rules=("plain",)), 2), (Layout(digits=(2, 2), touching=True, rules=("plain",)), 1)],
)
def test_page_neighbours_touch_if_they_are_told_to(images: np.ndarray, layout: Layout, parts: int) -> None:
    pages = [made_up_page(images, LABELS, seed, layout) for seed in range(12)]
    counts = [_parts(page) for page in pages]
    assert sum(count == parts for count in counts) >= 9  # a faint pen may break, a blurred gap close


def test_page_counts_are_within_the_layout(images: np.ndarray) -> None:
    for layout in (SPACED, TOUCHING_PAIR, Layout(digits=(1, 2), lines=(1, 3))):
        for seed in range(5):
            page = made_up_page(images, LABELS, seed, layout)
            assert layout.lines[0] <= len(page.lines) <= layout.lines[1]
            assert all(layout.digits[0] <= len(line) <= layout.digits[1] for line in page.lines)


def _ink(page: Page) -> np.ndarray:
    """How far each pixel is from the paper, roughly."""
    return np.abs(page.image.astype(float) - np.median(page.image))


def _mask(page: Page) -> np.ndarray:
    mask = np.zeros(page.image.shape, bool)
    for boxes in page.boxes:
        for x, y, width, height in boxes:
            mask[y : y + height, x : x + width] = True
    return mask


def _ink_inside(page: Page) -> float:
    return float(_ink(page)[_mask(page)].mean())


def _ink_outside(page: Page) -> float:
    return float(_ink(page)[~_mask(page)].mean())


def _parts(page: Page) -> int:
    """Parts of the digits' ink, by their own boxes' darkest half."""
    ink = _ink(page)
    mask = _mask(page) & (ink > 0.5 * ink.max())
    _, found = components(mask, ink)
    return sum(part.height > 0.3 * max(part.height for part in found) for part in found)
