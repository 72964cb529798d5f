"""Grey uint8 (H, W) → the frame that a model was trained on, uint8 (1, 28, 28), ink 255 on paper 0.

The one place where pictures become model input, for training's evaluation and for serving alike. A model's manifest names
the preprocessing and its version; once released, a change that moves any output pixel is a new version.

``mnist-frame`` follows how MNIST itself was made (LeCun et al. 1998, and the database's own page): the ink is scaled with its
aspect kept to fit 20×20 pixels, then placed so that its centre of mass lies in the middle of 28×28.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.digits.components import Reals
from app.digits.errors import BlankPicture
from app.digits.ink import Ink, find_ink
from app.digits.morphology import grown, shrunk
from app.digits.paper import outline

SIDE: Final = 28
BOX_SIDE: Final = 20
# MNIST puts the centre of mass between pixels 13.5 and 14.5 (seen: 13.48 to 14.50 over all 70,000 pictures).
CENTRE: Final = 14.0
CENTRE_TOLERANCE: Final = 0.55
# Times a picture's pixels, row by row: its mass, and the moments of its columns and of its rows.
MOMENTS: Final = np.stack([np.ones((SIDE, SIDE)), *np.indices((SIDE, SIDE))[::-1]]).reshape(3, -1).astype(np.float32)
# The longer side of MNIST's ink is 20 pixels, in 16 of 70,000 pictures 19.
NATIVE_BOX_SIDES: Final = (19, 20)
# Larger pictures are averaged down to about this side first: 20 output pixels need no more, and the rest stays cheap.
WORKING_SIDE: Final = 128
# A digit that is smaller than this at that size is looked at again from nearer.
CLOSE_SIDE: Final = 40
# Strokes are measured and widened at four times the box's scale, where a quarter of an output pixel can be told.
FINE: Final = 4
ROOM: Final = 12  # pixels around the digit at that scale
# MNIST's strokes are 2 to 4 pixels wide; thinner ones (a hard pencil, a mouse) fade when they are averaged into 20 pixels.
STROKE_WIDTH: Final = 2.4
# Full ink is what this share of the digit's own pixels stay under: the darker cores of a stroke saturate, as MNIST's do.
FULL_SHARE: Final = 0.75

Grey = NDArray[np.uint8]
Box = tuple[int, int, int, int]


class Frame(NamedTuple):
    """What the model sees, and how it came about.

    Attributes:
        image: uint8 (1, 28, 28), ink 255 on paper 0.
        box: x, y, width, height of the ink in the upright original, in pixels.
        steps: what was done, in order, in words for people.
        digits: how many digits stand apart in the picture (see ``app.digits.company``).
    """

    image: Grey
    box: Box
    steps: tuple[str, ...]
    digits: int = 1


def mnist_frame(grey: Grey) -> Frame:
    """Find the ink, whatever its polarity, and frame it as MNIST's digits are framed.

    A picture that is such a frame already passes with no pixel changed.

    Raises:
        BlankPicture: no ink stands out from the paper.
    """
    native = native_box(grey)
    if native is not None:
        return Frame(grey[None], native, ("native",))
    frame, factor = _framed(grey)
    if factor > 1 and max(frame.box[2:]) < CLOSE_SIDE * factor:
        return _closer(grey, frame)
    return frame


def _framed(grey: Grey) -> tuple[Frame, int]:
    """The frame, and by how much the picture was averaged down for it."""
    small, factor = _reduced(grey)
    ink = find_ink(small)
    box = _bounds(ink.mask)
    image, steps = framed_ink(ink, box)
    return Frame(image[None], _in_original(box, factor, grey), (*ink.steps, *steps), ink.digits), factor


def framed_ink(ink: Ink, box: Box) -> tuple[Grey, tuple[str, ...]]:
    """Ink that was found → uint8 (28, 28), framed as MNIST's digits are, and the steps; ``box`` holds all of its mask."""
    digit = _enlarged_ink(ink, box)
    strokes = _widened(digit)
    widened = () if strokes is digit else ("thin strokes widened",)
    return _centred(_boxed(strokes)), ("cropped", *widened, "scaled", "centred")


def _closer(grey: Grey, frame: Frame) -> Frame:
    """The same of the digit's surroundings only, where it is small on a large picture: averaging has blurred it."""
    x, y, width, height = frame.box
    margin = max(width, height)
    left, top = max(0, x - margin), max(0, y - margin)
    try:
        close, _ = _framed(grey[top : y + height + margin, left : x + width + margin])
    except BlankPicture:  # averaging has taken the noise away, too
        return frame
    return close._replace(box=(left + close.box[0], top + close.box[1], *close.box[2:]), digits=frame.digits)


