"""Inference requests as bytes, so that tests can break them, and the protocol's errors."""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import httpx
import numpy as np

from app.api.v2.errors import ProtocolError
from app.api.v2.wire import HEADER_LENGTH
from app.digits.image import decode
from app.digits.preprocessing import mnist_frame
from app.digits.session import Images
from tests import pictures
from tests.client import Api

URL: Final = "/v2/models/cnn/infer"
FILES: Final = [pictures.png(label) for label in "0123456789"]
FRAMES: Final[Images] = np.stack([mnist_frame(decode(data)).image for data in FILES])


def images(shape: Any = (10, 1, 28, 28), datatype: Any = "UINT8", **fields: Any) -> dict[str, Any]:
    """The input ``images``."""
    return {"name": "images", "shape": list(shape), "datatype": datatype} | fields


def files(count: Any = len(FILES), **fields: Any) -> dict[str, Any]:
    """The input ``encoded_images``."""
    return {"name": "encoded_images", "shape": [count], "datatype": "BYTES"} | fields


def packed(*elements: bytes) -> bytes:
    """BYTES elements as binary data."""
    return b"".join(struct.pack("<I", len(data)) + data for data in elements)


def ask(api: Api, *inputs: dict[str, Any], **fields: Any) -> httpx.Response:
    """Send JSON."""
    return api.post(URL, json={"inputs": inputs} | fields)


def ask_binary(api: Api, tensor: dict[str, Any], data: bytes, *, size: Any = None, **fields: Any) -> httpx.Response:
    """Send binary data behind the JSON; ``size`` is a lie about how much."""
    tensor = tensor | {"parameters": {"binary_data_size": len(data) if size is None else size}}
    return send(api, json.dumps({"inputs": [tensor]} | fields).encode(), data)


def send(api: Api, head: bytes, data: bytes, *, length: object = None) -> httpx.Response:
    """Send two parts of a body; ``length`` is a lie about the first."""
    return api.post(URL, content=head + data, headers={HEADER_LENGTH: str(len(head) if length is None else length)})


def told(response: httpx.Response) -> str:
    """The protocol's error, its form checked."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    return ProtocolError.model_validate_json(response.content, extra="forbid").error
