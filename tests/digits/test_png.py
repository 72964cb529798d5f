"""The short way gives what Pillow's own reader gives, pixel for pixel and fault for fault."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from app.digits import image as pictures
from app.digits.errors import PictureError, TooManyPixels
from app.digits.image import Grey, Limits, decode
from app.digits.png import plain_png

MODES = ("L", "RGB", "RGBA")


def png(mode: str = "L", size: tuple[int, int] = (28, 28), seed: int = 0, **options: object) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise.squeeze(2) if mode == "L" else noise, mode).save(file, "PNG", **options)
    return file.getvalue()


def outcome(data: bytes) -> Grey | str:
    """A picture, or its fault's kind and words."""
    try:
        return decode(data)
    except PictureError as exc:
        return f"{type(exc).__name__}: {exc}"


def assert_as_pillow(data: bytes) -> None:
    quick = outcome(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "plain_png", lambda _data: None)
        thorough = outcome(data)
    np.testing.assert_array_equal(quick, thorough)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(28, 28), (1, 1), (1, 90), (256, 200)])
@pytest.mark.parametrize("level", [0, 9])
def test_plain_png_is_read_as_by_pillow(mode: str, size: tuple[int, int], level: int) -> None:
    data = png(mode, size, compress_level=level)
    assert (plain_png(data) is not None) == (len(data) < 65_536)  # beyond, Pillow divides the data
    assert_as_pillow(data)


def test_what_is_not_plain_is_left_to_pillow() -> None:
    noted = PngImagePlugin.PngInfo()
    noted.add_text("by", "hand")
    interlaced = bytearray(png())
    interlaced[28] = 1
    for data in (
        png(pnginfo=noted),
        png(transparency=0),
        png(size=(257, 256)),
        png() + b"\0",
        png()[:-1],
        bytes(interlaced),
        b"\x89PNG\r\n\x1a\n",
        b"",
    ):
        assert plain_png(data) is None
        assert_as_pillow(data)


@pytest.mark.parametrize("mode", MODES)
@given(
    damage=st.dictionaries(st.integers(0, 400), st.integers(0, 255), max_size=6),
    cut=st.integers(0, 40),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_damaged_png_is_read_or_refused_as_by_pillow(
    mode: str, damage: dict[int, int], cut: int, size: tuple[int, int]
) -> None:
    data = bytearray(png(mode, size))
    del data[len(data) - 16 - cut : len(data) - 16]  # of the pixels' end; the header still says how long they were
    for place, value in damage.items():
        data[place % len(data)] = value
    assert_as_pillow(bytes(data))


@given(cut=st.integers(0, 200), damage=st.dictionaries(st.integers(0, 400), st.integers(0, 255), max_size=3))
def test_damaged_pixels_in_a_sound_file_are_read_or_refused_as_by_pillow(cut: int, damage: dict[int, int]) -> None:
    data = png(size=(8, 8))
    pixels = bytearray(data[41:-16])
    for place, value in damage.items():
        pixels[place % len(pixels)] = value
    short = bytes(pixels[: max(1, len(pixels) - cut)])
    broken = data[:33] + len(short).to_bytes(4, "big") + b"IDAT" + short + b"\0\0\0\0" + data[-12:]
    assert plain_png(broken) is not None
    assert_as_pillow(broken)


def test_plain_png_of_too_many_pixels_is_refused_by_its_header() -> None:
    with pytest.raises(TooManyPixels, match="28 × 28 pixels; the limit is 100"):
        decode(png(), Limits(max_image_pixels=100))
