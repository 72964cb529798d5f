"""Takes ruled lines, squares and the cells of forms out of a mask, and leaves the strokes that cross them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.digits.components import Component, Mask, Reals, components
from app.digits.morphology import grown

Ints = NDArray[np.int64]

# A line goes on for this share of the side along it, and nearly as far as the shorter side: no digit does.
LONG_SHARE: Final = 0.35
SHORT_SIDE_SHARE: Final = 0.8
# So much of a line is there; a row of digits has gaps.
COVERED_SHARE: Final = 0.8
# Rows to columns: what is steeper is no line, as pages lie nearly straight.
STEEPEST: Final = 0.12
STEEPEST_WALL: Final = 0.25
# Pixels; what is lower or narrower has no room for lines.
LEAST_SIDE: Final = 12
# Points that are tried as ends of a line on either side, and points that vote.
ENDS: Final = 24
VOTES: Final = 400
# Of the thicknesses that occur, lines have about this quantile's: pens are thicker than print.
THIN_QUANTILE: Final = 0.2
# Times as strong as a line usually is, ink is not its own.
PALE: Final = 1.7
LEVEL_QUANTILE: Final = 0.3
# The walls of cells are lines of this share of the height between two lines, and like those up to this factor. A row of cells
# is higher than this share of the paper to the next.
WALL_SHARE: Final = 0.85
LIKE: Final = 1.5
CELL_SHARE: Final = 0.45


def longest(mask: Mask) -> int:
    """From how many pixels on a part along the rows is a line and no digit."""
    height, width = mask.shape
    return int(max(LONG_SHARE * width, SHORT_SIDE_SHARE * min(height, width)))


def has_rules(parts: Sequence[Component], mask: Mask) -> bool:
    """Whether any of a mask's parts is so long that it must be a line, or hang on one."""
    across, down = longest(mask), longest(mask.T)
    return min(mask.shape) >= LEAST_SIDE and any(part.width >= across or part.height >= down for part in parts)


def without_rules(strokes: Mask, faint: Mask, ink: Reals) -> Mask:
    """Strokes less the long straight lines that the faint ink shows, along rows and columns, and the walls between cells.

    A pixel of a line goes only if the ink is as thin there as the line, and as pale: where a stroke crosses, it stays.

    Args:
        strokes: bool (H, W).
        faint: bool (H, W), what may be ink at all: lines are paler than digits, and in ``strokes`` often dashed.
        ink: float64 (H, W), how strong it is.
    """
    rows = _Lines(faint, ink, longest(faint))
    columns = _Lines(faint.T, ink.T, longest(faint.T))
    rest = strokes & ~rows.found & ~columns.found.T
    if columns.found.any() or not rows.gap:
        return rest
    walls = _Lines(faint.T, ink.T, round(WALL_SHARE * rows.gap), like=rows)
    reach = round(rows.thickness / 2) + 1
    return rest & ~walls.found.T & ~(grown(rows.found, reach) & grown(walls.found.T, reach))


