"""Which pixels decided: what a label's probability loses as patches are covered with paper (Zeiler and Fergus 2014)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.digits.paper import outline
from app.digits.session import Floats, Images

Grey = NDArray[np.uint8]
Place = tuple[slice, slice]

# Two strokes wide: a narrower patch leaves enough of a stroke for the model to go on, a wider one shows no detail. Half of the
# patch is new with each step, so four patches cover each pixel, and 121 at most the whole frame.
PATCH: Final = 6
STEP: Final = 3
# The overlay's pixels for one of the frame's.
SCALE: Final = 10
SUPPORTS: Final = (235, 50, 35)  # red
CONTRADICTS: Final = (40, 110, 255)  # blue
# Under this loss a picture has no part that matters, and its overlay should not look as if.
LEAST_SHOWN: Final = 0.05
STRONGEST_COVER: Final = 0.8  # the ink still shows through


@dataclass(frozen=True, slots=True)
class Occlusion:
    """A frame, and copies of it, each with one patch covered.

    Attributes:
        images: uint8 (1 + M, 1, 28, 28), the frame first: to be run as one batch.
        places: of the M patches, rows and columns.
    """

    images: Images
    places: tuple[Place, ...]

    @classmethod
    def of(cls, image: Grey) -> Self:
        """Cover uint8 (1, H, W) wherever a patch holds more than paper."""
        paper = int(np.median(outline(image[0])))
        height, width = image.shape[1:]
        places = tuple(
            (rows, columns) for rows in _spans(height) for columns in _spans(width) if (image[0, rows, columns] != paper).any()
        )
        images = np.repeat(image[None], 1 + len(places), axis=0)
        for copy, (rows, columns) in zip(images[1:], places, strict=True):
            copy[0, rows, columns] = paper
        return cls(images, places)

    def drops(self, probabilities: Floats, position: int) -> Floats:
        """What a label loses where.

        Args:
            probabilities: float32 (1 + M, C), the model's answer to ``images``.
            position: of the label.

        Returns:
            float32 (H, W), -1 to 1: the mean, over the patches that cover a pixel, of the label's probability without that
            patch less than with it; 0 where only paper was to cover. Negative where covering makes the label more likely.
        """
        total, count = np.zeros(self.images.shape[2:]), np.zeros(self.images.shape[2:])
        lost = probabilities[0, position] - probabilities[1:, position]
        for value, (rows, columns) in zip(lost.tolist(), self.places, strict=True):
            total[rows, columns] += value
            count[rows, columns] += 1
        return np.asarray(total / count.clip(min=1), np.float32)


def overlay(image: Grey, drops: Floats) -> bytes:
    """A PNG of a frame uint8 (1, H, W), enlarged, red where its label rests on it and blue where it speaks against it.

    Args:
        image: what the model saw.
        drops: float32 (H, W), see ``Occlusion.drops``; the greatest one gets the full colour.
    """
    shares = (drops / max(float(np.abs(drops).max()), LEAST_SHOWN))[..., None]
    colour = np.where(shares > 0, np.array(SUPPORTS, np.float32), np.array(CONTRADICTS, np.float32))
    cover = STRONGEST_COVER * np.abs(shares)
    tinted = np.rint(image[0, ..., None] * (1 - cover) + colour * cover).astype(np.uint8)
    size = drops.shape[1] * SCALE, drops.shape[0] * SCALE
    out = io.BytesIO()
    Image.fromarray(tinted).resize(size, Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def _spans(side: int) -> list[slice]:
    """Patches from one that begins before the edge to one that ends behind it, so that each pixel is in as many."""
    return [slice(max(0, start), min(side, start + PATCH)) for start in range(STEP - PATCH, side, STEP)]
