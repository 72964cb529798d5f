"""One digit or two? What the model says to a piece is weighed against what it says to the two halves of every cut.

Touching digits are cut straight, at many places and slants, and most cuts are bad; but the good ones agree. So the evidence
for a pair of labels is summed over all cuts, and the pair with the most wins, if it has more than the uncut piece's best label.

A half of a digit may be a clear 1 or 7 to the model, so its calibrated probability is not all that tells: so does how wide
MNIST's digits of that label are, that digits of a line are about equally high, and whether the page's other pieces need cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.digits.components import Mask, components
from app.digits.segmentation import Piece
from app.digits.session import Floats

Reals = NDArray[np.float64]

# Cuts: so many places evenly spread over the piece, each at these slants (x over y).
PLACES: Final = 17
MARGIN: Final = 0.1
SLANTS: Final = (-0.2, 0.0, 0.2)
# A half is no digit if it has less than this of the line's digit height, or of the piece's ink.
LEAST_HEIGHT: Final = 0.5
LEAST_AREA: Final = 0.08
# What a cut leaves of the neighbour's strokes: parts smaller than this share of the half.
SLIVER: Final = 0.12
# Mean and standard deviation of the logarithm of width over height, by label: MNIST's training pictures.
SHAPES: Final = {
    "0": (-0.10, 0.19),
    "1": (-0.86, 0.46),
    "2": (-0.06, 0.22),
    "3": (-0.21, 0.21),
    "4": (-0.22, 0.21),
    "5": (-0.04, 0.26),
    "6": (-0.33, 0.22),
    "7": (-0.25, 0.22),
    "8": (-0.26, 0.21),
    "9": (-0.37, 0.21),
}
ANY_SHAPE: Final = (-0.24, 0.35)
FULL_HEIGHT: Final = 0.8
MOST_CROSSED: Final = 2
# Of a label's logarithm of odds no more counts: 95 % of spaced digits have as much.
CLEAR_ODDS: Final = 7.0
WIDEST: Final = 4.0
NARROWEST: Final = 0.3


class Weights(NamedTuple):
    """Of what is known, on a logarithmic scale.

    Attributes:
        probability: of the logarithm of a label's calibrated odds, under those of a clear digit.
        height: of what a piece's height is under 0.8 of the line's digits'.
        wide: of how much wider a piece is than its label usually is, in squared standard deviations.
        crossed: of each stroke that a cut crosses but the first.
        cut: of cutting at all.
        clear: the same, of the share of the page's pieces that are clear digits.
        width: of the logarithm of a piece's width over the line's digit height, for cutting it.
    """

    probability: float
    height: float
    wide: float
    crossed: float
    cut: float
    clear: float
    width: float


# Fitted by maximum likelihood on pieces of made-up pages: ``python -m training.cuts``.
WEIGHTS: Final = Weights(probability=0.71, height=8.37, wide=0.84, crossed=0.39, cut=3.31, clear=4.73, width=2.62)
# A digit is clear if the evidence for its best label is at least this.
CLEAR: Final = -1.5
# Evidence that so many good cuts may sum up to.
MOST_AGREEING: Final = float(np.log(PLACES * len(SLANTS)))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A piece and what the model says to it.

    Attributes:
        piece: the ink.
        probabilities: float32 (C,).
        evidence: float64 (C,), for its being one digit of each label: 0 or less, on a logarithmic scale.
    """

    piece: Piece
    probabilities: Floats
    evidence: Reals

    @property
    def strength(self) -> float:
        """The evidence for its best label."""
        return float(self.evidence.max())


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece cut in two; ``crossed`` is how many strokes the cut goes through but the first, up to ``MOST_CROSSED``."""

    left: Piece
    right: Piece
    crossed: int


@dataclass(frozen=True, slots=True)
class Scale:
    """What a page's digits are measured by.

    Attributes:
        height: typical height of a digit in pixels.
        shapes: float64 (2, C), mean and standard deviation of each label's logarithm of width over height.
        clear: share of the page's pieces that are clear digits, 0–1.
    """

    height: float
    shapes: Reals
    clear: float = 0.0

    def evidence(self, log_odds: Reals, piece: Piece) -> Reals:
        """For a piece being one digit of each label (C,)."""
        evidence: Reals = -(np.array(WEIGHTS[:3]) @ self.against(log_odds, piece))
        return evidence

    def against(self, log_odds: Reals, piece: Piece) -> Reals:
        """What speaks against a piece being one digit of each label, for each of the first three weights (3, C)."""
        mean, deviation = self.shapes
        wide = ((np.log(piece.width / piece.height) - mean) / deviation).clip(0, WIDEST)
        missing = np.full(len(mean), max(0.0, FULL_HEIGHT - piece.height / self.height))
        return np.stack([np.maximum(CLEAR_ODDS - log_odds, 0), missing, wide**2 / 2])

    def for_cutting(self, piece: Piece) -> float:
        """A piece in two, before the halves are looked at."""
        return WEIGHTS.width * self.log_width(piece) - WEIGHTS.cut - WEIGHTS.clear * self.clear

    def log_width(self, piece: Piece) -> float:
        """The logarithm of a piece's width over the line's digit height."""
        return float(np.log(max(NARROWEST, piece.width / self.height)))

    def doubt(self, found: Found) -> float:
        """How far a piece is from being one digit whatever its halves look like; below 0 it is."""
        return self.for_cutting(found.piece) + MOST_AGREEING - found.strength


def shapes_of(labels: Sequence[str]) -> Reals:
    """See ``Scale.shapes``."""
    return np.array([SHAPES.get(label, ANY_SHAPE) for label in labels]).T


def log_odds(probabilities: Floats) -> Reals:
    """Logarithm of p over 1 - p; of float32 probabilities, which near 1 are the others' sum off by 6e-8."""
    likely = probabilities.astype(np.float64).clip(1e-9, 1 - 1e-6)
    odds: Reals = np.log(likely / (1 - likely))
    return odds


