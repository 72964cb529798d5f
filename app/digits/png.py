"""A short way to the pixels of a plain PNG: header, one stretch of data, end.

Most small pictures of digits are such files. Pillow reads a PNG chunk by chunk in Python, which takes as long as its decoder
and everything after it; here the header is read in one go, and Pillow's decoder gets the data. What is not plain, or not
quite right, is left to Pillow's own reader, so what is refused and why stays the same.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, _imaging

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
# Signature, then the header's length and name (PNG specification, third edition, sections 5.2 and 11.2.1); the header itself,
# its checksum, and the next chunk's length and name.
BEGINNING: Final = SIGNATURE + b"\0\0\0\x0dIHDR"
HEADER: Final = struct.Struct(">IIBB3sII4s")
CHECKED: Final = slice(12, 29)  # what the header's checksum is over
HEAD_BYTES: Final = len(BEGINNING) + HEADER.size
END: Final = b"\0\0\0\0IEND\xaeB`\x82"
TAIL_BYTES: Final = 4 + len(END)  # the data's checksum, too
# By bits a channel and colour type, what Pillow calls it: grey, colour, colour with transparency.
MODES: Final = {(8, 0): "L", (8, 2): "RGB", (8, 6): "RGBA"}
# Larger ones gain nothing, and their memory is counted on Pillow's way.
MOST_SIDE: Final = 256


class PlainPng(NamedTuple):
    """A file whose header was read.

    Attributes:
        mode: as Pillow names it.
        size: width and height.
        data: rows as filtered and compressed.
    """

    mode: str
    size: tuple[int, int]
    data: bytes

    def grey(self) -> NDArray[np.uint8]:
        """Decode a picture of mode L to uint8 (H, W).

        ``load`` and ``tobytes`` run the same decoder, and take twice as long around it.

        Raises:
            ValueError: the data is damaged or ends too soon.
        """
        whole = (0, 0, *self.size)
        image = _imaging.new("L", self.size)
        decoder = _imaging.zip_decoder("L", "L", 0)
        decoder.setimage(image, whole)
        consumed, fault = decoder.decode(self.data)
        if consumed >= 0 or fault:
            raise ValueError("damaged or too short")
        encoder = _imaging.raw_encoder("L", "L")
        encoder.setimage(image, whole)
        pixels: bytes = encoder.encode(self.size[0] * self.size[1])[2]  # all rows at once; they are not padded
        return np.frombuffer(pixels, np.uint8).reshape(self.size[::-1])

    def load(self) -> Image.Image:
        """Decode a picture of any mode.

        Raises:
            ValueError: the data is damaged or ends too soon.
        """
        return Image.frombytes(self.mode, self.size, self.data, "zip", self.mode, 0)


def plain_png(data: bytes) -> PlainPng | None:
    """Read the header of a whole file; None for what is not a plain PNG."""
    if not data.startswith(BEGINNING) or not data.endswith(END) or len(data) < HEAD_BYTES + TAIL_BYTES:
        return None
    width, height, bits, colour, methods, checksum, data_bytes, name = HEADER.unpack_from(data, len(BEGINNING))
    mode = MODES.get((bits, colour))
    if (
        mode is None
        or methods != b"\0\0\0"
        or name != b"IDAT"
        or data_bytes != len(data) - HEAD_BYTES - TAIL_BYTES
        or not (0 < width <= MOST_SIDE and 0 < height <= MOST_SIDE)
        or zlib.crc32(data[CHECKED]) != checksum
    ):
        return None
    return PlainPng(mode, (width, height), data[HEAD_BYTES:-TAIL_BYTES])
