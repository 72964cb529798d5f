"""A request's body → the files in it, every limit kept while the bytes come in."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from app.api.connections import ARRIVED
from app.api.multipart import CSV_TYPES, Upload, parse_multipart
from app.api.problems import BodyTooLarge, ClientLeft, EmptyBody, SlowBody, TooManyFiles, UnsupportedContentType
from app.serving.admission import Ticket
from app.settings import Settings

FORM: Final = b"multipart/form-data"
# As clients write it.
USUAL_FORM: Final = re.compile(rb"multipart/form-data; ?boundary=([0-9A-Za-z'+_./-]+)")
BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
PICTURE_TYPES: Final[dict[str, Any]] = {
    "image/png": BINARY,
    "image/jpeg": BINARY,
    "image/webp": BINARY,
    "image/bmp": BINARY,
    "image/gif": BINARY,
    "image/tiff": BINARY,
    "text/csv": {"schema": {"type": "string"}},
}
# The body of a route that takes one picture.
ONE_PICTURE: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {"file": BINARY["schema"]}}},
        **PICTURE_TYPES,
    },
}
ACCEPTED: Final = "multipart/form-data with the pictures in 'files', a picture itself (image/*), or text/csv"


async def read_uploads(request: Request, settings: Settings, ticket: Ticket) -> list[Upload]:
    """Read the request's files; the body's bytes are taken from the room that ``ticket`` is for.

    Raises:
        RequestError: see ``app.api.problems``.
        QueueFull: all bodies in flight together would pass their limit.
    """
    media_type, boundary = _type_of(_header(request, b"content-type"))
    if media_type != FORM:
        _check_type(media_type, request)
    body = await read_body(request, settings, ticket)
    if not body:
        raise EmptyBody(f"Send {ACCEPTED}.")
    if media_type == FORM:
        return parse_multipart(body, boundary, settings.max_files)
    return [Upload(None, body, media_type in CSV_TYPES)]


async def read_upload(request: Request, settings: Settings, ticket: Ticket, *, hint: str) -> Upload:
    """The request's one file, as ``read_uploads`` reads it; ``hint`` is for who sent several.

    Raises:
        TooManyFiles: there are several.
    """
    uploads = await read_uploads(request, settings, ticket)
    if len(uploads) > 1:
        raise TooManyFiles(hint)
    return uploads[0]


def _header(request: Request, name: bytes) -> bytes:
    """The last of that name; empty if there is none. Starlette's ``request.headers`` would decode them all."""
    value: bytes = dict(request.scope["headers"]).get(name, b"")
    return value


def _type_of(header: bytes) -> tuple[bytes, bytes]:
    """The content type, and the boundary that it names."""
    if usual := USUAL_FORM.fullmatch(header):
        return FORM, usual[1]
    media_type, options = parse_options_header(header)
    return media_type, options.get(b"boundary", b"")


def _check_type(media_type: bytes, request: Request) -> None:
    known = media_type.startswith(b"image/") or media_type in CSV_TYPES
    if not known and (_header(request, b"content-length").strip(b"0") or _header(request, b"transfer-encoding")):
        shown = media_type.decode("latin-1")[:80] or "none"
        raise UnsupportedContentType(f"The content type is {shown!r}; send {ACCEPTED}.")


async def read_body(request: Request, settings: Settings, ticket: Ticket) -> bytes:
    """The whole body; its bytes are taken from the room that ``ticket`` is for while they come in.

    Raises:
        BodyTooLarge, SlowBody, ClientLeft: see ``app.api.problems``.
        QueueFull: all bodies in flight together would pass their limit.
    """
    if ARRIVED in request.scope.get("extensions", ()):
        return await _read_chunks(request, settings.max_body_bytes, ticket)
    _check_announced(request, settings.max_body_bytes)
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await _read_chunks(request, settings.max_body_bytes, ticket)
    except TimeoutError as exc:
        raise SlowBody(f"The body did not arrive within {settings.body_timeout_s:g} s.") from exc


async def _read_chunks(request: Request, limit: int, ticket: Ticket) -> bytes:
    chunks: list[bytes] = []
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft("The client closed the connection before its body was complete.")
        chunk = message.get("body", b"")
        if ticket.amount + len(chunk) > limit:
            raise BodyTooLarge(f"The body has more than {limit:,} bytes.")
        ticket.take(len(chunk))
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_announced(request: Request, limit: int) -> None:
    announced = _header(request, b"content-length")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge(f"The body has {int(announced):,} bytes; the limit is {limit:,}.")
