"""The folder beside the result in which a run keeps what is done, so that a kill costs only the parts in hand.

    results.parquet.parts/
        plan.json           what is to be done; once it is there, the names are too
        names.jsonl         every picture's name, one a line: a later change of the source moves nothing
        000000.parquet …    finished parts
        lock                held by the process that works here

Every file but the lock is written under another name, then renamed: it is there as a whole, or it is not there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from app.many.errors import CannotBegin
from app.many.formats import Format
from app.many.work import Part, Task, split

# A second or two of one core's work on small pictures: what a kill may cost, and how often progress shows.
PART_PICTURES: Final = 1024
PLAN: Final = "plan.json"
NAMES: Final = "names.jsonl"
LOCK: Final = "lock"
PARTIAL: Final = ".partial"


class Plan(BaseModel):
    """What makes two runs the same run: anything else here, and the parts of one do not fit the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    model: str
    version: str
    sha256: str
    max_file_bytes: int
    max_image_pixels: int
    part_pictures: int

    def difference(self, other: Plan) -> str | None:
        """The first field that differs, in words."""
        mine, theirs = self.model_dump(), other.model_dump()
        return next((f"{name} was {theirs[name]!r} and is {mine[name]!r}" for name in mine if mine[name] != theirs[name]), None)


class Parts:
    """The folder of one result; close it, or use it in ``with``: only one process may work in it at one time."""

    def __init__(self, out: Path, result_format: Format) -> None:
        """Make the folder, if there is none, and lock it.

        Raises:
            CannotBegin: the place cannot be written, or another process works there.
        """
        self._out = out
        self._format = result_format
        self._folder = out.with_name(out.name + ".parts")
        try:
            self._folder.mkdir(exist_ok=True)
            self._lock = (self._folder / LOCK).open("wb")
        except OSError as exc:
            raise CannotBegin(f"{out} cannot be written: {exc.strerror}.") from exc
        if not _locked(self._lock):
            self._lock.close()
            raise CannotBegin(f"Another run is writing {out}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._lock.close()

    @property
    def plan(self) -> Plan | None:
        """What was begun here; None if nothing was, or if it was finished. Raises CannotBegin if it cannot be understood."""
        try:
            return Plan.model_validate_json((self._folder / PLAN).read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as exc:
            raise CannotBegin(f"{self._out} was begun by another version of Digits; --overwrite begins anew.") from exc

    def begin(self, plan: Plan, names: Iterator[str]) -> int:
        """Forget what was here, and write down what is to be done: how many pictures.

        Raises:
            CannotBegin: there are none, or they cannot be listed; then nothing is begun.
        """
        self._clear()
        try:
            count = self._write_names(names)
            if not count:
                raise CannotBegin(f"There is no picture in {plan.source}.")
        except CannotBegin:
            self.discard()
            raise
        with self._written(self._folder / PLAN) as file:
            file.write(plan.model_dump_json(indent=2).encode())
        return count

    def tasks(self, plan: Plan) -> Iterator[Task]:
        """All parts, finished or not, in order."""
        with (self._folder / NAMES).open("rb") as file:
            for index, lines in enumerate(split(iter(file), plan.part_pictures)):
                yield Task(index, tuple(map(json.loads, lines)))

    def has(self, index: int) -> bool:
        """Whether a part is finished."""
        return self._path(index).exists()

    def write(self, part: Part) -> None:
        """Keep a finished part."""
        with self._written(self._path(part.index)) as file:
            file.write(part.content)

    def join(self, count: int, plan: Plan) -> None:
        """Make the result of ``count`` parts; from then on, none of this is needed."""
        with self._written(self._out) as file:
            self._format.join(map(self._path, range(count)), file, plan.model_dump_json())
        self.discard()

    def discard(self) -> None:
        """Remove the folder; the plan first, for without it the rest counts for nothing."""
        self._clear()
        (self._folder / LOCK).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _write_names(self, names: Iterator[str]) -> int:
        count = 0
        with self._written(self._folder / NAMES) as file:
            for name in names:
                file.write(json.dumps(name).encode() + b"\n")
                count += 1
        return count

    def _clear(self) -> None:
        (self._folder / PLAN).unlink(missing_ok=True)
        for path in self._folder.iterdir():
            if path.name != LOCK:
                path.unlink(missing_ok=True)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}{self._out.suffix}"

    @contextlib.contextmanager
    def _written(self, path: Path) -> Iterator[BinaryIO]:
        partial = self._folder / (path.name + PARTIAL)
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def _locked(file: BinaryIO) -> bool:
    """Take the lock, which ends with the process however it ends; Windows has none of this kind."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
