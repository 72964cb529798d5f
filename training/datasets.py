"""Data sets by name, or a folder of pictures by class: what a model of other classes than MNIST's is made from.

Every picture passes the door that the service has: ``app.digits`` decodes and frames it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torchvision.datasets import EMNIST, KMNIST, MNIST, FashionMNIST

from app.digits.errors import PictureError
from app.digits.image import Grey, decode
from app.digits.manifest import Preprocessing
from app.digits.preprocessing import PREPROCESSINGS
from training.data import LABELS, Split, SplitName, data_dir, load_split
from training.errors import TrainingError

MNIST_NAME: Final = "mnist"
# By torchvision's name for the class, with what its constructor wants beside the folder.
BY_NAME: Final[dict[str, Callable[..., MNIST]]] = {
    "fashion-mnist": FashionMNIST,
    "kmnist": KMNIST,
    "emnist-balanced": partial(EMNIST, split="balanced"),
    "emnist-digits": partial(EMNIST, split="digits"),
    "emnist-letters": partial(EMNIST, split="letters"),
}
SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
# Of each class of a folder: test, then validation of what is left. MNIST's own validation split is a twelfth.
HELD_OUT: Final = {"test": 7, "validation": 6}
FEWEST: Final = 3


def newest(preprocessing: str) -> Preprocessing:
    """A framing's newest version.

    Raises:
        TrainingError: there is no such framing.
    """
    versions = [version for name, version in PREPROCESSINGS if name == preprocessing]
    if not versions:
        names = sorted({name for name, _ in PREPROCESSINGS})
        raise TrainingError(f"There is no preprocessing named {preprocessing!r}; there are: {', '.join(names)}.")
    return Preprocessing(name=preprocessing, version=max(versions, key=int))


class Origin(BaseModel):
    """Where a run's pictures come from, as ``run.json`` keeps it; MNIST by default.

    Attributes:
        name: what ``--data`` said.
        labels: the classes' names, by position.
        preprocessing: how the pictures were framed, and how the service will frame what it is sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = MNIST_NAME
    labels: tuple[str, ...] = LABELS
    preprocessing: Preprocessing = Field(default_factory=lambda: newest("mnist-frame"))

    @property
    def is_digits(self) -> bool:
        """Whether the classes are the ten digits."""
        return self.labels == LABELS

    @property
    def is_mnist(self) -> bool:
        """Whether it is the data that the shipped models know."""
        return self.name == MNIST_NAME


@dataclass(frozen=True)
class DataSet:
    """Pictures to be read.

    Attributes:
        origin: where they come from.
        split: reads one split.
    """

    origin: Origin
    split: Callable[[SplitName], Split]


def open_dataset(
    name: str = MNIST_NAME, *, root: Path | None = None, preprocessing: str | None = None, workers: int | None = None
) -> DataSet:
    """A data set by its name, or a folder's.

    Args:
        name: ``mnist``, one of ``BY_NAME``, or a folder that holds ``LABEL/*.png``.
        root: torchvision's data folder; ``data_dir()`` if None.
        preprocessing: a framing's name; ``mnist-frame`` for MNIST and ``fit`` for all others if None.
        workers: threads that read a folder's pictures; as many as there are cores if None.

    Raises:
        TrainingError: no such data set or folder, or a folder that nothing can be learnt from.
    """
    framing = newest(preprocessing or ("mnist-frame" if name == MNIST_NAME else "fit"))
    if name == MNIST_NAME:
        return DataSet(Origin(preprocessing=framing), lambda split: load_split(split, root))
    if name in BY_NAME:
        return _of_torchvision(name, root or data_dir(), framing)
    return _of_folder(Path(name), framing, workers)


def dataset_of(origin: Origin, moved_to: str | None = None, *, root: Path | None = None) -> DataSet:
    """The data that a run was made from, framed in the same way; ``moved_to`` is where its folder is now."""
    return open_dataset(moved_to or origin.name, root=root, preprocessing=origin.preprocessing.name)


def _of_torchvision(name: str, root: Path, preprocessing: Preprocessing) -> DataSet:
    @cache
    def read(*, train: bool) -> MNIST:
        try:
            return BY_NAME[name](str(root), train=train, download=True)  # touches nothing where the files are there
        except (OSError, RuntimeError) as exc:
            raise TrainingError(f"{name} is not in {root} and could not be downloaded.") from exc

    def split(part: SplitName) -> Split:
        dataset = read(train=part != "test")
        images: NDArray[np.uint8] = dataset.data.numpy()
        if name.startswith("emnist"):  # its files hold each picture on its side
            images = np.ascontiguousarray(images.transpose(0, 2, 1))
        labels = dataset.targets.numpy().astype(np.int64) - _first(dataset)
        whole = Split(images, labels)
        if part == "test":
            return whole
        kept, held_out = whole.part(lambda count: count // 12)
        return held_out if part == "validation" else kept

    dataset = read(train=False)
    labels = tuple(dataset.classes[_first(dataset) :])
    return DataSet(Origin(name=name, labels=labels, preprocessing=preprocessing), split)


def _first(dataset: MNIST) -> int:
    """EMNIST's letters count from 1."""
    return int(dataset.classes[0] == "N/A")


def _of_folder(folder: Path, preprocessing: Preprocessing, workers: int | None) -> DataSet:
    classes = _classes(folder)

    @cache
    def parts() -> dict[SplitName, Split]:
        frames = _framed([file for files in classes.values() for file in files], preprocessing, workers)
        labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(files) for files in classes.values()])
        rest, test = Split(frames, labels).part(lambda count: max(1, count // HELD_OUT["test"]))
        train, validation = rest.part(lambda count: max(1, count // HELD_OUT["validation"]))
        return {"train": train, "validation": validation, "test": test}

    origin = Origin(name=str(folder), labels=tuple(classes), preprocessing=preprocessing)
    return DataSet(origin, lambda split: parts()[split])


def _classes(folder: Path) -> dict[str, list[Path]]:
    """The files of each class, both sorted by name."""
    if not folder.is_dir():
        known = ", ".join([MNIST_NAME, *BY_NAME])
        raise TrainingError(f"There is no data set or folder {str(folder)!r}; known by name: {known}.")
    classes = {
        path.name: sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }
    if len(classes) < 2:
        found = "one class" if classes else "no class"
        raise TrainingError(f"{folder} holds {found}; it takes two folders of pictures at least, FOLDER/LABEL/*.png.")
    for label, files in classes.items():
        if len(files) < FEWEST:
            raise TrainingError(f"Class {label!r} of {folder} has {len(files)} pictures; it takes {FEWEST} at least.")
    return classes


def _framed(files: Sequence[Path], preprocessing: Preprocessing, workers: int | None) -> NDArray[np.uint8]:
    """Frames uint8 (N, 28, 28) of the files, in order."""
    frame = PREPROCESSINGS[preprocessing.name, preprocessing.version]

    def read(file: Path) -> Grey:
        try:
            return np.asarray(frame(decode(file.read_bytes())).image[0])
        except (OSError, PictureError) as exc:
            raise TrainingError(f"{file} cannot be read as a picture ({exc}); mend it or take it out.") from exc

    with ThreadPoolExecutor(workers or os.cpu_count()) as readers:
        return np.stack(list(readers.map(read, files)))
