"""The pictures that models are measured on: a data set, spoilt ones of it, other hands', and such as show no digit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.preprocessing import Grey
from training.answers import as_files, framed
from training.data import LABELS, Split, SplitName
from training.handwriting import pictures_of
from training.nondigits import KINDS, draw_nondigit
from training.report.corruptions import corrupt
from training.report.material import Material

PICTURES: Final = 1000
TRAIN_PICTURES: Final = 10_000  # enough for the gap to 0.1 points; all 55,000 take half a minute more
DRAWN_NONDIGITS: Final = 600
SEED: Final = 1
NO_DIGIT: Final = -1

Frames = list[Grey | None]  # what a model sees, uint8 (1, 28, 28) each; None where framing found the picture blank


@dataclass(frozen=True)
class PictureSet:
    """Picture files and the positions of their labels, int64 (N,); -1 for what is no digit."""

    files: tuple[bytes, ...]
    labels: NDArray[np.int64]


class Bench:
    """Pictures, read or drawn when they are first asked for, and framed once for all models that frame alike.

    Attributes:
        data: the data set.
        sample: its test pictures that are spoilt.
    """

    def __init__(self, data: Material, *, pictures: int = PICTURES, handwriting: Path | None = None) -> None:
        """Choose the sample.

        Args:
            data: the data set; every n-th of its test pictures is spoilt, as the easy ones may come first.
            pictures: how many are spoilt.
            handwriting: a folder of sets as npz files; None, or one that is not there, for none.
        """
        test = data.splits["test"]
        chosen = np.linspace(0, len(test) - 1, min(pictures, len(test))).round().astype(int)
        self.data = data
        self.sample = Split(test.images[chosen], test.labels[chosen])
        self._handwriting = handwriting
        self._frames: dict[tuple[str, str, str], Frames] = {}

    def split(self, name: SplitName) -> Split:
        """The pictures of a split that models are asked about: all of it, of ``train`` the first ones."""
        return self.data.splits[name].first(TRAIN_PICTURES if name == "train" else None)

    @cached_property
    def digits(self) -> dict[str, PictureSet]:
        """Sets of other hands, by name; empty unless the labels are digits."""
        return {name: found for name, found in self._sets.items() if (found.labels != NO_DIGIT).all()}

    @cached_property
    def nondigits(self) -> dict[str, PictureSet]:
        """Sets that hold no digit, by name; empty unless the labels are the ten digits."""
        if self.data.labels != LABELS:
            return {}
        read = {name: found for name, found in self._sets.items() if (found.labels == NO_DIGIT).all()}
        return read | {"drawn": _drawn(self.data.splits["test"])}

    @cached_property
    def _sets(self) -> dict[str, PictureSet]:
        labels = self.data.labels
        if self._handwriting is None or not set(labels) <= set(LABELS):
            return {}
        return {path.stem: _read_set(path, labels) for path in sorted(self._handwriting.glob("*.npz"))}

    def frames_of_split(self, classifier: DigitClassifier, name: SplitName) -> Frames:
        """What the model sees of a split's pictures, each going through a PNG file."""
        return self._once(classifier, f"split {name}", lambda: map(decode, as_files(self.split(name).images)))

    def frames_of_set(self, classifier: DigitClassifier, name: str) -> Frames:
        """What the model sees of a set of ``digits`` or ``nondigits``."""
        files = (self.digits | self.nondigits)[name].files
        return self._once(classifier, f"set {name}", lambda: map(decode, files))

    def frames_of_spoilt(self, classifier: DigitClassifier, kind: str, strength: int) -> Frames:
        """What the model sees of the sample under a corruption, without the PNG file between, which would change nothing."""
        return self._once(classifier, f"{kind} {strength}", lambda: corrupt(self.sample.images, kind, strength))

    def _once(self, classifier: DigitClassifier, name: str, pictures: Callable[[], Iterable[Grey]]) -> Frames:
        preprocessing = classifier.manifest.preprocessing
        key = (preprocessing.name, preprocessing.version, name)
        if key not in self._frames:
            self._frames[key] = list(framed(classifier, pictures()))
        return self._frames[key]


def _read_set(path: Path, labels: tuple[str, ...]) -> PictureSet:
    """A set's pictures that are of the labels, which are digits, and those that are of none."""
    positions = {int(label): position for position, label in enumerate(labels)} | {NO_DIGIT: NO_DIGIT}
    known = [(file, positions[label]) for file, label in pictures_of(path) if label in positions]
    return PictureSet(tuple(file for file, _ in known), np.array([position for _, position in known], np.int64))


def _drawn(digits: Split) -> PictureSet:
    """Non-digits that our own code draws, as many of each kind."""
    random = np.random.default_rng(SEED)
    pictures = [draw_nondigit(KINDS[number % len(KINDS)], digits, random) for number in range(DRAWN_NONDIGITS)]
    return PictureSet(tuple(as_files(pictures)), np.full(len(pictures), NO_DIGIT, np.int64))
