"""A model's answers to many pictures, each asked the way it is served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from app.digits.classifier import DigitClassifier
from app.digits.errors import BlankPicture
from app.digits.image import decode
from app.digits.preprocessing import Frame, Grey
from app.digits.session import Floats
from training.data import Split
from training.strokes import as_png

BATCH = 500


@dataclass(frozen=True)
class Answers:
    """What a model says to N pictures.

    Attributes:
        logits: float32 (N, C), before temperature; 0 where framing found the picture blank.
        probabilities: float32 (N, C), calibrated; 0 where framing found the picture blank.
        refused: bool (N,), whether framing found it blank.
        truths: int64 (N,), positions of the true labels.
    """

    logits: Floats
    probabilities: Floats
    refused: NDArray[np.bool_]
    truths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truths)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Int64 (N,), positions of the most probable labels; -1 where the picture was refused."""
        return np.where(self.refused, -1, self.probabilities.argmax(axis=1)).astype(np.int64)

    @cached_property
    def confidence(self) -> Floats:
        """Float32 (N,), probability of the most probable label; 0 where the picture was refused."""
        best: Floats = self.probabilities.max(axis=1)
        return best

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Bool (N,), whether the most probable label is the true one."""
        right: NDArray[np.bool_] = self.labels == self.truths
        return right

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0–1; a refused picture is a wrong one."""
        return float(self.right.mean())


def answers_to(classifier: DigitClassifier, split: Split) -> Answers:
    """Ask about every picture of a split, each going through a PNG file."""
    return ask(classifier, as_files(split.images), split.labels)


def ask(classifier: DigitClassifier, files: Iterable[bytes], truths: NDArray[np.int64]) -> Answers:
    """Send picture files through decoding, framing and the model.

    Args:
        classifier: the model.
        files: N encoded pictures.
        truths: int64 (N,), positions of their labels; -1 for what has none.
    """
    return answer(classifier, framed(classifier, map(decode, files)), truths)


def frames_of(classifier: DigitClassifier, split: Split) -> Iterator[Frame]:
    """What the model sees of each picture of a split, in order, each going through a PNG file; none of them may be blank."""
    return (classifier.frame(decode(file)) for file in as_files(split.images))


def framed(classifier: DigitClassifier, pictures: Iterable[Grey]) -> Iterator[Grey | None]:
    """What the model sees of each grey picture, uint8 (1, 28, 28); None where framing found it blank."""
    for picture in pictures:
        try:
            yield classifier.frame(picture).image
        except BlankPicture:
            yield None


def answer(classifier: DigitClassifier, frames: Iterable[Grey | None], truths: NDArray[np.int64]) -> Answers:
    """Run the model on frames, in batches; arguments as for ``ask``."""
    n, classes = len(truths), len(classifier.manifest.labels)
    logits, probabilities = np.zeros((n, classes), np.float32), np.zeros((n, classes), np.float32)
    seen = np.zeros(n, np.bool_)
    numbered = ((position, frame) for position, frame in enumerate(frames) if frame is not None)
    while batch := list(islice(numbered, BATCH)):
        positions = [position for position, _ in batch]
        output = classifier.infer(np.stack([frame for _, frame in batch]))
        logits[positions], probabilities[positions], seen[positions] = output.logits, output.probabilities, True
    return Answers(logits, probabilities, ~seen, truths)


def as_files(images: Iterable[Grey]) -> Iterator[bytes]:
    """Grey pictures as PNG files."""
    return map(as_png, images)
