"""Connected parts of a mask: where they lie and how much ink they hold. Numpy only; scipy would weigh more than the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Reals = NDArray[np.float32]
Labels = NDArray[np.int32]
Places = NDArray[np.intp]


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


def components(mask: Mask, ink: Reals) -> tuple[Labels, list[Component]]:
    """The mask's 8-connected parts.

    A mask has far fewer runs of true pixels along its rows than pixels, so it is runs that are joined and measured.

    Args:
        mask: bool (H, W).
        ink: (H, W), 0 or more.

    Returns:
        int32 (H, W) with each part's label from 1, 0 elsewhere; and the parts in the order of their labels.
    """
    height, width = mask.shape
    starts, ends = _runs(mask)
    if not len(starts):
        return np.zeros(mask.shape, np.int32), []
    parent = _joined(starts, ends, width + 1)
    is_first = parent == np.arange(len(parent))
    owner = (is_first.cumsum() - 1)[parent]
    rows, columns = np.divmod(starts, width + 1)
    lengths = ends - starts
    inked, offsets = ink[mask], lengths.cumsum() - lengths
    sums, peaks = np.add.reduceat(inked, offsets, dtype=np.float64), np.maximum.reduceat(inked, offsets)
    x, right, bottom, peak = columns[is_first], (columns + lengths)[is_first], rows[is_first] + 1, peaks[is_first]
    np.minimum.at(x, owner, columns)
    np.maximum.at(right, owner, columns + lengths)
    np.maximum.at(bottom, owner, rows + 1)
    np.maximum.at(peak, owner, peaks)
    y, mass = rows[is_first], np.bincount(owner, weights=sums)
    touches = (x == 0) | (y == 0) | (right == width) | (bottom == height)
    values = zip(*map(np.ndarray.tolist, (x, y, right - x, bottom - y, mass, peak, touches)), strict=True)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = (owner + 1).repeat(lengths)
    return labels, [Component(label, *row) for label, row in enumerate(values, start=1)]


def _runs(mask: Mask) -> tuple[Places, Places]:
    """Start and end (exclusive) of each run of true pixels, counted along all rows with one false pixel after each row."""
    height, width = mask.shape
    flat = np.zeros(height * (width + 1) + 1, bool)
    flat[1:].reshape(height, width + 1)[:, :-1] = mask
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return changes[::2], changes[1::2]


def _joined(starts: Places, ends: Places, stride: int) -> Places:
    """For each run the first run of its part.

    Union–find on all runs at once: the first run of one part takes over that of another which it touches, until none does; each
    round at least halves the number of parts that are not yet whole (Shiloach and Vishkin 1982).
    """
    first = np.searchsorted(ends, starts - stride)
    touching = np.searchsorted(starts, ends - stride, side="right") - first
    lower = np.arange(len(starts)).repeat(touching)
    upper = np.arange(len(lower)) - (touching.cumsum() - touching - first).repeat(touching)
    parent = np.arange(len(starts))
    while len(lower):
        np.minimum.at(parent, np.maximum(lower, upper), np.minimum(lower, upper))
        while ((grand := parent[parent]) != parent).any():
            parent = grand
        lower, upper = parent[lower], parent[upper]
        apart = lower != upper
        lower, upper = lower[apart], upper[apart]
    return parent
