"""One digit or two? What the model says to a piece is weighed against what it says to the two halves of every cut.

Touching digits are cut straight, at many places and slants, and most cuts are bad; but the good ones agree. So the evidence for
a pair of labels is summed over all cuts that give it, and the pair with the most wins, if it has more than the uncut piece.

A half of a digit is often a clear 1 or 7 to the model, so its probability says little. What tells is the energy, the
logarithm of the summed exponentials of its logits (Liu et al., "Energy-based out-of-distribution detection", 2020), how wide
MNIST's digits of that label are, and that digits of a line are about equally high.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.digits.components import Mask, components
from app.digits.segmentation import Piece
from app.digits.session import Floats

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
# Weights of the evidence, fitted by maximum likelihood on pieces of made-up pages (training/LOG.md). For a digit: its energy
# under that of clear digits, its height under 0.8 of the line's, how much wider it is than its label usually is.
ENERGY, HEIGHT, WIDE = 1.25, 7.0, 1.35
# For a cut: as such, more so on a page whose other pieces are clear; each stroke that it crosses but the first; and for
# it, how much wider than high the piece is.
CUT, CUT_OF_CLEAR, CROSSED, WIDTH = 1.4, 4.0, 0.7, 2.1
FULL_HEIGHT: Final = 0.8
MOST_CROSSED: Final = 3
WIDEST: Final = 4.0
NARROWEST: Final = 0.3
# A piece is doubtful if its energy is so far under that of clear digits, or if it is so many deviations wider than its label.
DOUBTFUL_ENERGY: Final = 0.7
DOUBTFUL_WIDTH: Final = 1.2
# And it is one digit, whatever its halves look like, if it is as clear as that and not wider than that.
CLEAR_ENERGY: Final = 0.2
CLEAR_WIDTH: Final = 1.7


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A piece and what the model says to it.

    Attributes:
        piece: the ink.
        label: the most probable.
        probabilities: float32 (C,).
        energy: log of the sum of exp of its logits over the temperature.
    """

    piece: Piece
    label: str
    probabilities: Floats
    energy: float


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece cut in two; ``crossed`` is how many strokes the cut goes through."""

    left: Piece
    right: Piece
    crossed: int


@dataclass(frozen=True, slots=True)
class Scale:
    """What a page's digits are measured by.

    Attributes:
        height: typical height of a digit in pixels.
        energy: of what is clearly a digit.
        clear: share of the page's pieces that are, 0–1.
    """

    height: float
    energy: float
    clear: float = 0.0


def is_doubtful(found: Found, scale: Scale) -> bool:
    """Whether a piece may be two digits, or half of one."""
    return found.energy < scale.energy - DOUBTFUL_ENERGY or _widening(found) > DOUBTFUL_WIDTH


def cuts_of(piece: Piece, scale: Scale) -> list[Cut]:
    """All ways to cut a piece in two that leave two pieces as high as digits."""
    cuts = []
    rows, columns = np.arange(piece.height), np.arange(piece.width)
    for place in np.linspace(MARGIN, 1 - MARGIN, PLACES) * piece.width:
        for slant in SLANTS:
            edge = place + slant * (rows - piece.height / 2)
            is_left = columns < edge[:, None]
            left, right = _trimmed(piece, piece.mask & is_left), _trimmed(piece, piece.mask & ~is_left)
            if _may_be_digit(left, piece, scale) and _may_be_digit(right, piece, scale):
                along = piece.mask[rows, np.rint(edge).astype(np.intp).clip(0, piece.width - 1)]
                cuts.append(Cut(left, right, int(along[0]) + int((along[1:] > along[:-1]).sum())))
    return cuts


def best_of(whole: Found, halves: Sequence[tuple[Found, Found]], cuts: Sequence[Cut], scale: Scale) -> tuple[Found, ...]:
    """The piece as it is, or the halves of its best cut."""
    if whole.energy > scale.energy - CLEAR_ENERGY and _widening(whole) < CLEAR_WIDTH:
        return (whole,)
    prior = WIDTH * np.log(max(NARROWEST, whole.piece.width / scale.height)) - CUT - CUT_OF_CLEAR * scale.clear
    scores: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for index, ((left, right), cut) in enumerate(zip(halves, cuts, strict=True)):
        crossed = max(0, min(cut.crossed, MOST_CROSSED) - 1)
        score = evidence(left, scale) + evidence(right, scale) - CROSSED * crossed
        scores[left.label, right.label].append((score, index))
    pairs = [(float(np.logaddexp.reduce([score for score, _ in group])), max(group)[1]) for group in scores.values()]
    total, index = max(pairs, default=(-np.inf, 0))
    return halves[index] if total + prior > evidence(whole, scale) else (whole,)


def evidence(found: Found, scale: Scale) -> float:
    """For a piece being one digit of the label that the model gives it: 0 or less, on a logarithmic scale."""
    missing = max(0.0, FULL_HEIGHT - found.piece.height / scale.height)
    wide = min(WIDEST, max(0.0, _widening(found)))
    return ENERGY * min(0.0, found.energy - scale.energy) - HEIGHT * missing - WIDE * wide**2 / 2


def _widening(found: Found) -> float:
    """By how many standard deviations a piece is wider than its label is in MNIST."""
    mean, deviation = SHAPES.get(found.label, ANY_SHAPE)
    return float((np.log(found.piece.width / found.piece.height) - mean) / deviation)


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
