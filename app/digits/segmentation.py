"""Grey uint8 (H, W) of a page or strip → what may be its digits, line by line in reading order.

The page is looked at once, as a whole: its paper, polarity, lines and parts. Which parts are one digit and which are two is for
``app.digits.reader`` to say, as only a classifier can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from app.digits.components import Component, Mask, components
from app.digits.errors import BlankPicture, TooManyDigits
from app.digits.ink import Ink, Relief, relief_of
from app.digits.morphology import grown
from app.digits.preprocessing import Box, Grey
from app.digits.rulings import has_rules, without_rules

# Larger pages are averaged down to about this side: digits a fiftieth of it wide still fill the model's 20 pixels.
PAGE_SIDE: Final = 1280
# Pixels: where digits are twice as high or more, the page is averaged down to this or somewhat more, which shows all strokes.
DIGIT_HEIGHT: Final = 64
# Of the shorter side: a band this narrow along the border is the edge of a sheet.
EDGE_SHARE: Final = 0.06

# Parts that are looked at, those with the most ink: several times as many as a page has digits. And runs of rows in all parts,
# beyond which a picture is a texture, whose parts would take seconds to label.
MOST_PARTS: Final = 512
MOST_RUNS: Final = 60_000
# Of the page's typical digit height: what is a digit by itself, and what is none.
LEAST_HEIGHT: Final = 0.45
MOST_HEIGHT: Final = 2.5
# A smaller part belongs to the digit that is no farther off; else it is a speck.
REACH: Final = 0.3
SPECK_HEIGHT: Final = 0.12
# What touches the border and is so narrow is the rest of an edge or a line.
EDGE_WIDTH: Final = 0.15
# Two parts are on one line if their middles differ by less.
SAME_LINE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Piece:
    """Ink that may be a digit, or a part of one, or several.

    Attributes:
        x, y: its place on the page, in pixels.
        mask: bool (h, w), what of that place is its ink.
    """

    x: int
    y: int
    mask: Mask

    @property
    def width(self) -> int:
        return int(self.mask.shape[1])

    @property
    def height(self) -> int:
        return int(self.mask.shape[0])


@dataclass(frozen=True, slots=True)
class Page:
    """A page whose ink was found.

    Attributes:
        relief: of the page, reduced.
        strokes: bool (H, W), all pieces' ink.
        lines: pieces from left to right, lines from the top.
        digit_height: typical height of a digit in pixels.
        factor: pixels of the original for each of the page's.
        size: width and height of the original.
    """

    relief: Relief
    strokes: Mask
    lines: list[list[Piece]]
    digit_height: float
    factor: int
    size: tuple[int, int]

    def ink_of(self, piece: Piece) -> tuple[Ink, Box]:
        """A piece's own ink, with a pixel of the page around it, and the box of its mask there."""
        mask = np.pad(piece.mask, 1)
        around = np.s_[max(0, piece.y - 1) : piece.y + piece.height + 1, max(0, piece.x - 1) : piece.x + piece.width + 1]
        top, left = int(piece.y == 0), int(piece.x == 0)
        strength, strokes = self.relief.strength[around], self.strokes[around]
        mask = mask[top : top + strength.shape[0], left : left + strength.shape[1]]
        own = grown(mask, 1) & (mask | ~strokes)
        # The mask is smoother than the ink: a sliver of it may hold none.
        ink = Ink(np.where(mask, np.maximum(strength, 1), strength * own), mask, self.relief.is_dark)
        return ink, (1 - left, 1 - top, piece.width, piece.height)

    def in_original(self, piece: Piece) -> Box:
        """A piece's x, y, width, height in pixels of the original."""
        x, y = piece.x * self.factor, piece.y * self.factor
        return x, y, min(piece.width * self.factor, self.size[0] - x), min(piece.height * self.factor, self.size[1] - y)


