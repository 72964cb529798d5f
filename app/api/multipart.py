"""A multipart body → the files in it.

The body is small and bounded, so it is here as a whole and parsed in one go: that costs a fifth of Starlette's form parsing,
which streams to temporary files (PEERS.md). What clients usually send is taken apart by a reader of our own, which knows
nothing else; whatever it does not know is python-multipart's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.api.problems import MalformedMultipart, TooManyFiles

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELDS: Final = (b"files", b"file")
CSV_TYPES: Final = (b"text/csv", b"application/csv")
# The header of a file as curl, browsers, httpx and requests write it; a backslash may mean many things.
USUAL_HEADER: Final = re.compile(
    rb"""Content-Disposition:\ form-data;\ name="files?";\ filename="([^"\\\r\n]*)"
         (?:\r\nContent-Type:\ ([0-9A-Za-z+./-]+))?""",
    re.VERBOSE,
)
# python-multipart has limits of its own for what is longer.
LONGEST_HEADER: Final = 2000
LONGEST_BOUNDARY: Final = 70
# Fields beside the files, which are read past. Each part costs 8 µs, and each boundary that is none 1 µs.
MOST_FIELDS: Final = 100


class Upload(NamedTuple):
    """One file as it was sent; ``filename`` is the sender's word and only ever echoed."""

    filename: str | None
    data: bytes
    is_csv: bool


def parse_multipart(body: bytes, boundary: bytes, max_files: int) -> list[Upload]:
    """The parts named ``files`` or ``file``, in order; fields that carry no file are ignored.

    Raises:
        MalformedMultipart: not well-formed, not ended, a file in an unknown field, or no file at all.
        TooManyFiles: more than ``max_files``, or so many parts that they are not looked at.
    """
    if not boundary:
        raise MalformedMultipart("The content type names no multipart boundary.")
    return usual_files(body, boundary, max_files) or any_files(body, boundary, max_files)


def usual_files(body: bytes, boundary: bytes, max_files: int) -> list[Upload] | None:
    """The files, if there is nothing unusual about the body or their number; else None."""
    opening, delimiter = b"--" + boundary + b"\r\n", b"\r\n--" + boundary
    if len(boundary) > LONGEST_BOUNDARY or not (body.startswith(opening) and body.endswith(delimiter + b"--\r\n")):
        return None
    count = body.count(delimiter)
    if count > max_files:  # first: to take 100,000 apart holds the event loop up for 6 ms more
        return None
    parts = body[len(opening) : -len(delimiter) - len(b"--\r\n")].split(delimiter + b"\r\n")
    if len(parts) != count:  # a delimiter that no line's end follows
        return None
    files = []
    for part in parts:
        file = _usual_file(part)
        if file is None:
            return None
        files.append(file)
    return files


def _usual_file(part: bytes) -> Upload | None:
    header, end, data = part.partition(b"\r\n\r\n")
    usual = USUAL_HEADER.fullmatch(header) if end and len(header) <= LONGEST_HEADER else None
    if usual is None:
        return None
    filename = usual[1].decode("utf-8", "replace")
    return Upload(filename, data, _is_csv(usual[2] or b"", filename))


def any_files(body: bytes, boundary: bytes, max_files: int) -> list[Upload]:
    """The files of any well-formed body; raises as ``parse_multipart``."""
    if body.count(b"\r\n--" + boundary) > max_files + MOST_FIELDS:
        raise TooManyFiles(f"A request may hold {max_files} files and {MOST_FIELDS} other fields.")
    collector = _Collector(max_files)
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        parser.write(body)
    except FormParserError as exc:
        raise MalformedMultipart(f"The multipart body cannot be read: {exc}") from exc
    if not collector.ended:
        raise MalformedMultipart("The multipart body ends before its last boundary.")
    if not collector.files:
        raise MalformedMultipart("The multipart body holds no picture; send one or many in the field 'files'.")
    return collector.files


class _Collector:
    """Gathers what python-multipart's push parser reports; every callback gets slices of the whole body."""

    def __init__(self, max_files: int) -> None:
        self.files: list[Upload] = []
        self.ended = False
        self._max_files = max_files
        self._begin_part()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._end_header,
            "on_part_data": self._part_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._headers: dict[bytes, str] = {}
        self._field = self._value = b""
        self._data: list[bytes] = []

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._field.lower()] = self._value.decode("utf-8", "replace")
        self._field = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _end(self) -> None:
        self.ended = True

    def _end_part(self) -> None:
        _, options = _options(self._headers.get(b"content-disposition"))
        name, filename = options.get("name"), options.get("filename")
        if name is None:
            raise MalformedMultipart("A part of the multipart body has no name.")
        if name.encode() not in FILE_FIELDS:
            if filename is not None:
                raise MalformedMultipart(f"The file is in the field {name[:40]!r}; send pictures in 'files'.")
            return
        if len(self.files) == self._max_files:
            raise TooManyFiles(f"A request may hold {self._max_files} files.")
        media_type, _ = parse_options_header(self._headers.get(b"content-type"))
        self.files.append(Upload(filename, b"".join(self._data), _is_csv(media_type, filename or "")))


def _is_csv(media_type: bytes, filename: str) -> bool:
    return media_type.lower() in CSV_TYPES or filename.lower().endswith(".csv")


def _options(value: str | None) -> tuple[str, dict[str, str]]:
    """python-multipart reads header values as latin-1, while browsers and curl send file names as UTF-8."""
    if value is None:
        return "", {}
    kind, options = parse_options_header(value.encode("utf-8").decode("latin-1"))
    return kind.decode("latin-1"), {key.decode("latin-1"): text.decode("utf-8", "replace") for key, text in options.items()}
