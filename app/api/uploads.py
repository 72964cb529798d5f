"""A request's body → the files in it, every limit kept while the bytes come in.

The body is small and bounded, so it is read whole and parsed in one go: that costs a fifth of Starlette's
form parsing, which streams to temporary files (PEERS.md).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from app.api.problems import (
    BodyTooLarge,
    ClientLeft,
    EmptyBody,
    MalformedMultipart,
    SlowBody,
    TooManyFiles,
    UnsupportedContentType,
)
from app.serving.admission import Ticket
from app.settings import Settings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELDS: Final = (b"files", b"file")
CSV_TYPES: Final = (b"text/csv", b"application/csv")
ACCEPTED: Final = "multipart/form-data with the pictures in 'files', a picture itself (image/*), or text/csv"


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as it was sent; ``filename`` is the sender's word and only ever echoed."""

    filename: str | None
    data: bytes
    is_csv: bool


async def read_uploads(request: Request, settings: Settings, ticket: Ticket) -> list[Upload]:
    """Read the request's files; the body's bytes are taken from the room that ``ticket`` is for.

    Raises:
        RequestError: see ``app.api.problems``.
        QueueFull: all bodies in flight together would pass their limit.
    """
    media_type, options = parse_options_header(request.headers.get("content-type"))
    _check_type(media_type, request)
    body = await read_body(request, settings, ticket)
    if not body:
        raise EmptyBody(f"Send {ACCEPTED}.")
    if media_type == b"multipart/form-data":
        return parse_multipart(body, options.get(b"boundary", b""), settings.max_files)
    return [Upload(None, body, media_type in CSV_TYPES)]


def parse_multipart(body: bytes, boundary: bytes, max_files: int) -> list[Upload]:
    """The parts named ``files`` or ``file``, in order; fields that carry no file are ignored.

    Raises:
        MalformedMultipart: not well-formed, not ended, a file in an unknown field, or no file at all.
        TooManyFiles: more than ``max_files``.
    """
    if not boundary:
        raise MalformedMultipart("The content type names no multipart boundary.")
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
        is_csv = media_type in CSV_TYPES or (filename or "").lower().endswith(".csv")
        self.files.append(Upload(filename, b"".join(self._data), is_csv))


def _options(value: str | None) -> tuple[str, dict[str, str]]:
    """python-multipart reads header values as latin-1, while browsers and curl send file names as UTF-8."""
    if value is None:
        return "", {}
    kind, options = parse_options_header(value.encode("utf-8").decode("latin-1"))
    return kind.decode("latin-1"), {key.decode("latin-1"): text.decode("utf-8", "replace") for key, text in options.items()}


def _check_type(media_type: bytes, request: Request) -> None:
    known = media_type == b"multipart/form-data" or media_type.startswith(b"image/") or media_type in CSV_TYPES
    announces_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if not known and announces_body:
        shown = media_type.decode("latin-1")[:80] or "none"
        raise UnsupportedContentType(f"The content type is {shown!r}; send {ACCEPTED}.")


async def read_body(request: Request, settings: Settings, ticket: Ticket) -> bytes:
    """The whole body; its bytes are taken from the room that ``ticket`` is for while they come in.

    Raises:
        BodyTooLarge, SlowBody, ClientLeft: see ``app.api.problems``.
        QueueFull: all bodies in flight together would pass their limit.
    """
    _check_announced(request, settings.max_body_bytes)
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for chunk in request.stream():
                if ticket.amount + len(chunk) > settings.max_body_bytes:
                    raise BodyTooLarge(f"The body has more than {settings.max_body_bytes:,} bytes.")
                ticket.take(len(chunk))
                chunks.append(chunk)
    except TimeoutError as exc:
        raise SlowBody(f"The body did not arrive within {settings.body_timeout_s:g} s.") from exc
    except ClientDisconnect as exc:
        raise ClientLeft("The client closed the connection before its body was complete.") from exc
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_announced(request: Request, limit: int) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise BodyTooLarge(f"The body has {int(announced):,} bytes; the limit is {limit:,}.")
