from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.digits import errors
from app.digits.image import Limits, decode, open_picture, sniff
from app.settings import PROJECT
from tests import pictures
from tests.pictures import LOSSLESS, LOSSY, SEVEN, encoded
from training.strokes import draw_digit

FILES = LOSSLESS | LOSSY
# Pillow warns about some damage before it raises; the service logs that.
PILLOWS_WARNINGS = pytest.mark.filterwarnings("ignore::UserWarning")
# What undoes EXIF's orientation, as Pillow's ImageOps.exif_transpose does it, the other way round.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_decode_lossless_file_gives_every_pixel(name: str) -> None:
    grey = decode(LOSSLESS[name])
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey, SEVEN)


@pytest.mark.parametrize("name", LOSSY)
def test_decode_lossy_file_gives_nearly_every_pixel(name: str) -> None:
    difference = np.abs(decode(LOSSY[name]).astype(int) - SEVEN)
    assert difference.mean() < 6
    assert ((difference > 128).sum()) == 0


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_decode_exif_orientation_gives_upright_picture(file_format: str, orientation: int) -> None:
    upright = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
    operation = STORED_AS[orientation]
    image = Image.fromarray(upright)
    stored = image if operation is None else image.transpose(operation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(stored.convert("RGB"), file_format, exif=exif, **options)
    np.testing.assert_array_equal(decode(data), upright)


def test_decode_jpeg_exif_orientation_gives_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = decode(encoded(Image.new("L", (30, 10), "white"), "JPEG", exif=exif))
    assert grey.shape == (30, 10)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


LARGE = Image.fromarray(draw_digit("4", size=3000, slant=0.2, ink=0)).crop((0, 0, 3000, 2600))
LARGE_FILES = {
    "JPEG": encoded(LARGE.convert("RGB"), "JPEG", quality=80),
    "JPEG, turned": encoded(LARGE.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=_turned()),
    "JPEG, CMYK": encoded(LARGE.convert("CMYK"), "JPEG", quality=80),
    "PNG": encoded(LARGE, "PNG"),
    "PNG of 16 bits": encoded(Image.fromarray(np.asarray(LARGE).astype(np.uint16) * 257), "PNG"),
    "PNG, transparent": encoded(Image.merge("RGBA", (*[Image.new("L", LARGE.size)] * 3, ImageOps.invert(LARGE))), "PNG"),
    "GIF": encoded(LARGE, "GIF"),
    "TIFF of 1 bit": encoded(LARGE.convert("1"), "TIFF"),
}


@pytest.mark.parametrize("name", LARGE_FILES)
def test_decode_large_picture_is_averaged_down_and_tells_the_original(name: str) -> None:
    decoded = open_picture(LARGE_FILES[name]).decode()
    assert decoded.size == LARGE.size
    assert decoded.factor == 2
    expected = np.asarray(LARGE.reduce(2))
    assert decoded.grey.shape == expected.shape
    assert np.abs(decoded.grey.astype(int) - expected).mean() < 1.5
    assert decoded.in_original((1490, 0, 10, 1300)) == (2980, 0, 20, 2600)


@pytest.mark.parametrize("size", [(9, 20_000), (20_000, 1), (2561, 2559), (2559, 3)])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_decode_large_picture_of_any_form_covers_the_original(size: tuple[int, int], file_format: str) -> None:
    decoded = open_picture(encoded(Image.new("L", size, 130), file_format)).decode()
    height, width = decoded.grey.shape
    assert decoded.in_original((0, 0, width, height)) == (0, 0, *size)
    assert (decoded.grey == 130).all()


@pytest.mark.parametrize(("highest", "expected"), [(1, 255), (255, 255), (65535, 255), (256, 1), (32768, 128)])
def test_decode_16_bit_picture_uses_usual_full_scale(highest: int, expected: int) -> None:
    values = np.array([[0, highest]], np.uint16)
    assert decode(encoded(Image.fromarray(values), "PNG")).tolist() == [[0, expected]]


def test_decode_float_picture_with_nan_is_broken() -> None:
    data = encoded(Image.fromarray(np.array([[0.5, np.nan]], np.float32)), "TIFF")
    with pytest.raises(errors.BrokenPicture, match="finite"):
        decode(data)


@PILLOWS_WARNINGS
@pytest.mark.parametrize("name", [name for name in FILES if "first" not in name])  # theirs may still be whole
def test_decode_truncated_file_is_broken(name: str) -> None:
    data = FILES[name]
    with pytest.raises(errors.BrokenPicture):
        decode(data[: len(data) * 6 // 10])


@pytest.mark.parametrize("name", FILES)
def test_open_picture_more_pixels_than_limit_is_refused_by_header(name: str) -> None:
    pixels = SEVEN.size
    assert open_picture(FILES[name], Limits(max_image_pixels=pixels)).pixels == pixels
    with pytest.raises(errors.TooManyPixels, match="28 × 28"):
        open_picture(FILES[name], Limits(max_image_pixels=pixels - 1))


def test_open_picture_bomb_is_refused_without_its_pixels() -> None:
    bomb = pictures.bomb()
    assert len(bomb) < 70_000
    # The first 64 bytes end inside the pixel data: what refuses them cannot have decoded anything.
    for data in (bomb, bomb[:64]):
        with pytest.raises(errors.TooManyPixels, match="20000 × 20000"):
            open_picture(data)


def test_open_picture_more_bytes_than_limit_is_refused() -> None:
    data = pictures.png()
    assert open_picture(data, Limits(max_file_bytes=len(data)))
    with pytest.raises(errors.FileTooLarge):
        open_picture(data, Limits(max_file_bytes=len(data) - 1))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", errors.EmptyFile),
        (b"My notes, of Tuesday.", errors.UnsupportedFormat),
        (b"BMI is a number about bodies.", errors.UnsupportedFormat),
        (pictures.SVG, errors.UnsupportedFormat),
        (b"%PDF-1.7", errors.UnsupportedFormat),
        (b"\x00\x00\x00\x1cftypavif", errors.UnsupportedFormat),
        (b"\x89PNG\r\n\x1a\n", errors.BrokenPicture),
        (b"\xff\xd8\xff", errors.BrokenPicture),
        (b"RIFF\x00\x00\x00\x00WEBP", errors.BrokenPicture),
    ],
)
def test_decode_no_picture_raises_its_error(data: bytes, error: type[errors.PictureError]) -> None:
    with pytest.raises(error):
        decode(data)


def test_sniff_file_is_known_by_content() -> None:
    kinds = {sniff(data) for data in FILES.values()}
    assert kinds == {"PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"}


def test_decode_csv_needs_no_hint() -> None:
    np.testing.assert_array_equal(decode(pictures.csv()), SEVEN)


@PILLOWS_WARNINGS
@given(st.binary(max_size=200), st.sampled_from([b"", *(data[:12] for data in FILES.values())]))
def test_decode_any_bytes_raises_picture_errors_only(data: bytes, start: bytes) -> None:
    _decode_or_refuse(start + data)


@PILLOWS_WARNINGS
@pytest.mark.parametrize("name", FILES)
@given(damage=st.dictionaries(st.integers(0, 10_000), st.integers(0, 255), min_size=1, max_size=8))
def test_decode_damaged_file_raises_picture_errors_only(name: str, damage: dict[int, int]) -> None:
    data = bytearray(FILES[name])
    for place, value in damage.items():
        data[place % min(len(data), 400)] = value  # headers stand in front
    _decode_or_refuse(bytes(data))


def _decode_or_refuse(data: bytes) -> None:
    try:
        grey = decode(data, Limits(max_image_pixels=100_000))
    except errors.PictureError:
        return
    assert grey.dtype == np.uint8
    assert grey.ndim == 2


LATE_IMPORTS = """
import pathlib, sys
from app.digits.image import decode
before = set(sys.modules)
for file in pathlib.Path(sys.argv[1]).iterdir():
    decode(file.read_bytes())
print(*[name for name in set(sys.modules) - before if name.endswith("ImagePlugin")])
"""


def test_decode_loads_no_decoder_late_when_memory_or_files_may_be_short(tmp_path: Path) -> None:
    for name, data in pictures.FILES.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", LATE_IMPORTS, str(tmp_path)]
    assert subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split() == []


RISE = """
import sys
from app.digits.image import decode

def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

data = sys.stdin.buffer.read()
open("/proc/self/clear_refs", "w").write("5")  # what was most is what is now
before = kilobytes("VmRSS")
decode(data)
print(kilobytes("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not say a process's peak memory")
@pytest.mark.parametrize(
    ("file_format", "mode", "options"),
    [("WEBP", "RGBA", {"method": 0}), ("PNG", "RGBA", {"compress_level": 1}), ("JPEG", "RGB", {"progressive": True})],
)
def test_decode_photograph_of_12_megapixels_takes_less_than_150_mb(
    file_format: str, mode: str, options: dict[str, int]
) -> None:
    levels = np.add.outer(np.arange(3000) // 16, np.arange(4000) // 16).astype(np.uint8)
    data = encoded(Image.fromarray(levels).convert(mode), file_format, **options)
    run = subprocess.run([sys.executable, "-c", RISE], input=data, capture_output=True, check=True, cwd=PROJECT)
    assert int(run.stdout) * 1024 < 150e6
