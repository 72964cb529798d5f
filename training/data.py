"""Pictures with their classes, and MNIST's fixed three-way split.

The split never changes between runs, seeds or machines: 55,000 / 5,000 of the original training pictures, stratified by
class, drawn with seed 0; the original 10,000 test pictures stay the test split and decide nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import MNIST

from app.digits.preprocessing import mnist_frame
from training.errors import TrainingError
from training.strokes import draw_by_hand

SplitName = Literal["train", "validation", "test"]

LABELS = tuple(str(digit) for digit in range(10))
VALIDATION_PER_CLASS = 500
SPLIT_SEED = 0


@dataclass(frozen=True)
class Split:
    """Pictures and their classes.

    Attributes:
        images: uint8 (N, 28, 28), ink 255 on paper 0.
        labels: int64 (N,), positions among the data set's labels.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Split:
        """The first ``count`` pictures (all of them for None), for a quick look or a test."""
        return Split(self.images[:count], self.labels[:count])

    def part(self, held_out: Callable[[int], int]) -> tuple[Split, Split]:
        """Divide by class, in the same way every time and on every machine.

        Args:
            held_out: how many pictures to hold out of a class of so many.

        Returns:
            What is kept and what is held out, each in the order that it had.
        """
        random = np.random.default_rng(SPLIT_SEED)
        of_class = [np.flatnonzero(self.labels == label) for label in range(int(self.labels.max()) + 1)]
        chosen = np.concatenate([random.choice(places, held_out(len(places)), replace=False) for places in of_class])
        out = np.isin(np.arange(len(self)), chosen)
        return Split(self.images[~out], self.labels[~out]), Split(self.images[out], self.labels[out])


def drawn_split(count: int) -> Split:
    """Digits of rare forms that our own code draws (``training.strokes``), framed as served; the same ones every time."""
    random = np.random.default_rng(SPLIT_SEED)
    labels = np.arange(count, dtype=np.int64) % len(LABELS)
    images = [mnist_frame(draw_by_hand(LABELS[label], random)).image[0] for label in labels]
    return Split(np.stack(images), labels)


def data_dir() -> Path:
    """Where MNIST lies: ``DIGITS_DATA_DIR``, else ``data/`` in the working folder."""
    return Path(os.environ.get("DIGITS_DATA_DIR", "data"))


def load_split(name: SplitName, root: Path | None = None) -> Split:
    """Read one split of MNIST; downloads it once if it is not there.

    Args:
        name: ``train`` (55,000), ``validation`` (5,000) or ``test`` (10,000).
        root: torchvision's data folder; ``data_dir()`` if None.

    Raises:
        TrainingError: MNIST is neither in the folder nor to be downloaded.
    """
    whole = _read(train=name != "test", root=root or data_dir())
    if name == "test":
        return whole
    kept, held_out = whole.part(lambda _: VALIDATION_PER_CLASS)
    return held_out if name == "validation" else kept


def fingerprint(split: Split) -> str:
    """SHA-256 over the raw pixel and label bytes: what data a run really saw."""
    digest = hashlib.sha256(np.ascontiguousarray(split.images).tobytes())
    digest.update(np.ascontiguousarray(split.labels).tobytes())
    return digest.hexdigest()


def _read(*, train: bool, root: Path) -> Split:
    try:
        dataset = MNIST(str(root), train=train, download=True)  # touches nothing where the files are there
    except (OSError, RuntimeError) as exc:
        raise TrainingError(
            f"MNIST is not in {root} and could not be downloaded; set DIGITS_DATA_DIR to a folder that holds MNIST/raw."
        ) from exc
    return Split(dataset.data.numpy(), dataset.targets.numpy().astype(np.int64))
