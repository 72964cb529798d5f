"""File bytes → grey uint8 (H, W), with every limit checked before anything is decoded.

Formats are known by content, never by name: PNG, JPEG, WebP, BMP, GIF (first frame), TIFF (first page), and a CSV of
28×28 numbers.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin

from app.digits import table
from app.digits.errors import BrokenPicture, EmptyFile, FileTooLarge, TooManyPixels, UnsupportedFormat
from app.digits.png import SIGNATURE as PNG
from app.digits.png import PlainPng, plain_png

Grey = NDArray[np.uint8]
Box = tuple[int, int, int, int]

# Larger pictures are averaged down to about this side while they are decoded: digits of a fiftieth of a page's side still fill
# the model's 20 pixels, and a 12-megapixel photograph takes half the time and a fifth of the memory.
DETAIL_SIDE: Final = 1280
# Pixels that are converted to grey in one go: what the ways of all formats and modes take besides the picture itself.
BAND_PIXELS: Final = 1_000_000
# EXIF's tag, and what its values do to the stored rows and columns.
ORIENTATION: Final = 0x0112
UPRIGHT: Final[dict[int, Callable[[Grey], Grey]]] = {
    2: lambda grey: grey[:, ::-1],
    3: lambda grey: grey[::-1, ::-1],
    4: lambda grey: grey[::-1],
    5: lambda grey: grey.T,
    6: lambda grey: grey.T[:, ::-1],
    7: lambda grey: grey.T[::-1, ::-1],
    8: lambda grey: grey.T[::-1],
}

# Loaded here: Pillow by itself would load these and forty others when the first file of a format comes, in 0.2 s. Where memory
# or files are short at that moment, it takes the format for one that it does not have until the process ends.
PLUGINS: Final = (MpoImagePlugin, TiffImagePlugin, WebPImagePlugin)
Image.preinit()  # BMP, GIF, JPEG, PNG

# Our own limit is checked against each file's header below, and is far under Pillow's, which is one for the whole
# process and answers with a warning first.
Image.MAX_IMAGE_PIXELS = None

SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (PNG, "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
BMP_HEADER_SIZES: Final = (12, 40, 52, 56, 64, 108, 124)
KNOWN_FORMATS: Final = "PNG, JPEG, WebP, BMP, GIF, TIFF, or a CSV of 28×28 numbers"

# What Pillow's decoders raise on damaged files; ValueError and IndexError come from headers that lie, struct.error and
# SyntaxError from their parsers.
_DAMAGE: Final = (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, EOFError, struct.error)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost. The defaults are ARCHITECTURE's: a phone's photograph passes, a bomb does not."""

    max_file_bytes: int = 10 * 1024 * 1024
    max_image_pixels: int = 25_000_000


class Decoded(NamedTuple):
    """A picture's pixels.

    Attributes:
        grey: uint8 (H, W), upright, transparent parts white.
        factor: pixels of the original along each side of one of these.
        size: width and height of the upright original.
    """

    grey: Grey
    factor: int
    size: tuple[int, int]

    def in_original(self, box: Box) -> Box:
        """A box of ``grey`` as x, y, width, height in pixels of the upright original."""
        x, y, width, height = (value * self.factor for value in box)
        return x, y, min(width, self.size[0] - x), min(height, self.size[1] - y)


class Picture:
    """A file whose header was read and found within the limits; its pixels are not decoded yet."""

    __slots__ = ("_source", "pixels")

    def __init__(self, source: Image.Image | PlainPng | Grey) -> None:
        self._source = source
        self.pixels: int = source.size if isinstance(source, np.ndarray) else source.size[0] * source.size[1]

    def decode(self) -> Decoded:
        """Decode, to a half or less of each side where the picture is larger than its digits need.

        Raises:
            BrokenPicture: the file is truncated or damaged.
            MemoryError: there is none left.
        """
        source = self._source
        if isinstance(source, np.ndarray):
            return Decoded(source, 1, source.shape[::-1])
        try:
            if isinstance(source, PlainPng):
                return Decoded(source.grey() if source.mode == "L" else _to_grey(source.load()), 1, source.size)
            return _decoded(source)
        except _DAMAGE as exc:
            _check_memory(self.pixels)
            raise BrokenPicture("The picture is truncated or damaged and cannot be decoded.") from exc


def open_picture(data: bytes, limits: Limits = Limits(), *, is_csv: bool = False) -> Picture:
    """Read a file's header and check it against the limits.

    Args:
        data: the whole file.
        limits: bytes and pixels.
        is_csv: the sender says that it is a CSV; otherwise only text that looks like a table counts as one.

    Raises:
        EmptyFile, FileTooLarge, UnsupportedFormat, TooManyPixels, BrokenPicture, BrokenTable.
    """
    if not data:
        raise EmptyFile("The file is empty.")
    if len(data) > limits.max_file_bytes:
        raise FileTooLarge(f"The file has {len(data):,} bytes; the limit is {limits.max_file_bytes:,}.")
    if (plain := plain_png(data)) is not None:
        _check_pixels(*plain.size, limits)
        return Picture(plain)
    file_format = sniff(data)
    if file_format is not None:
        return Picture(_open(data, file_format, limits))
    if is_csv or table.looks_like_table(data):
        return Picture(table.parse(data))
    raise UnsupportedFormat(f"The content is no picture of a known format ({KNOWN_FORMATS}).")


