"""Digits that our own code draws, as pen strokes: golden cases, samples and tests need pictures that are ours to ship.

Needs Pillow and numpy only.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import cos, pi, sin
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]
Stroke = Sequence[Point]

OVERSAMPLING: Final = 4


def _arc(x: float, y: float, radius_x: float, radius_y: float, start_deg: float, end_deg: float) -> list[Point]:
    """Points on an ellipse; 0° is to the right and angles grow clockwise, as y grows downwards."""
    angles = np.linspace(start_deg, end_deg, 24) * pi / 180
    return [(x + radius_x * cos(angle), y + radius_y * sin(angle)) for angle in angles]


# Strokes of each digit in a unit square, x to the right and y downwards.
GLYPHS: Final[dict[str, list[Stroke]]] = {
    "0": [_arc(0.5, 0.5, 0.27, 0.40, -90, 270)],
    "1": [[(0.36, 0.28), (0.54, 0.10), (0.52, 0.90)]],
    "2": [[*_arc(0.49, 0.32, 0.24, 0.22, -170, 40), (0.24, 0.88), (0.78, 0.86)]],
    "3": [[*_arc(0.45, 0.30, 0.24, 0.20, -150, 90), *_arc(0.45, 0.68, 0.28, 0.21, -90, 150)]],
    "4": [[(0.34, 0.12), (0.22, 0.56), (0.78, 0.54)], [(0.64, 0.14), (0.60, 0.90)]],
    "5": [[(0.72, 0.12), (0.34, 0.12), (0.30, 0.45), *_arc(0.46, 0.64, 0.26, 0.24, -110, 140)]],
    "6": [[(0.64, 0.10), (0.40, 0.36), *_arc(0.50, 0.67, 0.24, 0.22, -170, 190)]],
    "7": [[(0.24, 0.14), (0.76, 0.13), (0.44, 0.90)]],
    "8": [[*_arc(0.5, 0.30, 0.20, 0.19, 90, 450), *_arc(0.5, 0.69, 0.25, 0.20, -90, 270)]],
    "9": [[*_arc(0.48, 0.33, 0.23, 0.22, 20, -340), (0.70, 0.36), (0.60, 0.90)]],
}


def draw_digit(
    digit: str,
    *,
    size: int = 112,
    thickness: float = 0.09,
    slant: float = 0.0,
    ink: int = 20,
    paper: int = 255,
) -> NDArray[np.uint8]:
    """Draw one digit.

    Args:
        digit: "0" to "9".
        size: side of the picture in pixels.
        thickness: of the pen, as a share of the side.
        slant: horizontal shear; positive leans to the right.
        ink: grey level of the pen, 0–255.
        paper: grey level around it, 0–255.

    Returns:
        uint8 (size, size).
    """
    side = size * OVERSAMPLING
    picture = Image.new("L", (side, side), paper)
    pen = ImageDraw.Draw(picture)
    radius = thickness * side / 2
    for stroke in GLYPHS[digit]:
        points = [((x + slant * (0.5 - y)) * side, y * side) for x, y in stroke]
        pen.line(points, fill=ink, width=round(2 * radius), joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    return np.asarray(picture.reduce(OVERSAMPLING))


def as_png(picture: NDArray[np.uint8]) -> bytes:
    """A grey picture's PNG file."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()
