"""Reads several digits from one picture: its text, and where each digit lies.

The page is divided into pieces by its form (``app.digits.segmentation``); whether a piece is one digit or two that touch is
decided by what the model says to either (``app.digits.splits``). All pieces of a page, and then all ways to cut the doubtful
ones, are run together.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Final, TypeAlias

import numpy as np

from app.digits.classifier import DEFAULT_TOP_K, DigitClassifier, Prediction
from app.digits.errors import NoReader, TooManyDigits
from app.digits.preprocessing import INK_FRAMES, Box, Grey
from app.digits.segmentation import Page, Piece, find_lines, joined
from app.digits.session import Images, Output
from app.digits.splits import CLEAR, Found, Scale, best_of, cuts_of, log_odds, shapes_of

# As many as a request's files by default: a page costs what a full upload does.
MOST_DIGITS: Final = 64
# Of the digit height: a piece that is narrower is no two digits. Halves that are still wider than high are cut again, and
# theirs, for three or four digits in a chain.
LEAST_WIDTH: Final = 0.55
CHAIN_WIDTHS: Final = (1.0, 1.0)
# Pieces of a page, as each has up to 51 cuts of two halves; the most doubtful ones.
MOST_CUT: Final = 10
# Neighbours whose boxes share this much of the narrower one's width may be one digit.
OVERLAP: Final = 0.2
# Fewer pieces do not show whether a page's digits are spaced.
FEW: Final = 3


@dataclass(frozen=True, slots=True)
class ReadDigit:
    """One digit of a page.

    Attributes:
        prediction: what the model says to it.
        box: x, y, width, height of its ink in pixels of the upright original.
    """

    prediction: Prediction
    box: Box

    @property
    def label(self) -> str:
        """The most probable label, abstained or not: a text has no holes."""
        return self.prediction.top_k[0].label


@dataclass(frozen=True, slots=True)
class ReadLine:
    """The digits of one line, from left to right."""

    digits: tuple[ReadDigit, ...]

    @property
    def text(self) -> str:
        return "".join(digit.label for digit in self.digits)

    @property
    def box(self) -> Box:
        """x, y, width, height of all its digits together."""
        boxes = [digit.box for digit in self.digits]
        x, y = min(box[0] for box in boxes), min(box[1] for box in boxes)
        return x, y, max(box[0] + box[2] for box in boxes) - x, max(box[1] + box[3] for box in boxes) - y


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, line by line from the top."""

    lines: tuple[ReadLine, ...]

    @property
    def digits(self) -> tuple[ReadDigit, ...]:
        """All digits in reading order."""
        return tuple(digit for line in self.lines for digit in line.digits)

    @property
    def text(self) -> str:
        """The lines, joined by line feeds."""
        return "\n".join(line.text for line in self.lines)

    @property
    def probability(self) -> float:
        """The product of the digits' probabilities: that all are right, if the digits were found rightly."""
        return prod(digit.prediction.probability for digit in self.digits)


Rounds: TypeAlias = Generator[Images, Output, Reading]
Steps: TypeAlias = Generator[Images, Output, list[list[Found]]]


