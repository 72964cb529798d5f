"""Bodies of the protocol: a JSON object, and behind it the binary tensors that it announces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.api.problems import BodyTooLarge, MalformedInference, UnsupportedContentType
from app.api.v2.protocol import InferRequest

HEADER_LENGTH: Final = "Inference-Header-Content-Length"
# 256 frames of UINT8 as JSON take 0.9 MiB. Parsing blocks the event loop and hostile JSON costs twenty times its size in
# memory, so what is larger must come as binary data, which costs nothing to parse.
MAX_JSON_BYTES: Final = 1024 * 1024
# 256 nested frames are 7,700 lists; a mebibyte of empty lists would hold the event loop for 0.2 s.
MAX_JSON_PARTS: Final = 16_384

Form = TypeVar("Form", bound=BaseModel)


def check_encoding(request: Request) -> None:
    """Raise UnsupportedContentType for a compressed body: its true size would be unknown until it is unpacked."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedContentType(f"The content encoding {encoding[:40]!r} is not supported; send the body uncompressed.")


def parse(form: type[Form], content: bytes) -> Form:
    """JSON bytes → one of the protocol's objects.

    Raises:
        BodyTooLarge: more JSON than ``MAX_JSON_BYTES``.
        MalformedInference: not JSON, not of that form, or of too many lists and objects.
    """
    if len(content) > MAX_JSON_BYTES:
        raise BodyTooLarge(f"The JSON has {len(content):,} bytes; the limit is {MAX_JSON_BYTES:,}. Send binary data.")
    if content.count(b"[") + content.count(b"{") > MAX_JSON_PARTS:
        raise MalformedInference(f"The JSON has more than {MAX_JSON_PARTS:,} lists and objects; send binary data.")
    try:
        return form.model_validate_json(content)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise MalformedInference(f"{place[:200]}: {first['msg']}.") from exc


def split(body: bytes, header_length: int | None) -> tuple[InferRequest, memoryview | None]:
    """A body → the inference request, and its input's binary data, if that is how it was sent.

    Args:
        body: the whole body.
        header_length: the header ``Inference-Header-Content-Length``; without it, all is JSON.

    Raises:
        BodyTooLarge: see ``parse``.
        MalformedInference: the lengths do not agree, or see ``parse``.
    """
    end = len(body) if header_length is None else header_length
    if end > len(body):
        raise MalformedInference(f"{HEADER_LENGTH} is {end}, but the body has {len(body)} bytes.")
    request = parse(InferRequest, body[:end])
    announced = request.inputs[0].parameters.binary_data_size
    if announced is not None and request.inputs[0].data is not None:
        raise MalformedInference("The input has both data and binary_data_size; send one of them.")
    if (announced or 0) != len(body) - end:
        raise MalformedInference(f"binary_data_size is {announced or 0}, but {len(body) - end} bytes follow the JSON.")
    return request, None if announced is None else memoryview(body)[end:]


def join(answer: dict[str, Any], chunks: Sequence[bytes]) -> Response:
    """An answer and the binary data of its outputs, in their order → a response."""
    head = json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
    if not chunks:
        return Response(head, media_type="application/json")
    return Response(b"".join((head, *chunks)), 200, {HEADER_LENGTH: str(len(head))}, "application/octet-stream")