class _Lines:
    """The lines of a mask along its rows.

    Attributes:
        found: bool (H, W), their pixels.
        thickness: of the thickest, in pixels.
        ink: of the strongest.
    """

    def __init__(self, mask: Mask, ink: Reals, least: int, *, like: _Lines | None = None) -> None:
        """Find lines.

        Args:
            mask: bool (H, W).
            ink: float64 (H, W).
            least: pixels; nothing shorter is a line.
            like: lines that these must be as thin and as pale as, if given.
        """
        self.found = np.zeros_like(mask)
        self.thickness = self.ink = 0.0
        self._at: list[float] = []
        self._ink, self._least, self._like = ink, least, like
        labels, parts = components(mask, mask.astype(np.float64))
        self._mask = np.isin(labels, [part.label for part in parts if part.width >= least])
        if self._mask.any():
            self._runs = _run_lengths(self._mask.T).T
            self._search()

    @property
    def gap(self) -> float:
        """Pixels between neighbouring lines, as the upper and the lower side of a row of cells; 0 if there is but one."""
        gaps = [gap for gap in np.diff(sorted(self._at)).tolist() if gap > 4 * self.thickness]
        return min((gap for gap in gaps if gap > CELL_SHARE * max(gaps)), default=0.0)

    def _search(self) -> None:
        thin = 1 + 1.5 * float(np.quantile(self._runs[_starts(self._mask)], THIN_QUANTILE))
        flat = self._mask & (self._runs <= thin)
        self._ys, self._xs = np.nonzero(flat)
        labels, parts = components(_bridged(flat, max(round(2 * thin), self._least // 4)), flat.astype(np.float64))
        for part in parts:
            if part.width >= self._least:
                here = np.s_[part.y : part.y + part.height, part.x : part.x + part.width]
                ys, xs = np.nonzero(flat[here] & (labels[here] == part.label))
                self._take(ys + part.y, xs + part.x)

    def _take(self, ys: Ints, xs: Ints) -> None:
        """The lines that the thin pixels of one part make, each as far as it goes."""
        steepest = STEEPEST_WALL if self._like else STEEPEST
        while len(xs) and np.ptp(xs) >= self._least:
            slope, start = self._refined(*_best_line(xs, ys))
            columns = np.arange(self._mask.shape[1])
            rows = np.rint(start + slope * columns).astype(np.intp).clip(1, len(self._mask) - 2)
            there = self._mask[rows, columns] | self._mask[rows - 1, columns] | self._mask[rows + 1, columns]
            if abs(slope) > steepest or there[xs.min() : xs.max() + 1].mean() < COVERED_SHARE:
                return
            if not self._mark(rows, columns, _bridged(there[None], self._least // 20)[0]):
                return
            left = ~self.found[ys, xs]
            if left.all():
                return
            ys, xs = ys[left], xs[left]

    def _refined(self, slope: float, start: float) -> tuple[float, float]:
        """The least squares line of all thin pixels near a line."""
        for reach in (3.0, 2.0):
            ends = start, start + slope * self._mask.shape[1]
            band = slice(*np.searchsorted(self._ys, (min(ends) - reach, max(ends) + reach)))  # they are in the order of rows
            ys, xs = self._ys[band], self._xs[band]
            near = np.abs(ys - start - slope * xs) <= reach
            x, y = xs[near], ys[near]
            if len(x) < 2:
                break
            slope = float(((x - x.mean()) * (y - y.mean())).sum() / max(float(((x - x.mean()) ** 2).sum()), 1.0))
            start = float(y.mean() - slope * x.mean())
        return slope, start

    def _mark(self, rows: Ints, columns: Ints, goes_on: Mask) -> bool:
        """Mark one line; whether it is one as they have to be."""
        rows, columns = rows[goes_on], columns[goes_on]
        there = self._mask[rows, columns]
        thickness = float(np.median(self._runs[rows, columns][there]))
        level = float(np.quantile(self._ink[rows, columns][there], LEVEL_QUANTILE))
        if self._like and (thickness > LIKE * self._like.thickness or level > LIKE * self._like.ink):
            return False
        self.thickness, self.ink = max(self.thickness, thickness), max(self.ink, level)
        self._at.append(float(np.median(rows)))
        most = 1.5 * thickness + 1
        for shift in range(-round(most), round(most) + 1):
            at = (rows + shift).clip(0, len(self._mask) - 1)
            as_thin = self._mask[at, columns] & (self._runs[at, columns] <= most)
            self.found[at, columns] |= as_thin & (self._ink[at, columns] <= PALE * level)
        return True


def _best_line(xs: Ints, ys: Ints) -> tuple[float, float]:
    """Slope and start of the line through two of the points that most others lie on."""
    order = np.argsort(xs, kind="stable")
    third = max(1, len(order) // 3)
    first, last = order[_spread(third, ENDS)], order[len(order) - third + _spread(third, ENDS)]
    votes = order[_spread(len(order), VOTES)]
    dx = np.maximum(xs[last][None, :] - xs[first][:, None], 1)
    slopes = ((ys[last][None, :] - ys[first][:, None]) / dx).ravel()
    starts = np.repeat(ys[first], len(last)) - slopes * np.repeat(xs[first], len(last))
    distances = np.abs(ys[votes] - starts[:, None] - slopes[:, None] * xs[votes])
    best = int((distances <= 1.5).sum(axis=1).argmax())
    return float(slopes[best]), float(starts[best])


def _spread(count: int, most: int) -> Ints:
    """At most ``most`` of ``count`` positions, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _starts(mask: Mask) -> Mask:
    """The first pixel of each run of a column."""
    starts = mask.copy()
    starts[1:] &= ~mask[:-1]
    return starts


def _run_lengths(mask: Mask) -> Ints:
    """Of each true pixel, the length of the run of its row that it is in; 0 elsewhere."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    lengths = np.nonzero(change == -1)[1] - np.nonzero(change == 1)[1]
    result = np.zeros(mask.shape, np.int64)
    result[mask] = np.repeat(lengths, lengths)
    return result


def _bridged(mask: Mask, reach: int) -> Mask:
    """The mask grown along the rows."""
    counts = np.cumsum(np.pad(mask, ((0, 0), (reach + 1, reach))), axis=1, dtype=np.int32)
    bridged: Mask = counts[:, 2 * reach + 1 :] > counts[:, : -2 * reach - 1]
    return bridged