class Reader:
    """Reads pages with one model."""

    def __init__(self, classifier: DigitClassifier, *, most_digits: int = MOST_DIGITS) -> None:
        """Take a model.

        Args:
            classifier: the model; its frames must be made of ink (``mnist-frame``).
            most_digits: of one picture; what holds more is refused.

        Raises:
            NoReader: the model's frames are whole pictures.
        """
        manifest = classifier.manifest
        frame = INK_FRAMES.get((manifest.preprocessing.name, manifest.preprocessing.version))
        if frame is None:
            raise NoReader(
                f"Model {manifest.name!r} takes whole pictures ({manifest.preprocessing.name}) and cannot read lines."
            )
        self._frame = frame
        self._classifier = classifier
        self._most_digits = most_digits

    def read(self, grey: Grey, *, top_k: int = DEFAULT_TOP_K) -> Reading:
        """Grey uint8 (H, W) → its digits, the model's runs included.

        Raises:
            BlankPicture: there is no ink.
            TooManyDigits: there are more than the limit.
        """
        rounds = self.rounds(grey, top_k=top_k)
        images = next(rounds)
        while True:
            try:
                images = rounds.send(self._classifier.infer(images))
            except StopIteration as end:
                reading: Reading = end.value
                return reading

    def rounds(self, grey: Grey, *, top_k: int = DEFAULT_TOP_K) -> Rounds:
        """``read`` without the model's runs: yields what to run, uint8 (N, 1, 28, 28), takes the output, returns the reading.

        No round has more images than a page may have digits; most pages take one round, doubtful pieces a few more.
        """
        page = find_lines(grey)
        self._check(page.lines)
        scale = Scale(page.digit_height, shapes_of(self._classifier.manifest.labels))
        flat = yield from self._found(page, [piece for line in page.lines for piece in line], scale)
        if len(flat) >= FEW:
            scale = replace(scale, clear=sum(found.strength > CLEAR for found in flat) / len(flat))
        rest = iter(flat)
        lines = yield from self._joined(page, [[next(rest) for _ in line] for line in page.lines], scale)
        seen: set[Found] = set()
        for wider_than in (LEAST_WIDTH, *CHAIN_WIDTHS):
            wide = [found for line in lines for found in line if found.piece.width > wider_than * scale.height]
            doubtful = _most_doubtful([found for found in wide if found not in seen], scale)[: MOST_CUT - len(seen)]
            seen.update(doubtful)
            lines = yield from self._cut(page, lines, scale, doubtful)
        self._check(lines)
        return Reading(tuple(ReadLine(tuple(self._digit(page, found, top_k) for found in line)) for line in lines))

    def _check(self, lines: Sequence[Sequence[object]]) -> None:
        count = sum(map(len, lines))
        if count > self._most_digits:
            raise TooManyDigits(f"The picture shows {count} digits or more; the limit is {self._most_digits}.")

    def _found(self, page: Page, pieces: Sequence[Piece], scale: Scale) -> Generator[Images, Output, list[Found]]:
        """What the model says to pieces, in order."""
        found = []
        for start in range(0, len(pieces), self._most_digits):
            chunk = pieces[start : start + self._most_digits]
            output = yield np.stack([self._frame(*page.ink_of(piece))[0] for piece in chunk])[:, None]
            odds = log_odds(output.probabilities)
            for piece, probabilities, row in zip(chunk, output.probabilities, odds, strict=True):
                found.append(Found(piece, probabilities, scale.evidence(row, piece)))
        return found

    def _joined(self, page: Page, lines: list[list[Found]], scale: Scale) -> Steps:
        """Neighbours that are the broken strokes of one digit, as one."""
        pairs = [pair for line in lines for pair in itertools.pairwise(line) if _overlap(*pair)]
        wholes = yield from self._found(page, [joined(left.piece, right.piece) for left, right in pairs], scale)
        one: dict[Found, Found] = {}
        for whole, (left, right) in zip(wholes, pairs, strict=True):
            if left not in one and whole.strength > left.strength + right.strength:
                one |= {left: whole, right: whole}
        return [list(dict.fromkeys(one.get(found, found) for found in line)) for line in lines]

    def _cut(self, page: Page, lines: list[list[Found]], scale: Scale, doubtful: Sequence[Found]) -> Steps:
        """Doubtful pieces that are two digits, as two."""
        cuts = [cuts_of(found.piece, scale) for found in doubtful]
        halves = [half for ways in cuts for cut in ways for half in (cut.left, cut.right)]
        rest = iter((yield from self._found(page, halves, scale)))
        better = {
            found: best_of(found, [(next(rest), next(rest)) for _ in ways], ways, scale)
            for found, ways in zip(doubtful, cuts, strict=True)
        }
        return [[part for found in line for part in better.get(found, (found,))] for line in lines]

    def _digit(self, page: Page, found: Found, top_k: int) -> ReadDigit:
        return ReadDigit(self._classifier.interpret(found.probabilities, top_k), page.in_original(found.piece))


def _most_doubtful(pieces: Sequence[Found], scale: Scale) -> list[Found]:
    """Those that may be two digits, the likeliest first."""
    return sorted((found for found in pieces if scale.doubt(found) > 0), key=scale.doubt, reverse=True)


def _overlap(left: Found, right: Found) -> bool:
    """Whether two neighbours lie above each other so far that they may be one digit."""
    overlap = left.piece.x + left.piece.width - right.piece.x
    return overlap >= OVERLAP * min(left.piece.width, right.piece.width)
