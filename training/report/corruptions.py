"""Seventeen ways in which a picture of a digit goes wrong, each at five strengths, written with numpy and Pillow.

The kinds follow MNIST-C (Mu and Gilmer 2019); code and strengths are our own. The fifth strength is the last at which a person
still reads nearly all digits of a sheet. They apply to the picture as it is sent: what framing repairs is repaired.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Grey = NDArray[np.uint8]
Floats = NDArray[np.floating]
Corruption = Callable[[Grey, float, np.random.Generator], Grey | Floats]

STRENGTHS: Final = (1, 2, 3, 4, 5)
FINE: Final = 5  # strokes grow and shrink by fifths of a pixel


def corrupt(images: Grey, kind: str, strength: int, *, seed: int = 0) -> Grey:
    """Spoil pictures; a picture's random draws are the same at every strength, so it only gets worse.

    Args:
        images: uint8 (N, H, W), ink light on dark paper.
        kind: a key of ``CORRUPTIONS``.
        strength: 1 to 5.
        seed: of everything random.

    Returns:
        uint8 (N, H, W).
    """
    apply, amounts = CORRUPTIONS[kind]
    random = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    spoilt = apply(images, amounts[strength - 1], random)
    clean: Grey = np.rint(np.clip(spoilt, 0, 255)).astype(np.uint8)
    return clean


def shift(images: Grey, pixels: float, random: np.random.Generator) -> Grey:
    """Move in a random direction; what leaves the picture is gone."""
    angles = random.uniform(0, 2 * np.pi, len(images))
    return _mapped(images, [(1, 0, pixels * np.cos(angle), 0, 1, pixels * np.sin(angle)) for angle in angles])


def rotate(images: Grey, degrees: float, random: np.random.Generator) -> Grey:
    """Turn to one side or the other."""
    angles = np.deg2rad(degrees) * _signs(images, random)
    return _mapped(images, [(np.cos(a), np.sin(a), 0, -np.sin(a), np.cos(a), 0) for a in angles])


def scale(images: Grey, factor: float, _random: np.random.Generator) -> Grey:
    """Make the digit smaller, in the middle of as large a picture."""
    height, width = images.shape[1:]

    def smaller(picture: Image.Image) -> Image.Image:
        small = picture.resize((round(width * factor), round(height * factor)), Image.Resampling.BICUBIC)
        paper = Image.new("L", picture.size, 0)
        paper.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
        return paper

    return _each(images, smaller)


def shear(images: Grey, amount: float, random: np.random.Generator) -> Grey:
    """Slant to one side or the other; the amount is the tangent."""
    return _mapped(images, [(1, amount * sign, 0, 0, 1, 0) for sign in _signs(images, random)])


def blur(images: Grey, radius: float, _random: np.random.Generator) -> Grey:
    """Blur by a Gaussian of so many pixels."""
    return _each(images, lambda picture: picture.filter(ImageFilter.GaussianBlur(radius)))


def noise(images: Grey, deviation: float, random: np.random.Generator) -> Floats:
    """Add Gaussian noise; the deviation is a share of white."""
    spoilt: Floats = images + random.standard_normal(images.shape, np.float32) * np.float32(255 * deviation)
    return spoilt


def salt(images: Grey, share: float, random: np.random.Generator) -> Grey:
    """Make a share of the pixels white or black."""
    hit, white = random.random(images.shape) < share, random.random(images.shape) < 0.5
    return np.where(hit, np.where(white, 255, 0), images).astype(np.uint8)


def contrast(images: Grey, factor: float, _random: np.random.Generator) -> Floats:
    """Draw all greys together around the middle one."""
    spoilt: Floats = 128 + (images - 128.0) * factor
    return spoilt


def brightness(images: Grey, amount: float, _random: np.random.Generator) -> Floats:
    """Add light until white clips; the amount is a share of white."""
    spoilt: Floats = images + 255 * amount
    return spoilt


def fog(images: Grey, share: float, random: np.random.Generator) -> Floats:
    """Mix in uneven fog: smooth random light of three scales."""
    count, height, width = images.shape
    field = np.zeros(images.shape)
    for cells in (2, 4, 8):
        coarse = random.random((count, cells, cells)).astype(np.float32)
        field += [
            np.asarray(Image.fromarray(cell).resize((width, height), Image.Resampling.BICUBIC)) / cells for cell in coarse
        ]
    low, high = field.min(axis=(1, 2), keepdims=True), field.max(axis=(1, 2), keepdims=True)
    spoilt: Floats = images * (1 - share) + 255 * share * (field - low) / (high - low)
    return spoilt


def stripe(images: Grey, amplitude: float, random: np.random.Generator) -> Floats:
    """Lay light and dark stripes over the picture, at a random slant; the amplitude is a share of white."""
    _, height, width = images.shape
    y, x = np.mgrid[:height, :width]
    angles, phases = random.uniform(0, np.pi, (2, len(images), 1, 1))
    waves = np.sin((x * np.cos(angles) + y * np.sin(angles)) * 2 * np.pi / 7 + 2 * phases)
    spoilt: Floats = images + 255 * amplitude * waves
    return spoilt


def dots(images: Grey, count: float, random: np.random.Generator) -> Grey:
    """Spatter ink: so many round blots."""
    places = random.uniform(0, 1, (len(images), 40, 3))

    def spatter(pen: ImageDraw.ImageDraw, place: NDArray[np.float64], width: int, height: int) -> None:
        for x, y, size in place[: int(count)]:
            radius = 0.4 + 0.8 * size
            centre_x, centre_y = x * (width - 1), y * (height - 1)
            pen.ellipse((centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius), fill=255)

    return _drawn_over(images, places, spatter)


def zigzag(images: Grey, level: float, random: np.random.Generator) -> Grey:
    """Draw a zigzag across the picture; the level is its ink, as a share of white."""
    heights = random.uniform(0.1, 0.9, (len(images), 9))

    def line(pen: ImageDraw.ImageDraw, place: NDArray[np.float64], width: int, height: int) -> None:
        points = [(x, y * height) for x, y in zip(np.linspace(0, width - 1, 9), place, strict=True)]
        pen.line(points, fill=round(255 * level), width=1)

    return _drawn_over(images, heights, line)


def thick(images: Grey, fifths: float, _random: np.random.Generator) -> Grey:
    """Widen strokes on each side by fifths of a pixel."""
    return _restroked(images, int(fifths), np.maximum)


def thin(images: Grey, fifths: float, _random: np.random.Generator) -> Grey:
    """Narrow strokes on each side by fifths of a pixel."""
    return _restroked(images, int(fifths), np.minimum)


def jpeg(images: Grey, quality: float, _random: np.random.Generator) -> Grey:
    """Store as a JPEG of this quality."""

    def stored(picture: Image.Image) -> Image.Image:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=int(quality))
        return Image.open(out, formats=["JPEG"])

    return _each(images, stored)


def low_resolution(images: Grey, side: float, _random: np.random.Generator) -> Grey:
    """Reduce to so many pixels a side, and enlarge again."""

    def reduced(picture: Image.Image) -> Image.Image:
        small = picture.resize((int(side), int(side)), Image.Resampling.BOX)
        return small.resize(picture.size, Image.Resampling.BILINEAR)

    return _each(images, reduced)


CORRUPTIONS: Final[dict[str, tuple[Corruption, tuple[float, float, float, float, float]]]] = {
    "shift": (shift, (1, 2, 3, 4, 5)),
    "rotate": (rotate, (8, 16, 24, 32, 40)),
    "scale": (scale, (0.85, 0.7, 0.6, 0.5, 0.4)),
    "shear": (shear, (0.12, 0.24, 0.36, 0.48, 0.6)),
    "blur": (blur, (0.5, 0.8, 1.1, 1.4, 1.7)),
    "noise": (noise, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "salt": (salt, (0.03, 0.06, 0.1, 0.15, 0.2)),
    "contrast": (contrast, (0.6, 0.4, 0.25, 0.15, 0.08)),
    "brightness": (brightness, (0.2, 0.4, 0.6, 0.75, 0.85)),
    "fog": (fog, (0.2, 0.35, 0.5, 0.6, 0.7)),
    "stripe": (stripe, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "dots": (dots, (3, 6, 10, 15, 20)),
    "zigzag": (zigzag, (0.2, 0.4, 0.6, 0.8, 1.0)),
    "thick": (thick, (1, 3, 4, 6, 8)),
    "thin": (thin, (1, 2, 3, 4, 5)),
    "jpeg": (jpeg, (40, 25, 15, 9, 5)),
    "low resolution": (low_resolution, (18, 14, 12, 10, 8)),
}


def _signs(images: Grey, random: np.random.Generator) -> NDArray[np.int64]:
    return random.choice([-1, 1], len(images))


def _each(images: Grey, change: Callable[[Image.Image], Image.Image]) -> Grey:
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


def _mapped(images: Grey, maps: list[tuple[float, float, float, float, float, float]]) -> Grey:
    """Affine maps around the middle, from places in the result to places in the source; paper comes in from outside."""
    height, width = images.shape[1:]
    x, y = width / 2, height / 2

    def around(a: float, b: float, c: float, d: float, e: float, f: float) -> tuple[float, ...]:
        return a, b, c + x - a * x - b * y, d, e, f + y - d * x - e * y

    moved = [
        Image.fromarray(image).transform((width, height), Image.Transform.AFFINE, around(*m), Image.Resampling.BILINEAR)
        for image, m in zip(images, maps, strict=True)
    ]
    return np.stack([np.asarray(picture) for picture in moved])


def _drawn_over(
    images: Grey, places: NDArray[np.float64], draw: Callable[[ImageDraw.ImageDraw, NDArray[np.float64], int, int], None]
) -> Grey:
    """Ink on top of each picture, where ``places`` has a row for each."""
    height, width = images.shape[1:]
    layers = []
    for place in places:
        layer = Image.new("L", (width, height), 0)
        draw(ImageDraw.Draw(layer), place, width, height)
        layers.append(np.asarray(layer))
    spoilt: Grey = np.maximum(images, np.stack(layers))
    return spoilt


def _restroked(images: Grey, radius: int, extreme: Callable[..., Grey]) -> Grey:
    """Grow (maximum) or shrink (minimum) ink by a disc of ``radius`` fine pixels."""
    height, width = images.shape[1:]
    size = (width * FINE, height * FINE)
    fine = np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in images])
    padded = np.pad(fine, ((0, 0), (radius, radius), (radius, radius)))
    result: Grey = fine
    for y, x in np.argwhere(_disc(radius)):
        result = extreme(result, padded[:, y : y + size[1], x : x + size[0]])
    return np.stack([np.asarray(Image.fromarray(picture).reduce(FINE)) for picture in result])


def _disc(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc: NDArray[np.bool_] = x * x + y * y <= radius * (radius + 0.5)
    return disc