def cuts_of(piece: Piece, scale: Scale) -> list[Cut]:
    """All ways to cut a piece in two that leave two pieces as high as digits."""
    cuts, seen = [], set()
    rows, columns = np.arange(piece.height), np.arange(piece.width)
    for place in np.linspace(MARGIN, 1 - MARGIN, PLACES) * piece.width:
        for slant in SLANTS:
            edge = place + slant * (rows - piece.height / 2)
            mask = piece.mask & (columns < edge[:, None])
            if (same := mask.tobytes()) in seen:
                continue
            seen.add(same)
            left, right = _trimmed(piece, mask), _trimmed(piece, piece.mask & ~mask)
            if _may_be_digit(left, piece, scale) and _may_be_digit(right, piece, scale):
                along = piece.mask[rows, np.rint(edge).astype(np.intp).clip(0, piece.width - 1)]
                crossed = int(along[0]) + int((along[1:] > along[:-1]).sum())
                cuts.append(Cut(left, right, min(max(crossed - 1, 0), MOST_CROSSED)))
    return cuts


def best_of(whole: Found, halves: Sequence[tuple[Found, Found]], cuts: Sequence[Cut], scale: Scale) -> tuple[Found, ...]:
    """The piece as it is, or the halves of its best cut."""
    if not cuts:
        return (whole,)
    left, right = (np.stack([half.evidence for half in side]) for side in zip(*halves, strict=True))
    left -= WEIGHTS.crossed * np.array([[cut.crossed] for cut in cuts])
    pairs = np.logaddexp.reduce(left[:, :, None] + right[:, None, :], axis=0)
    if pairs.max() + scale.for_cutting(whole.piece) <= whole.strength:
        return (whole,)
    first, second = divmod(int(pairs.argmax()), len(pairs))
    return halves[int((left[:, first] + right[:, second]).argmax())]


def _may_be_digit(half: Piece, piece: Piece, scale: Scale) -> bool:
    return half.height >= LEAST_HEIGHT * scale.height and half.mask.sum() >= LEAST_AREA * piece.mask.sum()


def _trimmed(piece: Piece, mask: Mask) -> Piece:
    """A part of a piece without the neighbour's slivers, in its own box."""
    labels, parts = components(mask, mask.astype(np.float64))
    total = sum(part.mass for part in parts)
    kept = [part for part in parts if part.mass >= SLIVER * total]
    if not kept:
        return Piece(piece.x, piece.y, np.zeros((0, 0), bool))
    left, top = min(part.x for part in kept), min(part.y for part in kept)
    right, bottom = max(part.x + part.width for part in kept), max(part.y + part.height for part in kept)
    own = np.isin(labels[top:bottom, left:right], [part.label for part in kept])
    return Piece(piece.x + left, piece.y + top, own)
