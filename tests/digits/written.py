"""Numbers that our code draws, laid side by side on one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.digits.preprocessing import Grey
from training.strokes import draw_digit

Box = tuple[int, int, int, int]


def written(lines: str | Sequence[str], *, size: int = 64, gap: float = 0.0, thickness: float = 0.09) -> Grey:
    """Dark digits on white paper, each in a square of ``size`` pixels, ``gap`` of a square apart; uint8 (H, W)."""
    lines = [lines] if isinstance(lines, str) else lines
    step, margin = round(size * (1 + gap)), size // 3
    shape = (2 * margin + round(1.3 * size) * len(lines), 2 * margin + size + step * (max(map(len, lines)) - 1))
    picture = np.full(shape, 255, np.uint8)
    for row, line in enumerate(lines):
        for place, digit in enumerate(line):
            y, x = margin + row * round(1.3 * size), margin + place * step
            here = np.s_[y : y + size, x : x + size]
            picture[here] = np.minimum(picture[here], draw_digit(digit, size=size, thickness=thickness))
    return picture
