"""Connected parts of a mask: where they lie and how much ink they hold. Numpy only; scipy would weigh more than the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Component:
    """A connected part of a mask.

    Attributes:
        x, y, width, height: its box in pixels.
        mass: sum of the ink on it.
        peak: the strongest ink on it.
        touches: whether it reaches the picture's border.
    """

    label: int
    x: int
    y: int
    width: int
    height: int
    mass: float
    peak: float
    touches: bool

    def gap_to(self, other: Component) -> int:
        """Pixels between the two boxes, along the axis where they are farther apart; 0 if they overlap."""
        across = max(self.x, other.x) - min(self.x + self.width, other.x + other.width)
        down = max(self.y, other.y) - min(self.y + self.height, other.y + other.height)
        return max(across, down, 0)


def components(mask: Mask, ink: Reals) -> tuple[NDArray[np.int32], list[Component]]:
    """The mask's 8-connected parts.

    Args:
        mask: bool (H, W).
        ink: (H, W), 0 or more.

    Returns:
        int32 (H, W) with each part's label from 1, 0 elsewhere; and the parts in the order of their labels.
    """
    labels, count = _labelled(mask)
    if not count:
        return labels, []
    ys, xs = np.nonzero(labels)
    owner = labels[ys, xs] - 1
    left, top = np.full(count, mask.shape[1]), np.full(count, mask.shape[0])
    right, bottom, peak = np.zeros(count, int), np.zeros(count, int), np.zeros(count)
    np.minimum.at(left, owner, xs)
    np.maximum.at(right, owner, xs)
    np.minimum.at(top, owner, ys)
    np.maximum.at(bottom, owner, ys)
    np.maximum.at(peak, owner, ink[ys, xs])
    mass = np.bincount(owner, weights=ink[ys, xs], minlength=count)
    touches = (left == 0) | (top == 0) | (right == mask.shape[1] - 1) | (bottom == mask.shape[0] - 1)
    columns = (left, top, right - left + 1, bottom - top + 1, mass, peak, touches)
    return labels, [
        Component(label, *row) for label, row in enumerate(zip(*map(np.ndarray.tolist, columns), strict=True), start=1)
    ]


def _labelled(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Label by runs of each row, joined where they touch a run of the row above (union–find)."""
    runs = _runs(mask)
    parent = list(range(len(runs)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above_from = above_to = 0
    row_from = 0
    while row_from < len(runs):
        row = runs[row_from][0]
        row_to = row_from
        while row_to < len(runs) and runs[row_to][0] == row:
            row_to += 1
        if above_to > above_from and runs[above_from][0] == row - 1:
            for upper, lower in _touching(runs, above_from, above_to, row_from, row_to):
                first, second = sorted((root(upper), root(lower)))
                parent[second] = first
        above_from, above_to, row_from = row_from, row_to, row_to
    labels = np.zeros(mask.shape, np.int32)
    numbers: dict[int, int] = {}
    for run, (row, start, end) in enumerate(runs):
        labels[row, start:end] = numbers.setdefault(root(run), len(numbers) + 1)
    return labels, len(numbers)


def _runs(mask: Mask) -> list[tuple[int, int, int]]:
    """Row, start and end (exclusive) of each run of true pixels, in reading order."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    return list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))


def _touching(runs: list[tuple[int, int, int]], above: int, above_to: int, below: int, below_to: int) -> list[tuple[int, int]]:
    """Pairs of runs of two neighbouring rows that touch, corners included."""
    pairs = []
    while above < above_to and below < below_to:
        _, above_start, above_end = runs[above]
        _, below_start, below_end = runs[below]
        if above_start <= below_end and below_start <= above_end:
            pairs.append((above, below))
        if above_end < below_end:
            above += 1
        else:
            below += 1
    return pairs