def fit(grey: Grey) -> Frame:
    """Scale the whole picture into 28×28 with its aspect kept and nothing else: for data that is not digits.

    The bars that fill the square repeat the picture's border level.
    """
    height, width = grey.shape
    if (height, width) == (SIDE, SIDE):
        return Frame(grey[None], (0, 0, width, height), ("native",))
    scale = SIDE / max(height, width)
    size = _scaled(width, height, scale)
    scaled = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC))
    image = np.full((SIDE, SIDE), int(np.median(outline(scaled))), np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    image[top : top + size[1], left : left + size[0]] = scaled
    return Frame(image[None], (0, 0, width, height), ("scaled",))


# How each frames ink that was found on a page; what frames whole pictures is not here.
INK_FRAMES: Final = {("mnist-frame", "2"): framed_ink}
PREPROCESSINGS: Final[dict[tuple[str, str], Callable[[Grey], Frame]]] = {
    ("mnist-frame", "2"): mnist_frame,
    ("fit", "1"): fit,
}


def native_box(grey: Grey) -> Box | None:
    """The ink's box in a 28×28 picture that is framed like MNIST: light ink in a 20-pixel box, centred by mass, on pure paper.

    None for any other.
    """
    if grey.shape != (SIDE, SIDE):
        return None
    pixels = grey.tobytes()
    if pixels[0] or pixels[-1]:
        return None
    x, width = _extent(grey.T.tobytes())
    y, height = _extent(pixels)
    if max(width, height) not in NATIVE_BOX_SIDES:
        return None
    mass, across, down = (MOMENTS @ grey.reshape(-1).astype(np.float32)).tolist()  # exact: whole numbers below 2²⁴
    if abs(across / mass - CENTRE) > CENTRE_TOLERANCE or abs(down / mass - CENTRE) > CENTRE_TOLERANCE:
        return None
    return x, y, width, height


def _extent(pixels: bytes) -> tuple[int, int]:
    """The first of ``SIDE`` lines that holds ink, and how many it is to the last one; less than 1 without any."""
    first = (len(pixels) - len(pixels.lstrip(b"\0"))) // SIDE
    last = (len(pixels.rstrip(b"\0")) - 1) // SIDE
    return first, last - first + 1


def _reduced(grey: Grey) -> tuple[Grey, int]:
    factor = max(grey.shape) // WORKING_SIDE
    if factor < 2:
        return grey, 1
    return np.asarray(Image.fromarray(grey).reduce(factor)), factor


def _in_original(box: Box, factor: int, original: Grey) -> Box:
    x, y, width, height = (value * factor for value in box)
    return x, y, min(width, original.shape[1] - x), min(height, original.shape[0] - y)


def _enlarged_ink(ink: Ink, box: Box) -> Grey:
    """The digit at a longer side of 80 pixels, full ink at 255, with room around it to grow."""
    x, y, width, height = box
    left, top = max(x - 1, 0), max(y - 1, 0)
    around = np.s_[top : y + height + 1, left : x + width + 1]
    mask, strength = ink.mask[around], ink.strength[around]
    full = _quantile(strength[mask & (strength > 0)], FULL_SHARE)  # the mask is smoother than the ink
    levels = np.minimum(strength * (255 / full), 255) * grown(mask, 1)
    scale = FINE * BOX_SIDE / max(width, height)
    size = _scaled(width, height, scale)
    resampling = Image.Resampling.BICUBIC if scale > 0.6 else Image.Resampling.BOX
    place = (x - left, y - top, x - left + width, y - top + height)
    digit = np.zeros((size[1] + 2 * ROOM, size[0] + 2 * ROOM), np.uint8)
    enlarged = Image.fromarray((levels + 0.5).astype(np.uint8)).resize(size, resampling, box=place)
    digit[ROOM:-ROOM, ROOM:-ROOM] = np.asarray(enlarged)
    return digit


def _quantile(strengths: Reals, share: float) -> float:
    rank = int(share * (len(strengths) - 1))
    return float(np.partition(strengths, rank)[rank])


def _widened(digit: Grey) -> Grey:
    """Grow strokes that are too thin to the least width that MNIST has."""
    missing = FINE * STROKE_WIDTH - _stroke_width(digit > 110)
    radius = min(round(missing / 2), ROOM // 2)
    if missing < 0.2 * FINE * STROKE_WIDTH or radius < 1:
        return digit
    return grown(digit, radius)


def _stroke_width(mask: NDArray[np.bool_]) -> float:
    """Mean width of a mask's strokes in pixels: twice their area over the length of their outline."""
    area, inside = int(np.count_nonzero(mask)), int(np.count_nonzero(shrunk(mask)))
    return 2 * area / max(area - inside, 1)


def _boxed(digit: Grey) -> Grey:
    """Scale to a longer side of 20 pixels, aspect kept, the strongest ink at 255."""
    x, y, width, height = _bounds(digit > min(64, int(digit.max()) - 1))
    scale = BOX_SIDE / max(width, height)
    size = _scaled(width, height, scale)
    scaled = Image.fromarray(digit).resize(size, Image.Resampling.BOX, box=(x, y, x + width, y + height))
    values = np.asarray(scaled, np.float64)
    boxed: Grey = np.rint(values * (255.0 / values.max())).astype(np.uint8)
    return boxed


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    """Width and height at a scale, each at least one pixel."""
    return max(1, round(width * scale)), max(1, round(height * scale))


def _bounds(mask: NDArray[np.bool_]) -> Box:
    """x, y, width, height of the true part; all zero where nothing is true."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return 0, 0, 0, 0
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


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
