"""A run's folder: ``checkpoint.pt``, ``run.json`` and ``history.csv``.

Each is replaced atomically, so a kill or a full disk leaves the last good one.
"""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import torch
import torchvision
from pydantic import BaseModel, ConfigDict, ValidationError

from app.digits.manifest import Margins, Metrics, Parity
from training.datasets import Origin
from training.errors import TrainingError
from training.recipe import Recipe


class Epoch(BaseModel):
    """One row of ``history.csv``. Losses are cross entropies; validation is of the averaged weights."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


class RunRecord(BaseModel):
    """``run.json``: everything that tells how a checkpoint came about, and what was measured on it.

    What came later than the first runs has the value that they had as its default. ``voters`` are the seeds of the runs that
    were joined into this one.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    recipe: Recipe
    seed: int
    git_commit: str
    data: Origin = Origin()
    data_sha256: str
    teacher_sha256: str | None = None
    quantized_from: str | None = None
    voters: tuple[int, ...] = ()
    created_at: str
    versions: dict[str, str]
    device: str
    processes: int = 1
    parameters: int
    subset: int | None = None
    history: list[Epoch] = []
    temperature: float | None = None
    margins: Margins | None = None
    parity: Parity | None = None
    metrics: dict[str, Metrics] = {}


class RunFolder:
    """Reads and writes the files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model"

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        self._write("checkpoint.pt", lambda file: torch.save(state, file))

    def load_checkpoint(self) -> dict[str, Any]:
        """The last good checkpoint.

        Raises:
            TrainingError: there is none, or it is not readable.
        """
        path = self.path / "checkpoint.pt"
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError as exc:
            raise TrainingError(f"{self.path} holds no checkpoint; run `python -m training train` first.") from exc
        except Exception as exc:  # torch, pickle and zipfile each raise their own kind on a damaged file
            raise TrainingError(f"{path} is damaged; delete it and train again.") from exc
        return state

    def has_checkpoint(self) -> bool:
        return (self.path / "checkpoint.pt").is_file()

    def save_record(self, record: RunRecord) -> None:
        """Write ``run.json`` and, from its history, ``history.csv``."""
        text = record.model_dump_json(indent=2) + "\n"
        self._write("run.json", lambda file: file.write(text.encode()))
        self._write("history.csv", lambda file: file.write(_as_csv(record.history).encode()))

    def load_record(self) -> RunRecord:
        """Read ``run.json``.

        Raises:
            TrainingError: there is none, or it is not readable.
        """
        try:
            return RunRecord.model_validate_json((self.path / "run.json").read_bytes())
        except FileNotFoundError as exc:
            raise TrainingError(f"{self.path} holds no run.json; run `python -m training train` first.") from exc
        except ValidationError as exc:
            raise TrainingError(f"{self.path / 'run.json'} is damaged; train again into an empty folder.") from exc

    def _write(self, name: str, write: Callable[[IO[bytes]], object]) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with _replacing(self.path / name) as file:
                write(file)
        except (OSError, RuntimeError) as exc:  # torch reports a full disk as RuntimeError
            raise TrainingError(f"{self.path / name} could not be written ({exc}); the previous one is intact.") from exc


def check_differ_by_seed(records: Sequence[RunRecord]) -> None:
    """See that runs are of one recipe, and by different seeds.

    Raises:
        TrainingError: they differ by name, recipe, data or teacher, or two have the same seed.
    """
    if len({(record.name, record.recipe, record.data_sha256, record.teacher_sha256) for record in records}) > 1:
        raise TrainingError("The runs differ by more than their seed; take runs of one recipe and one data set.")
    if len({record.seed for record in records}) < len(records):
        raise TrainingError("Two of the runs have the same seed; what differs by chance would look like less than it is.")


def provenance() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "torchvision": str(torchvision.__version__)}


def git_commit() -> str:
    """The commit of the working tree, with ``-dirty`` where tracked files differ from it; ``unknown`` outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _as_csv(history: list[Epoch]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(Epoch.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(epoch.model_dump() for epoch in history)
    return out.getvalue()
