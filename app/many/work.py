"""One process's share of a run: names in, a finished part's bytes out. Engines only differ in where this runs."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from app.digits.classifier import DigitClassifier
from app.digits.errors import FileTooLarge, PictureError
from app.digits.image import Limits, decode
from app.digits.preprocessing import Frame
from app.digits.session import ProviderName
from app.many.formats import format_of
from app.many.rows import Row, Rows, columns
from app.many.sources import open_source

# Pictures of one run of the model.
BATCH: Final = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """What every process of a run needs to know.

    Attributes:
        source: as the person typed it.
        suffix: of the result.
        model: the model's folder.
        device: hardware.
        limits: of one picture.
    """

    source: str
    suffix: str
    model: Path
    device: ProviderName
    limits: Limits


@dataclass(frozen=True, slots=True)
class Task:
    """The pictures of one part."""

    index: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part.

    Attributes:
        index: its place in the result.
        content: its file's bytes.
        pictures: how many.
        abstained: of them, those that the model declines.
        refused: of them, those that cannot be read.
    """

    index: int
    content: bytes
    pictures: int
    abstained: int
    refused: int


def read_part(job: Job, task: Task) -> Part:
    """Read one part; a process loads the model with its first one.

    Raises:
        RunFailed: the source failed.
        ModelError: the model cannot be loaded here, or failed.
    """
    return _reader(job).read(task)


def split(items: Iterator[T], size: int) -> Iterator[tuple[T, ...]]:
    """Tuples of ``size``, the last one shorter."""
    while part := tuple(islice(items, size)):
        yield part


@functools.lru_cache(maxsize=1)
def _reader(job: Job) -> _Reader:
    return _Reader(job)


class _Reader:
    def __init__(self, job: Job) -> None:
        self._source = open_source(job.source)
        self._classifier = DigitClassifier.load(job.model, provider=job.device, intra_op_threads=1)
        self._rows = Rows(self._classifier)
        self._format = format_of(job.suffix, columns(self._classifier.manifest))
        self._limits = job.limits

    def read(self, task: Task) -> Part:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about damaged files: their rows say what matters
            files = zip(task.names, self._source.read(task.names, self._limits.max_file_bytes + 1), strict=True)
            rows = [row for batch in split(files, BATCH) for row in self._read_batch(batch)]
        return Part(
            task.index,
            self._format.part(rows),
            pictures=len(rows),
            abstained=sum(row["abstained"] is True for row in rows),
            refused=sum(row["error"] is not None for row in rows),
        )

    def _read_batch(self, files: Sequence[tuple[str, bytes | PictureError]]) -> list[Row]:
        frames = [self._frame(name, data) for name, data in files]
        images = [frame.image for frame in frames if isinstance(frame, Frame)]
        answers = iter(self._classifier.infer(np.stack(images)).probabilities if images else ())
        paths = [os.fsencode(name).decode(errors="replace") for name, _ in files]  # file names need not be text
        return [
            self._rows.read(path, frame, next(answers)) if isinstance(frame, Frame) else self._rows.refused(path, frame)
            for path, frame in zip(paths, frames, strict=True)
        ]

    def _frame(self, name: str, data: bytes | PictureError) -> Frame | PictureError:
        if isinstance(data, PictureError):
            return data
        if len(data) > self._limits.max_file_bytes:  # no more of it was read, so its size is not known
            return FileTooLarge(f"The file has more than {self._limits.max_file_bytes:,} bytes.")
        try:
            return self._classifier.frame(decode(data, self._limits, is_csv=name.lower().endswith(".csv")))
        except PictureError as exc:
            return exc
