"""Tensors of the protocol, as JSON or as binary data (little-endian, row-major) ↔ what the model takes and gives."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from app.api.problems import InvalidTensor, TooManyFiles, TooManyImages
from app.api.v2.protocol import FRAME, RequestedInput
from app.digits.session import Floats, Images

_LENGTH: Final = struct.Struct("<I")


def images_of(tensor: RequestedInput, binary: memoryview | None, most: int) -> Images:
    """Frames as the model sees them.

    Args:
        tensor: UINT8 0–255, or FP32 0–1, (N, 1, 28, 28): ink high on paper 0. FP32 is rounded to 256 levels.
        binary: its binary data; None if the JSON has it.
        most: images that are taken.

    Returns:
        uint8 (N, 1, 28, 28).

    Raises:
        TooManyImages: N is above ``most``; nothing was read.
        InvalidTensor: its shape, data type, size or values are others.
    """
    shape = tensor.shape
    if tuple(shape[1:]) != FRAME or shape[0] == 0 or tensor.datatype == "BYTES":
        raise InvalidTensor(f"'images' is UINT8 or FP32 of the shape [N, 1, 28, 28], not {tensor.datatype} of {shape}.")
    if shape[0] > most:
        raise TooManyImages(f"'images' holds {shape[0]} images; the limit is {most}.")
    if tensor.datatype == "UINT8":
        return np.frombuffer(_uint8(tensor) if binary is None else _sized(binary, shape, 1), np.uint8).reshape(shape)
    values = _floats(tensor) if binary is None else np.frombuffer(_sized(binary, shape, 4), "<f4")
    if not ((values >= 0) & (values <= 1)).all():  # NaN compares false
        raise InvalidTensor("'images' of FP32 holds values that are not within 0 and 1.")
    return np.rint(values.astype(np.float32) * 255).astype(np.uint8).reshape(shape)


def files_of(tensor: RequestedInput, binary: memoryview | None, most: int) -> list[bytes]:
    """Picture files.

    Args:
        tensor: BYTES (N,). In JSON, text (a CSV), or base64 if ``content_type`` says so.
        binary: its binary data, each file behind its length; None if the JSON has it.
        most: files that are taken.

    Raises:
        TooManyFiles: N is above ``most``; nothing was read.
        InvalidTensor: its shape, data type or size is another, or it is no base64.
    """
    shape = tensor.shape
    if len(shape) != 1 or shape[0] == 0 or tensor.datatype != "BYTES":
        raise InvalidTensor(f"'encoded_images' is BYTES of the shape [N], not {tensor.datatype} of {shape}.")
    if shape[0] > most:
        raise TooManyFiles(f"'encoded_images' holds {shape[0]} files; the limit is {most}.")
    if binary is not None:
        return _unpack(binary, shape[0])
    texts = _elements(tensor, {str})
    return [_decode_base64(text) if tensor.parameters.content_type == "base64" else text.encode() for text in texts]


def to_json(data: Floats | list[str]) -> list[Any]:
    """An output's elements in row-major order."""
    return data if isinstance(data, list) else data.ravel().tolist()


def to_binary(data: Floats | list[str]) -> bytes:
    """An output as binary data: FP32, or BYTES each behind its length."""
    if not isinstance(data, list):
        return data.astype("<f4").tobytes()
    return b"".join(_LENGTH.pack(len(text)) + text for text in (element.encode() for element in data))


def classify(values: Floats, labels: Sequence[str], count: int) -> list[str]:
    """Rows (N, C) → the ``count`` best labels of each as Triton writes them: value, index and label."""
    classes = []
    for row in values.tolist():
        order = sorted(range(len(row)), key=row.__getitem__, reverse=True)[:count]
        classes += [f"{row[index]:f}:{index}:{labels[index]}" for index in order]
    return classes


def _sized(binary: memoryview, shape: Sequence[int], item_bytes: int) -> memoryview:
    expected = math.prod(shape) * item_bytes
    if len(binary) != expected:
        raise InvalidTensor(f"'images' of this shape and data type has {expected} bytes, not {len(binary)}.")
    return binary


def _uint8(tensor: RequestedInput) -> bytes:
    try:
        return bytes(_elements(tensor, {int}))
    except ValueError as exc:
        raise InvalidTensor("'images' of UINT8 holds values that are not within 0 and 255.") from exc


def _floats(tensor: RequestedInput) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        return np.array(_elements(tensor, {int, float}), np.float64)
    except OverflowError as exc:
        raise InvalidTensor("'images' of FP32 holds values that are not within 0 and 1.") from exc


def _elements(tensor: RequestedInput, kinds: set[type]) -> list[Any]:
    """The JSON's elements in row-major order, after comparing their nesting with the shape."""
    if tensor.data is None:
        raise InvalidTensor(f"{tensor.name!r} has neither data nor binary data.")
    sizes, flat = [len(tensor.data)], tensor.data
    while flat and isinstance(flat[0], list):
        widths = {len(part) if isinstance(part, list) else -1 for part in flat}
        sizes.append(widths.pop() if len(widths) == 1 else -1)
        if sizes[-1] < 0:
            break
        flat = list(chain.from_iterable(flat))
    if sizes not in ([math.prod(tensor.shape)], tensor.shape):
        raise InvalidTensor(f"The data of {tensor.name!r} is not of the shape {tensor.shape}.")
    if not kinds.issuperset(map(type, flat)):
        raise InvalidTensor(f"The data of {tensor.name!r} holds elements that are not {tensor.datatype}.")
    return flat


def _unpack(binary: memoryview, count: int) -> list[bytes]:
    files, start = [], 0
    for index in range(count):
        if len(binary) - start < _LENGTH.size:
            raise InvalidTensor(f"'encoded_images' ends before the length of file {index}.")
        (length,) = _LENGTH.unpack_from(binary, start)
        start += _LENGTH.size
        if length > len(binary) - start:
            raise InvalidTensor(f"File {index} of 'encoded_images' announces {length} bytes; {len(binary) - start} are left.")
        files.append(bytes(binary[start : start + length]))
        start += length
    if start != len(binary):
        raise InvalidTensor(f"'encoded_images' has {len(binary) - start} bytes behind its last file.")
    return files


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidTensor("'encoded_images' holds an element that is not base64.") from exc
