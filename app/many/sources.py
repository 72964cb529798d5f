"""Where pictures come from: a folder or glob, a zip, or an S3 bucket; each lists names in a fixed order and reads one.

Names are listed one by one, so that millions need no memory; a zip's index is the exception (about 1 kB a picture).
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Protocol

from app.many.errors import CannotBegin, Unreadable

WILD: Final = frozenset("*?[")
ANY_DEPTH: Final = "**"
S3: Final = "s3://"

Pattern = tuple[str, ...]


class Source(Protocol):
    """Pictures by name. A name is what the result's ``path`` shows."""

    def names(self) -> Iterator[str]:
        """All names, in the same order each time; hidden files and folders (``.name``) are left out.

        Raises:
            CannotBegin: they cannot be listed.
        """

    def read(self, names: Sequence[str], most_bytes: int) -> Iterator[bytes | Unreadable]:
        """The bytes of each, in order; no more than ``most_bytes`` of one, whatever its size.

        Raises:
            RunFailed: the source itself fails, not one picture of it.
        """


def open_source(text: str) -> Source:
    """A source by what a person types: a folder, a zip, a glob or ``s3://bucket/prefix``.

    Raises:
        CannotBegin: there is no such thing.
    """
    if text.startswith(S3):
        try:
            from app.many.bucket import Bucket
        except ModuleNotFoundError as exc:
            raise CannotBegin("s3:// needs boto3: pip install 'digits[s3]'.") from exc
        return Bucket(text)
    path = Path(text)
    if path.is_dir():
        return Files(text, (ANY_DEPTH, "*"))
    if zipfile.is_zipfile(path):
        return Zip(path)
    if path.exists():
        raise CannotBegin(f"{text} is no folder and no zip; for a few pictures there is `digits classify`.")
    if WILD & set(text):
        return Files(*_split_glob(text))
    raise CannotBegin(f"There is no {text}.")


class Files:
    """The files under a folder that match a pattern, folder by folder, each sorted by name."""

    def __init__(self, root: str, pattern: Pattern) -> None:
        """Nothing is listed yet.

        Args:
            root: the folder.
            pattern: a glob's segments below it; ``**`` is any number of folders, of which links are not followed.
        """
        self._root = root
        self._pattern = pattern

    def names(self) -> Iterator[str]:
        try:
            yield from _walk(self._root, frozenset({self._pattern}))
        except OSError as exc:
            raise CannotBegin(f"{exc.filename} cannot be listed: {exc.strerror}.") from exc

    def read(self, names: Sequence[str], most_bytes: int) -> Iterator[bytes | Unreadable]:
        for name in names:
            try:
                with open(name, "rb") as file:  # noqa: PTH123 - a Path would cost more than reading does
                    yield file.read(most_bytes)
            except OSError as exc:
                yield Unreadable(f"The file cannot be read: {exc.strerror}.")


class Zip:
    """The files in a zip, in its own order."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as exc:
            raise CannotBegin(f"{path} is no zip that can be read: {exc}.") from exc

    def names(self) -> Iterator[str]:
        for name in dict.fromkeys(self._zip.namelist()):  # of two entries of a name, the later one holds, as when unpacked
            if not name.endswith("/") and not name.startswith("__MACOSX/") and not is_hidden(name):
                yield name

    def read(self, names: Sequence[str], most_bytes: int) -> Iterator[bytes | Unreadable]:
        for name in names:
            try:
                with self._zip.open(name) as entry:
                    yield entry.read(most_bytes)
            # RuntimeError is zipfile's word for a password, NotImplementedError for an unknown compression.
            except (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as exc:
                yield Unreadable(f"The zip's entry cannot be read: {exc}.")


def read_ahead(
    read: Callable[[str], bytes | Unreadable], names: Sequence[str], threads: ThreadPoolExecutor, window: int
) -> Iterator[bytes | Unreadable]:
    """Read the next ``window`` pictures on threads while the caller works on this one."""
    pending: deque[Future[bytes | Unreadable]] = deque()
    for name in names:
        pending.append(threads.submit(read, name))
        if len(pending) > window:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def is_hidden(name: str) -> bool:
    """Whether a file or one of the folders that it lies in begins with a dot."""
    return name.startswith(".") or "/." in name


def _split_glob(text: str) -> tuple[str, Pattern]:
    """The folder that a glob begins in, and its segments from the first with a wildcard on."""
    parts = Path(text).parts
    first = next(index for index, part in enumerate(parts) if WILD & set(part))
    return str(Path(*parts[:first])) if first else "", parts[first:]


def _walk(folder: str, patterns: frozenset[Pattern]) -> Iterator[str]:
    """Files below ``folder`` that match one of the patterns; of a folder its files first, each kind sorted."""
    # ``**`` may also be no folder at all.
    patterns |= {pattern[1:] for pattern in patterns if pattern[0] == ANY_DEPTH and len(pattern) > 1}
    files, folders = list[str](), list[tuple[str, frozenset[Pattern]]]()
    with os.scandir(folder or ".") as found:
        for entry in found:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append((entry.name, _below(entry, patterns)))
            elif entry.is_file() and any(len(pattern) == 1 and _fits(entry.name, pattern[0]) for pattern in patterns):
                files.append(entry.name)
    for name in sorted(files):
        yield os.path.join(folder, name)  # noqa: PTH118 - millions of them
    for name, below in sorted(folders):
        if below:
            yield from _walk(os.path.join(folder, name), below)  # noqa: PTH118


def _below(entry: os.DirEntry[str], patterns: frozenset[Pattern]) -> frozenset[Pattern]:
    """What is left of the patterns inside of a folder."""
    deeper = {pattern for pattern in patterns if pattern[0] == ANY_DEPTH and not entry.is_symlink()}
    named = (pattern for pattern in patterns if pattern[0] != ANY_DEPTH and len(pattern) > 1)
    return frozenset(deeper | {pattern[1:] for pattern in named if fnmatchcase(entry.name, pattern[0])})


def _fits(name: str, segment: str) -> bool:
    return segment == ANY_DEPTH or fnmatchcase(name, segment)
