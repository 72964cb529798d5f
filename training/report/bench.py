"""Pictures of other kinds than the test split's: spoilt ones, other hands', and such as show no digit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.preprocessing import Grey
from training.data import LABELS, Split
from training.nondigits import KINDS, draw_nondigit
from training.report.answers import as_files, framed
from training.report.corruptions import corrupt

PICTURES: Final = 1000
DRAWN_NONDIGITS: Final = 600
SEED: Final = 1
DENSE, NO_DIGIT = "images", -1


@dataclass(frozen=True)
class PictureSet:
    """Picture files and the positions of their labels, int64 (N,); -1 for what is no digit."""

    files: tuple[bytes, ...]
    labels: NDArray[np.int64]


class Bench:
    """Sets of pictures, read or drawn when they are first asked for, and framed once for all models that frame alike.

    Attributes:
        sample: the test pictures that are spoilt.
    """

    def __init__(
        self, test: Split, labels: tuple[str, ...], *, pictures: int = PICTURES, handwriting: Path | None = None
    ) -> None:
        """Choose the sample.

        Args:
            test: the test split; every n-th of its pictures is spoilt, as the easy ones may come first.
            labels: of the classes.
            pictures: how many are spoilt.
            handwriting: a folder of sets as npz files; None, or one that is not there, for none.
        """
        chosen = np.linspace(0, len(test) - 1, min(pictures, len(test))).round().astype(int)
        self.sample = Split(test.images[chosen], test.labels[chosen])
        self._test, self._labels, self._handwriting = test, labels, handwriting
        self._frames: dict[tuple[str, str, str], list[Grey | None]] = {}

    @cached_property
    def digits(self) -> dict[str, PictureSet]:
        """Sets of other hands, by name; empty unless the labels are digits."""
        return {name: found for name, found in self._sets.items() if (found.labels != NO_DIGIT).all()}

    @cached_property
    def nondigits(self) -> dict[str, PictureSet]:
        """Sets that hold no digit, by name; empty unless the labels are the ten digits."""
        if self._labels != LABELS:
            return {}
        read = {name: found for name, found in self._sets.items() if (found.labels == NO_DIGIT).all()}
        return read | {"drawn": _drawn(self._test)}

    @cached_property
    def _sets(self) -> dict[str, PictureSet]:
        if self._handwriting is None or not set(self._labels) <= set(LABELS):
            return {}
        return {path.stem: _read_set(path, self._labels) for path in sorted(self._handwriting.glob("*.npz"))}

    def frames(self, classifier: DigitClassifier, found: str) -> list[Grey | None]:
        """What the model sees of a set; None where framing found a picture blank."""
        files = (self.digits | self.nondigits)[found].files
        return self._once(classifier, found, lambda: map(decode, files))

    def spoilt(self, classifier: DigitClassifier, kind: str, strength: int) -> list[Grey | None]:
        """What the model sees of the sample under a corruption, without the PNG file between, which would change nothing."""
        return self._once(classifier, f"{kind} {strength}", lambda: corrupt(self.sample.images, kind, strength))

    def _once(self, classifier: DigitClassifier, name: str, pictures: Callable[[], Iterable[Grey]]) -> list[Grey | None]:
        preprocessing = classifier.manifest.preprocessing
        key = (preprocessing.name, preprocessing.version, name)
        if key not in self._frames:
            self._frames[key] = list(framed(classifier, pictures()))
        return self._frames[key]


def _read_set(path: Path, labels: tuple[str, ...]) -> PictureSet:
    """One npz file: ``images`` uint8 (N, H, W), or ``data`` with files end to end and their ``offsets``; and ``labels``."""
    with np.load(path, allow_pickle=False) as content:
        if DENSE in content:
            files = list(as_files(content[DENSE]))
        else:
            data, offsets = content["data"], content["offsets"]
            files = [data[start:end].tobytes() for start, end in pairwise(offsets)]
        truths = content["labels"].tolist()
    positions = {int(label): position for position, label in enumerate(labels)} | {NO_DIGIT: NO_DIGIT}
    known = [number for number, truth in enumerate(truths) if truth in positions]
    return PictureSet(tuple(files[i] for i in known), np.array([positions[truths[i]] for i in known], np.int64))


def _drawn(digits: Split) -> PictureSet:
    """Non-digits that our own code draws, as many of each kind."""
    random = np.random.default_rng(SEED)
    pictures = [draw_nondigit(KINDS[number % len(KINDS)], digits, random) for number in range(DRAWN_NONDIGITS)]
    return PictureSet(tuple(as_files(pictures)), np.full(len(pictures), NO_DIGIT, np.int64))
