"""What a caller gives → files in batches that one request may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Final

# A picture file's bytes, the path of one, or both its name and bytes.
Picture = bytes | str | PathLike[str] | tuple[str | None, bytes]

# The service's own defaults (DIGITS_MAX_FILES, DIGITS_MAX_BODY_BYTES).
MAX_FILES: Final = 64
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
# Around each file httpx writes a boundary of 36 bytes, its headers (about 110 and the name) and line ends.
PART_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class File:
    """A picture file; ``filename`` comes back in its result."""

    filename: str | None
    data: bytes

    @property
    def body_bytes(self) -> int:
        """At most what it takes of a body; a quote in a name becomes three bytes."""
        return len(self.data) + 3 * len((self.filename or "").encode()) + PART_BYTES


@dataclass(frozen=True, slots=True)
class Batch:
    """Files of one request; the first one is the caller's ``start``-th picture."""

    start: int
    files: list[File]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one request may hold: the service's limits."""

    max_files: int = MAX_FILES
    max_body_bytes: int = MAX_BODY_BYTES


def load(picture: Picture) -> File:
    """Read a picture's file if it is a path.

    Raises:
        OSError: the path cannot be read.
        TypeError: it is none of the kinds of ``Picture``.
    """
    if isinstance(picture, bytes):
        return File(None, picture)
    if isinstance(picture, tuple):
        return File(*picture)
    path = Path(fspath(picture))
    return File(path.name, path.read_bytes())


def batches(pictures: Iterable[Picture], limits: BatchLimits) -> Iterator[Batch]:
    """Split pictures, in order, as they are iterated; one that is larger than a body goes alone, for the service to judge.

    Raises:
        TypeError: ``pictures`` is a lone picture.
    """
    if isinstance(pictures, bytes | str | PathLike):
        raise TypeError("Give a list of pictures, also for one: [picture].")
    start, files, size = 0, list[File](), 0
    for file in map(load, pictures):
        if files and (len(files) == limits.max_files or size + file.body_bytes > limits.max_body_bytes):
            yield Batch(start, files)
            start, files, size = start + len(files), [], 0
        files.append(file)
        size += file.body_bytes
    if files:
        yield Batch(start, files)
