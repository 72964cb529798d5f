"""Grey uint8 (H, W) → the frame that a model was trained on, uint8 (1, 28, 28), ink 255 on paper 0.

The one place where pictures become model input, for training's evaluation and for serving alike. A model's manifest names
the preprocessing and its version; a change that moves any output pixel is a new version.

``mnist-frame`` follows how MNIST itself was made (LeCun et al. 1998, and the database's own page): the ink is scaled with its
aspect kept to fit 20×20 pixels, then placed so that its centre of mass lies in the middle of 28×28.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.digits.errors import BlankPicture

SIDE: Final = 28
BOX_SIDE: Final = 20
# MNIST puts the centre of mass between pixels 13.5 and 14.5 (seen: 13.48 to 14.50 over all 70,000 pictures).
CENTRE: Final = 14.0
CENTRE_TOLERANCE: Final = 0.55
# The longer side of MNIST's ink is 20 pixels, in 16 of 70,000 pictures 19.
NATIVE_BOX_SIDES: Final = (19, 20)
# Grey levels between paper and ink under which a picture counts as blank: JPEG noise on empty paper stays below 20,
# faint pencil begins at about 30.
LEAST_CONTRAST: Final = 24
# Larger pictures are averaged down to about this side first: 20 output pixels need no more, and the rest stays cheap.
WORKING_SIDE: Final = 400

Grey = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """What the model sees, and how it came about.

    Attributes:
        image: uint8 (1, 28, 28), ink 255 on paper 0.
        box: x, y, width, height of the ink in the upright original, in pixels.
        steps: what was done, in order, in words for people.
    """

    image: Grey
    box: Box
    steps: tuple[str, ...]


def mnist_frame(grey: Grey) -> Frame:
    """Find the ink, whatever its polarity, and frame it as MNIST's digits are framed.

    A picture that is such a frame already passes with no pixel changed.

    Raises:
        BlankPicture: no ink stands out from the paper.
    """
    if is_native(grey):
        return Frame(grey[None], _bounds(grey > 0), ("native",))
    small, factor = _reduced(grey)
    ink, polarity = _ink(small)
    top = int(ink.max())
    if top < LEAST_CONTRAST:
        raise BlankPicture("No ink stands out from the paper.")
    threshold = _otsu(ink)
    mask = ink > threshold
    x, y, width, height = _bounds(mask)
    # Below half the threshold is paper's texture; between, the soft edge of strokes, which MNIST's digits have too.
    crop = np.where(ink > threshold // 2, ink, 0)[y : y + height, x : x + width]
    image = _centred(_fitted(crop))
    return Frame(image[None], _enlarged((x, y, width, height), factor, grey), (polarity, "cropped", "scaled", "centred"))


def fit(grey: Grey) -> Frame:
    """Scale the whole picture into 28×28 with its aspect kept and nothing else: for data that is not digits.

    The bars that fill the square repeat the picture's border level.
    """
    height, width = grey.shape
    if (height, width) == (SIDE, SIDE):
        return Frame(grey[None], (0, 0, width, height), ("native",))
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC))
    image = np.full((SIDE, SIDE), int(np.median(_border(scaled))), np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    image[top : top + size[1], left : left + size[0]] = scaled
    return Frame(image[None], (0, 0, width, height), ("scaled",))


PREPROCESSINGS: Final[dict[tuple[str, str], Callable[[Grey], Frame]]] = {
    ("mnist-frame", "1"): mnist_frame,
    ("fit", "1"): fit,
}


def is_native(grey: Grey) -> bool:
    """True for a 28×28 picture that is framed like MNIST: light ink in a 20-pixel box, centred by mass, on pure paper."""
    if grey.shape != (SIDE, SIDE) or grey[0, 0] or grey[-1, -1]:
        return False
    if max(_bounds(grey > 0)[2:]) not in NATIVE_BOX_SIDES:
        return False
    return max(abs(axis - CENTRE) for axis in _centre_of_mass(grey)) <= CENTRE_TOLERANCE


def _reduced(grey: Grey) -> tuple[Grey, int]:
    factor = max(grey.shape) // WORKING_SIDE
    if factor < 2:
        return grey, 1
    return np.asarray(Image.fromarray(grey).reduce(factor)), factor


def _enlarged(box: Box, factor: int, original: Grey) -> Box:
    x, y, width, height = (value * factor for value in box)
    return x, y, min(width, original.shape[1] - x), min(height, original.shape[0] - y)


def _ink(grey: Grey) -> tuple[Grey, str]:
    """Distance of each pixel from the paper, towards the ink; the paper is what the border mostly shows."""
    paper = int(np.median(_border(grey)))
    darkest, lightest = int(grey.min()), int(grey.max())
    if paper - darkest >= lightest - paper:
        return np.clip(paper - grey.astype(np.int16), 0, 255).astype(np.uint8), "dark ink on light paper"
    return np.clip(grey.astype(np.int16) - paper, 0, 255).astype(np.uint8), "light ink on dark paper"


def _border(grey: Grey) -> Grey:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _otsu(ink: Grey) -> int:
    """The level that parts ink from paper with the greatest variance between the two (Otsu 1979)."""
    counts = np.bincount(ink.ravel(), minlength=256).astype(np.float64)
    levels = np.arange(256)
    below, below_sum = counts.cumsum(), (counts * levels).cumsum()
    above, above_sum = below[-1] - below, below_sum[-1] - below_sum
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (below_sum / below - above_sum / above) ** 2
    return int(np.nan_to_num(between).argmax())


def _bounds(mask: NDArray[np.bool_]) -> Box:
    """x, y, width, height of the true part; all zero where nothing is true."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return 0, 0, 0, 0
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def _fitted(ink: Grey) -> Grey:
    """Scale to a longer side of 20 pixels, aspect kept, the darkest ink at 255."""
    height, width = ink.shape
    scale = BOX_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resampling = Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BICUBIC
    scaled = np.asarray(Image.fromarray(ink).resize(size, resampling)).astype(np.float32)
    darkest = float(scaled.max())
    if not darkest:  # specks so faint and far apart that averaging leaves nothing of them
        raise BlankPicture("No ink stands out from the paper.")
    fitted: Grey = np.rint(scaled * (255.0 / darkest)).astype(np.uint8)
    return fitted


def _centred(ink: Grey) -> Grey:
    """Place in 28×28 with the centre of mass in the middle, as near as the frame's edge allows."""
    height, width = ink.shape
    x, y = _centre_of_mass(ink)
    left = min(max(round(CENTRE - x), 0), SIDE - width)
    top = min(max(round(CENTRE - y), 0), SIDE - height)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + height, left : left + width] = ink
    return image


def _centre_of_mass(ink: Grey) -> tuple[float, float]:
    """X and y of the ink's centre of mass, in pixel positions."""
    mass = ink.astype(np.float64)
    total = mass.sum()
    return float(mass.sum(axis=0) @ np.arange(ink.shape[1]) / total), float(mass.sum(axis=1) @ np.arange(ink.shape[0]) / total)
