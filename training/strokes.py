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


def arc(x: float, y: float, radius_x: float, radius_y: float, start_deg: float, end_deg: float) -> list[Point]:
    """Points on an ellipse; 0° is to the right and angles grow clockwise, as y grows downwards."""
    angles = np.linspace(start_deg, end_deg, 24) * pi / 180
    return [(x + radius_x * cos(angle), y + radius_y * sin(angle)) for angle in angles]


# Strokes of each digit in a unit square, x to the right and y downwards.
GLYPHS: Final[dict[str, list[Stroke]]] = {
    "0": [arc(0.5, 0.5, 0.27, 0.40, -90, 270)],
    "1": [[(0.36, 0.28), (0.54, 0.10), (0.52, 0.90)]],
    "2": [[*arc(0.49, 0.32, 0.24, 0.22, -170, 40), (0.24, 0.88), (0.78, 0.86)]],
    "3": [[*arc(0.45, 0.30, 0.24, 0.20, -150, 90), *arc(0.45, 0.68, 0.28, 0.21, -90, 150)]],
    "4": [[(0.34, 0.12), (0.22, 0.56), (0.78, 0.54)], [(0.64, 0.14), (0.60, 0.90)]],
    "5": [[(0.72, 0.12), (0.34, 0.12), (0.30, 0.45), *arc(0.46, 0.64, 0.26, 0.24, -110, 140)]],
    "6": [[(0.64, 0.10), (0.40, 0.36), *arc(0.50, 0.67, 0.24, 0.22, -170, 190)]],
    "7": [[(0.24, 0.14), (0.76, 0.13), (0.44, 0.90)]],
    "8": [[*arc(0.5, 0.30, 0.20, 0.19, 90, 450), *arc(0.5, 0.69, 0.25, 0.20, -90, 270)]],
    "9": [[*arc(0.48, 0.33, 0.23, 0.22, 20, -340), (0.70, 0.36), (0.60, 0.90)]],
}

# Forms that hands outside the United States write and MNIST hardly holds: 1 with a long flag or a foot, 7 with a bar, 4 closed
# at the top, small-headed 9, and digits in straight strokes.
VARIANTS: Final[dict[str, list[list[Stroke]]]] = {
    "0": [[[(0.28, 0.14), (0.72, 0.14), (0.72, 0.86), (0.28, 0.86), (0.28, 0.14)]]],
    "1": [
        [[(0.20, 0.46), (0.56, 0.10), (0.54, 0.90)]],
        [[(0.30, 0.32), (0.52, 0.10), (0.52, 0.88)], [(0.28, 0.89), (0.76, 0.88)]],
        [[(0.22, 0.44), (0.52, 0.10), (0.50, 0.88)], [(0.26, 0.89), (0.74, 0.88)]],
        [[(0.50, 0.10), (0.50, 0.88)], [(0.30, 0.89), (0.72, 0.88)]],
        [[(0.14, 0.62), (0.52, 0.10), (0.60, 0.90)]],
    ],
    "2": [[[(0.28, 0.16), (0.72, 0.16), (0.72, 0.50), (0.28, 0.50), (0.28, 0.86), (0.74, 0.86)]]],
    "3": [[[(0.26, 0.14), (0.72, 0.14), (0.46, 0.44), *arc(0.45, 0.66, 0.28, 0.22, -80, 150)]]],
    "4": [
        [[(0.60, 0.10), (0.20, 0.62), (0.82, 0.62)], [(0.62, 0.10), (0.60, 0.90)]],
        [[(0.58, 0.10), (0.20, 0.62), (0.82, 0.60)], [(0.58, 0.42), (0.54, 0.90)]],
    ],
    "5": [[[(0.72, 0.14), (0.28, 0.14), (0.28, 0.48), (0.72, 0.48), (0.72, 0.86), (0.28, 0.86)]]],
    "6": [[[(0.70, 0.14), (0.28, 0.14), (0.28, 0.86), (0.72, 0.86), (0.72, 0.50), (0.28, 0.50)]]],
    "7": [
        [[(0.24, 0.14), (0.76, 0.13), (0.44, 0.90)], [(0.34, 0.50), (0.72, 0.48)]],
        [[(0.24, 0.28), (0.25, 0.14), (0.76, 0.13), (0.46, 0.90)]],
        [[(0.24, 0.28), (0.25, 0.14), (0.76, 0.13), (0.46, 0.90)], [(0.38, 0.52), (0.74, 0.50)]],
    ],
    "8": [[[(0.72, 0.16), (0.30, 0.20), (0.72, 0.84), (0.28, 0.84), (0.72, 0.16)]]],
    "9": [
        [arc(0.46, 0.28, 0.17, 0.15, 0, 360), [(0.63, 0.24), (0.60, 0.90)]],
        [[(0.72, 0.50), (0.30, 0.50), (0.30, 0.14), (0.72, 0.14), (0.72, 0.88)]],
        [[*arc(0.48, 0.30, 0.20, 0.19, 20, -340), (0.67, 0.34), *arc(0.45, 0.70, 0.22, 0.18, 0, 110)]],
    ],
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
    """Draw one digit in its plain form.

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
    sheared = [[(x + slant * (0.5 - y), y) for x, y in stroke] for stroke in GLYPHS[digit]]
    return draw_strokes(sheared, size=size, thickness=thickness, ink=ink, paper=paper)


def draw_by_hand(digit: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a digit as one of many hands might: a random form, uneven, slanted, narrow or wide, thin or thick.

    Args:
        digit: "0" to "9".
        random: every choice comes from it.

    Returns:
        uint8 (84, 84), dark ink on white paper.
    """
    forms = [GLYPHS[digit], *VARIANTS[digit]]
    form = forms[random.integers(len(forms))]
    slant, width = random.uniform(-0.25, 0.35), random.uniform(0.6, 1.1)
    uneven = [
        np.asarray(stroke) + random.normal(0, 0.02, (1, 2)) + random.normal(0, 0.012, (len(stroke), 2)) for stroke in form
    ]
    strokes = [
        [(0.5 + width * (x - 0.5) + slant * (0.5 - y), y) for x, y in stroke.clip(0.04, 0.96).tolist()] for stroke in uneven
    ]
    return draw_strokes(strokes, size=84, thickness=random.uniform(0.05, 0.14), ink=0, paper=255)


def draw_strokes(strokes: Sequence[Stroke], *, size: int, thickness: float, ink: int, paper: int) -> NDArray[np.uint8]:
    """Draw pen strokes with round ends; arguments and result as for ``draw_digit``."""
    side = size * OVERSAMPLING
    picture = Image.new("L", (side, side), paper)
    pen = ImageDraw.Draw(picture)
    radius = thickness * side / 2
    for stroke in strokes:
        points = [(x * side, y * side) for x, y in stroke]
        pen.line(points, fill=ink, width=round(2 * radius), joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    return np.asarray(picture.reduce(OVERSAMPLING))


def as_png(picture: NDArray[np.uint8]) -> bytes:
    """A grey picture's PNG file."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()
