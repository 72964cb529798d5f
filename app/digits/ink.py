"""Finds a digit's ink on a picture: on uneven light, of either polarity, beside specks and the edges of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.digits.company import count_digits
from app.digits.components import Component, Mask, components
from app.digits.errors import BlankPicture
from app.digits.morphology import grown
from app.digits.paper import Grey, Reals, noise_of, paper_level, smoothed

# All numbers below were chosen on the development sets (training/LOG.md) and are safe within a third of their value.
# In standard deviations of the noise: what may belong to a stroke, and what must be ink for a picture not to be blank.
WEAK_SIGMA: Final = 3.0
INK_SIGMA: Final = 5.0
# Grey levels under which nothing counts as ink, however clean the paper: 8-bit rounding and JPEG leave up to 7.
LEAST_CONTRAST: Final = 8.0
# The level of full ink is that of the strongest 0.15 % of the pixels: single hot pixels do not decide.
FULL_INK_SHARE: Final = 0.0015
# Shares of full ink: where a stroke ends, and what a part of the digit must reach somewhere.
STROKE_SHARE: Final = 0.28
PART_SHARE: Final = 0.4
# A part that touches the border and lies within this share of the side is the edge of a frame or a sheet.
EDGE_SHARE: Final = 0.13
# A part belongs to the digit if it has this share of the main part's ink, no farther off than this share of its size.
SPECK_SHARE: Final = 0.05
NEAR_SHARE: Final = 0.35
# The digit rarely touches the border, and what touches it is rarely the digit.
TOUCHING_WEIGHT: Final = 0.35
# Noise as a share of full ink: under the first, strokes are taken as they are; above the second, smoothed.
CLEAN, NOISY = 0.04, 0.14


@dataclass(frozen=True, slots=True)
class Ink:
    """A digit's ink.

    Attributes:
        strength: float64 (H, W), grey levels away from the paper; 0 off the digit.
        mask: bool (H, W), true on the digit's strokes.
        is_dark: whether it is darker than its paper.
        digits: how many digits stand apart in the picture; the mask may hold one of them only.
    """

    strength: Reals
    mask: Mask
    is_dark: bool
    digits: int


def find_ink(grey: Grey) -> Ink:
    """The ink of the digit on a picture.

    Args:
        grey: uint8 (H, W), about 30 to 500 pixels a side.

    Raises:
        BlankPicture: nothing stands out from the paper and its noise.
    """
    residual = (grey.astype(np.int16) - paper_level(grey)).astype(np.float64)
    smooth = smoothed(residual)
    noise = noise_of(residual, smooth)
    off_frame = ~_frame_edges(smooth, noise)
    smooth, residual = smooth * off_frame, residual * off_frame
    sign = _polarity(smooth, noise)
    smooth, residual = (sign * smooth).clip(0), (sign * residual).clip(0)
    full = _full_ink(smooth)
    if full < max(INK_SIGMA * noise, LEAST_CONTRAST):
        raise BlankPicture("No ink stands out from the paper.")
    mask, digits = _digit(smooth, noise, full)
    blend = min(1.0, max(0.0, (noise / full - CLEAN) / (NOISY - CLEAN)))
    strength = blend * smooth + (1 - blend) * residual
    return Ink(np.where(grown(mask, 1), strength, 0.0), mask, sign < 0, digits)


def _frame_edges(smooth: Reals, noise: float) -> Mask:
    """Bands along the border: a sheet's edge, a frame, a strip of another picture; none if nothing else is there."""
    edges = np.zeros(smooth.shape, bool)
    threshold = WEAK_SIGMA * noise + 1
    for sign in (-1, 1):
        strength = (sign * smooth).clip(0)
        mask = strength > threshold
        if not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()):
            continue  # most pictures: nothing touches the border
        labels, parts = components(mask, strength)
        bands = [part.label for part in parts if part.touches and _is_band(part, smooth.shape)]
        if 0 < len(bands) < len(parts):
            edges |= np.isin(labels, bands)
    return grown(edges, 2) if edges.any() else edges


def _is_band(part: Component, shape: tuple[int, ...]) -> bool:
    height, width = shape
    across, down = max(2.0, EDGE_SHARE * width), max(2.0, EDGE_SHARE * height)
    return part.x + part.width <= across or part.x >= width - across or part.y + part.height <= down or part.y >= height - down


def _polarity(smooth: Reals, noise: float) -> int:
    """-1 for dark ink, 1 for light: the side on which more energy stands out of the noise."""
    outstanding = np.where(np.abs(smooth) > 4 * noise, smooth, 0.0)
    dark, light = (outstanding.clip(max=0) ** 2).sum(), (outstanding.clip(min=0) ** 2).sum()
    return -1 if dark >= light else 1


def _full_ink(strength: Reals) -> float:
    rank = max(1, int(strength.size * FULL_INK_SHARE))
    return float(np.partition(strength.ravel(), -rank)[-rank])


def _digit(strength: Reals, noise: float, full: float) -> tuple[Mask, int]:
    """The main part and those that belong to it; and how many digits there are."""
    threshold = max(WEAK_SIGMA * noise, min(STROKE_SHARE * full, 0.7 * _otsu(strength / full) * full))
    labels, parts = components(strength > threshold, strength)
    inked = [part for part in parts if part.peak > max(INK_SIGMA * noise, PART_SHARE * full)]
    if not inked:
        raise BlankPicture("No ink stands out from the paper.")
    main = max(inked, key=lambda part: part.mass * (TOUCHING_WEIGHT if part.touches else 1.0))
    kept = _belonging(main, inked)
    return np.isin(labels, [part.label for part in kept]), count_digits(main, kept, inked)


def _belonging(main: Component, parts: Sequence[Component]) -> list[Component]:
    reach = NEAR_SHARE * max(main.width, main.height)
    return [
        part
        for part in parts
        if part is main
        or (part.mass >= SPECK_SHARE * main.mass and part.gap_to(main) <= reach and (main.touches or not part.touches))
    ]


def _otsu(shares: Reals) -> float:
    """The share of full ink that parts ink from paper with the greatest variance between the two (Otsu 1979)."""
    counts = np.bincount((shares.clip(0, 1) * 255).astype(np.intp).ravel(), minlength=256).astype(np.float64)
    levels = np.arange(256)
    below, below_sum = counts.cumsum(), (counts * levels).cumsum()
    above, above_sum = below[-1] - below, below_sum[-1] - below_sum
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (below_sum / below - above_sum / above) ** 2
    return int(np.nan_to_num(between).argmax()) / 255
