"""Finds a digit's ink on a picture: on uneven light, of either polarity, beside specks and the edges of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

import numpy as np

from app.digits.company import count_digits
from app.digits.components import Component, Labels, Mask, Reals, components
from app.digits.edges import FRAME_BLUR, border_bands, is_frame, is_sheet, within
from app.digits.errors import BlankPicture
from app.digits.paper import Grey, noise_of, paper_level, smoothed

# All numbers below were chosen on the development sets (training/LOG.md) and are safe within a third of their value.
# In standard deviations of the noise: what may belong to a stroke; and what must be ink for a picture not to be blank, beyond
# what the strongest of so many pixels of mere noise comes to.
WEAK_SIGMA: Final = 3.0
INK_SIGMA: Final = 0.6
OUTSTANDING_SIGMA: Final = 4.0
# Grey levels under which nothing counts as ink, however clean the paper: 8-bit rounding and JPEG leave up to 7.
LEAST_CONTRAST: Final = 8.0
# The level of full ink is that of the strongest 0.15 % of the pixels: single hot pixels do not decide.
FULL_INK_SHARE: Final = 0.0015
# Shares of full ink: where a stroke ends, at most so in noise, and what a part of the digit must reach somewhere.
STROKE_SHARE: Final = 0.25
NOISY_STROKE_SHARE: Final = 0.4
PART_SHARE: Final = 0.4
# And where pale print ends, as the lines of ruled paper.
FAINT_SHARE: Final = 0.1
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
        strength: float32 (H, W), grey levels away from the paper, 0 or more; of all that is on the picture.
        mask: bool (H, W), true on the digit's strokes.
        is_dark: whether it is darker than its paper.
        digits: how many digits stand apart in the picture; the mask may hold one of them only.
        steps: what was done to find it, in order, in words for people.
    """

    strength: Reals
    mask: Mask
    is_dark: bool
    digits: int = 1
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relief:
    """A picture's ink against its paper, of one sign, before anything is said of whose it is.

    Attributes:
        strength: float32 (H, W), grey levels away from the paper, 0 or more; smoothed as far as the noise wants it.
        smooth: the same, smoothed everywhere: what masks are made of.
        noise: standard deviation in ``smooth``, grey levels.
        full: the level of full ink.
        is_dark: whether the ink is darker than its paper.
        steps: what was done to the picture, in order, in words for people.
    """

    strength: Reals
    smooth: Reals
    noise: float
    full: float
    is_dark: bool
    steps: tuple[str, ...] = ()

    @property
    def least_peak(self) -> float:
        """What a part must reach somewhere to be ink."""
        return max(_strongest_noise(self.noise, self.smooth.size), PART_SHARE * self.full)

    def strokes(self) -> Mask:
        """Bool (H, W): what may belong to a stroke."""
        out_of_noise = min(WEAK_SIGMA * self.noise, NOISY_STROKE_SHARE * self.full)
        strokes: Mask = self.smooth > max(out_of_noise, STROKE_SHARE * self.full)
        return strokes

    def faint(self) -> Mask:
        """Bool (H, W): whatever stands out of the noise, pale print too."""
        faint: Mask = self.smooth > max(WEAK_SIGMA * self.noise, LEAST_CONTRAST, FAINT_SHARE * self.full)
        return faint


def find_ink(grey: Grey) -> Ink:
    """The ink of the digit on a picture.

    Args:
        grey: uint8 (H, W), about 30 to 500 pixels a side.

    Raises:
        BlankPicture: nothing stands out from the paper and its noise.
    """
    relief = relief_of(grey)
    labels, parts = components(relief.strokes(), relief.smooth)
    frame = next((part for part in parts if is_frame(part, labels)), None)
    if frame is not None and (inner := _inside(grey, labels, frame, relief.is_dark)) is not None:
        return inner
    mask, digits = _digit(relief, labels, parts)
    return Ink(relief.strength, mask, relief.is_dark, digits, relief.steps)


def _inside(grey: Grey, labels: Labels, frame: Component, is_dark: bool) -> Ink | None:
    """The ink inside a frame, in the picture's own places; None if there is none.

    Inside a box that was drawn, the digit is of the box's ink; what is not may be the paper inside a 0 of straight strokes.
    """
    place = within(frame, FRAME_BLUR)
    try:
        ink = find_ink(grey[place])
    except BlankPicture:
        return None
    if ink.is_dark != is_dark and not is_sheet(frame, labels):
        return None
    strength, mask = np.zeros(grey.shape, np.float32), np.zeros(grey.shape, bool)
    strength[place], mask[place] = ink.strength, ink.mask
    steps = ink.steps if "frame left out" in ink.steps else ("frame left out", *ink.steps)
    return Ink(strength, mask, ink.is_dark, ink.digits, steps)


def relief_of(grey: Grey, edge: float | None = None) -> Relief:
    """What stands out from the paper, edges of a frame left out.

    Args:
        grey: uint8 (H, W).
        edge: pixels from the border within which a band along it is an edge; a share of each side if None.

    Raises:
        BlankPicture: nothing stands out from the paper and its noise.
    """
    level = paper_level(grey)
    residual = grey - level
    smooth = smoothed(residual)
    noise = noise_of(residual, smooth)
    edges = border_bands(smooth, OUTSTANDING_SIGMA * noise + 1, _least_ink(noise, grey.size), edge)
    if edges is not None:
        smooth[edges] = residual[edges] = 0
    sign = _polarity(smooth, noise)
    for values in (smooth, residual):
        np.maximum(sign * values, 0, out=values)
    full = _full_ink(smooth, noise)
    if full < _least_ink(noise, grey.size):
        raise BlankPicture("No ink stands out from the paper.")
    blend = min(1.0, max(0.0, (noise / full - CLEAN) / (NOISY - CLEAN)))
    strength = blend * smooth + (1 - blend) * residual if blend else residual
    steps = (
        "dark ink on light paper" if sign < 0 else "light ink on dark paper",
        *(["light evened out"] if level.size > 1 else []),
        *(["edge of the sheet left out"] if edges is not None else []),
        *(["noise smoothed"] if blend else []),
    )
    return Relief(strength, smooth, noise, full, sign < 0, steps)


def _least_ink(noise: float, pixels: int) -> float:
    """What must be reached somewhere for a picture not to be blank."""
    return max(_strongest_noise(noise, pixels), LEAST_CONTRAST)


def _strongest_noise(noise: float, pixels: int) -> float:
    """More than the strongest of so many normally distributed values, which is √(2 ln n) deviations."""
    return noise * (sqrt(2 * log(pixels)) + INK_SIGMA)


def _polarity(smooth: Reals, noise: float) -> int:
    """-1 for dark ink, 1 for light: the side on which more energy stands out of the noise."""
    outstanding = smooth[np.abs(smooth) > OUTSTANDING_SIGMA * noise]
    return 1 if (outstanding * np.abs(outstanding)).sum() > 0 else -1


def _full_ink(smooth: Reals, noise: float) -> float:
    """The level that ``FULL_INK_SHARE`` of all pixels reach; 0 if that is lost in the noise."""
    outstanding = smooth[smooth > WEAK_SIGMA * noise]
    rank = max(1, int(smooth.size * FULL_INK_SHARE))
    return float(np.partition(outstanding, -rank)[-rank]) if rank <= len(outstanding) else 0.0


def _digit(relief: Relief, labels: Labels, parts: Sequence[Component]) -> tuple[Mask, int]:
    """The main part and those that belong to it; and how many digits there are."""
    inked = [part for part in parts if part.peak > relief.least_peak]
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