def decode(data: bytes, limits: Limits = Limits(), *, is_csv: bool = False) -> Grey:
    """File bytes → grey uint8 (H, W), upright; raises what ``open_picture`` and ``Picture.decode`` raise."""
    return open_picture(data, limits, is_csv=is_csv).decode().grey


def sniff(data: bytes) -> str | None:
    """Pillow's name of the format that the first bytes announce; None if they announce none that we read."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM":  # too short to tell a picture from text; the size of the header that follows is one of a few
        return "BMP" if int.from_bytes(data[14:18], "little") in BMP_HEADER_SIZES else None
    for signature, name in SIGNATURES:
        if data.startswith(signature):
            return name
    return None


def _open(data: bytes, file_format: str, limits: Limits) -> Image.Image:
    width, height = _webp_size(data) if file_format == "WEBP" else (0, 0)
    _check_pixels(width, height, limits)  # WebP's decoder allocates the canvas as soon as it is opened
    try:
        image = Image.open(io.BytesIO(data), formats=[file_format])
    except _DAMAGE as exc:
        _check_memory(width * height)
        raise BrokenPicture(f"The file begins like {file_format} but its header is damaged.") from exc
    _check_pixels(image.width, image.height, limits)
    return image


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_image_pixels:
        raise TooManyPixels(f"The picture has {width} × {height} pixels; the limit is {limits.max_image_pixels:,}.")


def _check_memory(pixels: int) -> None:
    """Ask for what a picture takes: decoders say the same of damage and of want of memory.

    Raises:
        MemoryError: it was the latter.
    """
    bytearray(4 * pixels)  # zeros, which the system does not make before they are read


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP header (RFC 9649, sections 2.5 to 2.7)."""
    kind, header = data[12:16], data[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(header[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:10], "little") & 0x3FFF


def _decoded(file: Image.Image) -> Decoded:
    size, factor = file.size, 1
    image = _webp_frame(file) if isinstance(file, WebPImagePlugin.WebPImageFile) else file
    if max(size) >= 2 * DETAIL_SIDE:
        grey, factor = _averaged(image, max(size) // DETAIL_SIDE)
    else:
        image.load()
        grey = _to_grey(image) if size[0] * size[1] <= BAND_PIXELS else _by_bands(image, 1)
    if "exif" in file.info or file.format == "TIFF":
        orientation = file.getexif().get(ORIENTATION)
        if orientation in UPRIGHT:
            grey = UPRIGHT[orientation](grey)
            size = size if orientation < 5 else size[::-1]
    return Decoded(grey, factor, size)


def _webp_frame(file: WebPImagePlugin.WebPImageFile) -> Image.Image:
    """A WebP's first frame, where libwebp wrote it.

    Pillow's own ``load`` copies it and keeps the decoder with its two canvases: 16 bytes a pixel, which are 12 here, and 4 once
    the decoder is gone.
    """
    pixels, _, _ = file._get_next()
    del file._decoder
    mode = "RGBA" if file.mode == "RGBA" else "RGBX"
    return Image.frombuffer(mode, file.size, pixels, "raw", mode, 0, 1)


def _averaged(image: Image.Image, factor: int) -> tuple[Grey, int]:
    """Decode at a part of the picture's size; the second is by how much, which for a JPEG may be less than ``factor``."""
    width, height = image.size
    image.draft("L", (max(1, width // factor), max(1, height // factor)))  # JPEG can be decoded at 1/2, 1/4 or 1/8
    image.load()
    drafted = round(max(width, height) / max(image.size))
    further = max(1, factor // drafted)
    return _by_bands(image, further), drafted * further


def _by_bands(image: Image.Image, factor: int) -> Grey:
    """Convert to grey and average down a few rows at a time: the whole in another mode would take its memory again."""
    rows = max(1, BAND_PIXELS // (image.width * factor)) * factor
    bands = [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    highest = max(_highest(image.crop(band)) for band in bands) if _is_deep(image) else None
    greys = (_to_grey(image.crop(band), highest) for band in bands)
    return np.concatenate([grey if factor == 1 else np.asarray(Image.fromarray(grey).reduce(factor)) for grey in greys])


def _to_grey(image: Image.Image, highest: float | None = None) -> Grey:
    """Grey levels of a picture, or of a part of one whose ``highest`` value is known."""
    if image.mode == "L" and "transparency" not in image.info:
        return np.frombuffer(image.tobytes(), np.uint8).reshape(image.size[::-1])
    if _is_deep(image):
        return _to_bytes(np.asarray(image, np.float32), _highest(image) if highest is None else highest)
    if image.has_transparency_data:
        image = _over_white(image.convert("RGBA"))
    elif image.mode not in ("1", "RGB", "RGBX"):  # CMYK, YCbCr, Lab and palettes have no direct way to grey
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _over_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _is_deep(image: Image.Image) -> bool:
    """Whether its pixels have more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def _highest(image: Image.Image) -> float:
    values = np.asarray(image, np.float32)
    if not np.isfinite(values).all():
        raise BrokenPicture("The picture holds pixels that are not finite numbers.")
    return float(values.max(initial=0))


def _to_bytes(values: NDArray[np.float32], highest: float) -> Grey:
    """Scale pixels of more than 8 bits to 0–255 by the smallest usual full scale (1, 255, 65,535) that holds them."""
    full_scale = next((scale for scale in (1.0, 255.0, 65535.0) if highest <= scale), highest)
    return np.rint(values.clip(0) * (255.0 / full_scale)).astype(np.uint8)
