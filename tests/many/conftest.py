"""A folder of pictures, and runs over it with the shipped model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import pytest
from PIL import Image
from rich.console import Console

from app.digits.classifier import DigitClassifier
from app.digits.image import Limits
from app.many.engines import Engine, local
from app.many.run import Run, Tally, shown
from app.many.work import Job
from app.settings import PROJECT
from tests import pictures

MAX_BYTES: Final = 65_536
PART: Final = 4
BAD: Final = {
    "bomb.png": pictures.bomb(),
    "cut.png": pictures.png()[:-40],
    "empty.png": b"",
    "huge.png": b"\x89PNG\r\n\x1a\n" + bytes(MAX_BYTES),
    "notes.txt": b"My notes.",
    "short.csv": b"1,2\n3,4\n",
    "white.png": pictures.encoded(Image.fromarray(pictures.WHITE), "PNG"),
}
GOOD: Final = {f"{digit}.png": pictures.png(digit) for digit in "0123456789"} | {"7.csv": pictures.csv()}


class MakeRun(Protocol):
    """Makes a run over ``folder``; the engine is this process unless another is given."""

    def __call__(self, out: Path, *, engine: Engine = local, source: Path | None = None) -> Run: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eleven digits, and one of everything that cannot be read."""
    source = tmp_path / "pictures"
    source.mkdir()
    for name, data in (GOOD | BAD).items():
        (source / name).write_bytes(data)
    return source


@pytest.fixture
def make_run(folder: Path, shipped: DigitClassifier) -> MakeRun:
    def make(out: Path, *, engine: Engine = local, source: Path | None = None) -> Run:
        job = Job(str(source or folder), out.suffix, PROJECT / "models/cnn", "cpu", Limits(max_file_bytes=MAX_BYTES))
        return Run(job, out, shipped.manifest, engine, workers=1, part_pictures=PART)

    return make


@pytest.fixture
def start() -> Callable[..., Tally | None]:
    """Starts a run with nobody watching."""

    def start(run: Run, *, resume: bool = False, overwrite: bool = False) -> Tally | None:
        return run.start(shown(Console(quiet=True)), resume=resume, overwrite=overwrite)

    return start