def find_lines(grey: Grey) -> Page:
    """Find what may be digits.

    Args:
        grey: uint8 (H, W).

    Raises:
        BlankPicture: nothing on it stands out from the paper, or nothing of a digit's form.
        TooManyDigits: it is no writing but a texture.
    """
    page = _seen_at(grey, max(1, max(grey.shape) // PAGE_SIDE))
    larger = int(page.digit_height) // DIGIT_HEIGHT
    return page if larger < 2 else _seen_at(grey, page.factor * larger)


def _seen_at(grey: Grey, factor: int) -> Page:
    """The page, averaged down by a factor."""
    small = grey if factor == 1 else np.asarray(Image.fromarray(grey).reduce(factor))
    relief = relief_of(small, EDGE_SHARE * min(small.shape))
    strokes = _strokes(relief)
    labels, parts = components(strokes, relief.smooth)
    parts = sorted((part for part in parts if part.peak > relief.least_peak), key=lambda part: -part.mass)[:MOST_PARTS]
    parts = _without_frames(parts)
    height = _typical_height(parts) if parts else 0.0
    pieces = [_piece(group, labels) for group in _digits(parts, height)]
    if not pieces:
        raise BlankPicture("No ink stands out from the paper.")
    return Page(relief, strokes, _lines(pieces, height), height, factor, (grey.shape[1], grey.shape[0]))


def _strokes(relief: Relief) -> Mask:
    """The digits' strokes, without what is printed on the paper."""
    faint, strokes = relief.faint(), relief.strokes()
    if _runs(strokes) > MOST_RUNS:
        raise TooManyDigits("The picture shows more parts than a page of digits has.")
    if max(_runs(faint), _runs(faint.T)) > MOST_RUNS:  # too noisy to tell lines from grain
        return strokes
    _, parts = components(faint, relief.smooth)
    return without_rules(strokes, faint, relief.smooth) if has_rules(parts, faint) else strokes


def _runs(mask: Mask) -> int:
    """How many runs the mask's rows have: what labelling its parts costs."""
    return int(np.count_nonzero(mask[:, 1:] & ~mask[:, :-1]))


def joined(left: Piece, right: Piece) -> Piece:
    """Two pieces as one."""
    x, y = min(left.x, right.x), min(left.y, right.y)
    width = max(left.x + left.width, right.x + right.width) - x
    mask = np.zeros((max(left.y + left.height, right.y + right.height) - y, width), bool)
    for piece in (left, right):
        mask[piece.y - y : piece.y - y + piece.height, piece.x - x : piece.x - x + piece.width] |= piece.mask
    return Piece(x, y, mask)


def _without_frames(parts: list[Component]) -> list[Component]:
    """Leave out what holds another part of nearly half its height inside: a cell or a frame, as no digit does."""
    return [part for part in parts if not any(_holds(part, other) for other in parts)]


def _holds(frame: Component, part: Component) -> bool:
    return (
        frame is not part
        and part.height >= 0.4 * frame.height
        and frame.x < part.x
        and frame.y < part.y
        and frame.x + frame.width > part.x + part.width
        and frame.y + frame.height > part.y + part.height
    )


def _typical_height(parts: Sequence[Component]) -> float:
    """The height that half of the ink lies above."""
    ordered = sorted(parts, key=lambda part: part.height)
    masses = np.cumsum([part.mass for part in ordered])
    return float(ordered[int(np.searchsorted(masses, masses[-1] / 2))].height)


def _digits(parts: Sequence[Component], height: float) -> list[list[Component]]:
    """Each digit's parts: one of a digit's height, and smaller ones close to it."""
    parts = [part for part in parts if not (part.touches and part.width < EDGE_WIDTH * height)]
    mains = [part for part in parts if LEAST_HEIGHT * height <= part.height <= MOST_HEIGHT * height]
    groups = {main.label: [main] for main in mains}
    for part in parts:
        if SPECK_HEIGHT * height <= max(part.height, part.width) and part.height < LEAST_HEIGHT * height:
            nearest = min(mains, key=part.gap_to, default=None)
            if nearest is not None and part.gap_to(nearest) <= REACH * height:
                groups[nearest.label].append(part)
    return list(groups.values())


def _piece(parts: Iterable[Component], labels: np.ndarray) -> Piece:
    parts = list(parts)
    x, y = min(part.x for part in parts), min(part.y for part in parts)
    right, bottom = max(part.x + part.width for part in parts), max(part.y + part.height for part in parts)
    return Piece(x, y, np.isin(labels[y:bottom, x:right], [part.label for part in parts]))


def _lines(pieces: Sequence[Piece], height: float) -> list[list[Piece]]:
    """Group pieces into lines: each, from left to right, follows the line whose last one is at its height."""
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.x + piece.width / 2):
        line = min(lines, key=lambda line: _step(line, piece), default=None)
        if line is None or _step(line, piece) > SAME_LINE * height:
            lines.append([piece])
        else:
            line.append(piece)
    return sorted(lines, key=lambda line: float(np.mean([_middle(piece) for piece in line])))


def _step(line: Sequence[Piece], piece: Piece) -> float:
    return abs(float(np.median([_middle(last) for last in line[-3:]])) - _middle(piece))


def _middle(piece: Piece) -> float:
    return piece.y + piece.height / 2
