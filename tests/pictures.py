"""Pictures that the tests send: one digit that our code draws, in every format and pixel mode that the service reads."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from training.strokes import as_png, draw_digit

Grey = NDArray[np.uint8]

SIDE: Final = 28
# Black or white only, so that every lossless format and mode can hold it exactly.
SEVEN: Final[Grey] = np.where(draw_digit("7", size=SIDE) < 128, 0, 255).astype(np.uint8)
WHITE: Final[Grey] = np.full((SIDE, SIDE), 255, np.uint8)
SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28"><path d="M4 4h20L12 24"/></svg>'


def png(digit: str = "7", *, size: int = 56, thickness: float = 0.09, slant: float = 0.0) -> bytes:
    """A drawn digit as a grey PNG."""
    return as_png(draw_digit(digit, size=size, thickness=thickness, slant=slant))


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """A picture's file."""
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def csv(
    grey: Grey = SEVEN,
    *,
    separator: str = ",",
    header: list[str] | None = None,
    shares: bool = False,
    newline: str = "\n",
    bom: bool = False,
) -> bytes:
    """A picture as rows of numbers, 0–255 or (``shares``) 0–1."""
    rows = [[f"{value / 255:.6f}" if shares else str(value) for value in row] for row in grey.tolist()]
    text = newline.join(separator.join(row) for row in ([header] if header else []) + rows)
    return text.encode("utf-8-sig" if bom else "utf-8")


def bomb(side: int = 20_000) -> bytes:
    """A valid 1-bit PNG of about 50 kB that decodes to side × side pixels."""
    deflate = zlib.compressobj(9)
    rows = bytes(1 + side // 8) * 1000
    data = b"".join(deflate.compress(rows) for _ in range(side // 1000)) + deflate.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")))


def sixteen_bit() -> Image.Image:
    """``SEVEN`` with pixels of 0 and 65,535."""
    return Image.fromarray(SEVEN.astype(np.uint16) * 257)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_GREY: Final = Image.fromarray(SEVEN)
_BLACK: Final = Image.new("L", _GREY.size, 0)
_ALPHA: Final = ImageOps.invert(_GREY)  # black everywhere, and paper is where nothing covers
_RED_WHERE_TRANSPARENT: Final = ImageOps.invert(_GREY).point(lambda level: level // 255)


def _palette() -> Image.Image:
    """Index 1 is ink, index 0 a red that must never show because it is transparent."""
    image = Image.fromarray(np.asarray(_RED_WHERE_TRANSPARENT))
    image.putpalette([255, 0, 0, 0, 0, 0])
    return image


def _multi_frame(file_format: str) -> bytes:
    return encoded(_GREY, file_format, save_all=True, append_images=[Image.new("L", _GREY.size, 255)])


# Every file is ``SEVEN``.
LOSSLESS: Final[dict[str, bytes]] = {
    "png": encoded(_GREY, "PNG"),
    "png-rgb": encoded(_GREY.convert("RGB"), "PNG"),
    "png-rgba": encoded(Image.merge("RGBA", (_BLACK, _BLACK, _BLACK, _ALPHA)), "PNG"),
    "png-la": encoded(Image.merge("LA", (_BLACK, _ALPHA)), "PNG"),
    "png-grey-transparent-level": encoded(_GREY, "PNG", transparency=255),
    "png-palette": encoded(_GREY.convert("P"), "PNG"),
    "png-palette-transparent": encoded(_palette(), "PNG", transparency=0),
    "png-16-bit": encoded(sixteen_bit(), "PNG"),
    "png-1-bit": encoded(_GREY.convert("1"), "PNG"),
    "bmp": encoded(_GREY.convert("RGB"), "BMP"),
    "bmp-1-bit": encoded(_GREY.convert("1"), "BMP"),
    "gif": encoded(_GREY, "GIF"),
    "gif-first-frame": _multi_frame("GIF"),
    "webp-lossless": encoded(_GREY.convert("RGB"), "WEBP", lossless=True),
    "webp-rgba": encoded(Image.merge("RGBA", (_BLACK, _BLACK, _BLACK, _ALPHA)), "WEBP", lossless=True),
    "tiff": encoded(_GREY, "TIFF"),
    "tiff-first-page": _multi_frame("TIFF"),
    "tiff-lzw": encoded(_GREY.convert("RGB"), "TIFF", compression="tiff_lzw"),
    "tiff-16-bit": encoded(sixteen_bit(), "TIFF"),
    "tiff-float": encoded(Image.fromarray(SEVEN.astype(np.float32) / 255), "TIFF"),
    "tiff-cmyk": encoded(_GREY.convert("RGB").convert("CMYK"), "TIFF"),
}
LOSSY: Final[dict[str, bytes]] = {
    "jpeg": encoded(_GREY, "JPEG", quality=95),
    "jpeg-rgb": encoded(_GREY.convert("RGB"), "JPEG", quality=95),
    "jpeg-cmyk": encoded(_GREY.convert("RGB").convert("CMYK"), "JPEG", quality=95),
    "mpo": encoded(
        _GREY.convert("RGB"), "MPO", quality=95, save_all=True, append_images=[Image.new("RGB", _GREY.size, "white")]
    ),
    "webp": encoded(_GREY.convert("RGB"), "WEBP", quality=95),
}
CSVS: Final[dict[str, bytes]] = {
    "csv": csv(),
    "csv-header-of-words": csv(header=[f"pixel {column}" for column in range(SIDE)]),
    "csv-header-of-numbers": csv(header=[str(column) for column in range(SIDE)]),
    "csv-header-from-one": csv(header=[str(column) for column in range(1, SIDE + 1)]),
    "csv-shares": csv(shares=True),
    "csv-shares-header": csv(shares=True, header=[str(column) for column in range(SIDE)]),
    "csv-semicolons": csv(separator=";"),
    "csv-tabs": csv(separator="\t"),
    "csv-spaced": csv(separator=", "),
    "csv-windows": csv(newline="\r\n", bom=True),
    "csv-trailing-lines": csv() + b"\n\n,,,\n",
}
FILES: Final = LOSSLESS | LOSSY | CSVS
