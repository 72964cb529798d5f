"""Handwritten digits with their labels, for the page to show and to try."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from PIL import Image

from app.digits.errors import DigitsError
from app.digits.image import Grey

SHIPPED: Final = Path(__file__).resolve().parent.parent / "web/samples"
SHIPPED_ORIGIN: Final = "8×8 scans of 13 people's digits: scikit-learn's load_digits (UCI, E. Alpaydin and C. Kaynak, 1998)"
TILE: Final = 8
TILE_LEVELS: Final = 16
# Framing looks for paper around the ink, and these tiles have none.
MARGIN: Final = 2
MNIST_ORIGIN: Final = "the test split of MNIST (Y. LeCun, C. Cortes, C. J. C. Burges)"
MNIST_IMAGES: Final = "MNIST/raw/t10k-images-idx3-ubyte"
MNIST_LABELS: Final = "MNIST/raw/t10k-labels-idx1-ubyte"
# Length of an IDX file's header: a magic number and the sizes of three axes, or of one.
IMAGES_HEADER: Final = 16
LABELS_HEADER: Final = 8
MNIST_SIDE: Final = 28


class NoSamples(DigitsError):
    """The folder of samples does not hold what it should."""


@dataclass(frozen=True)
class Samples:
    """Pictures whose labels are known.

    Attributes:
        origin: where they come from, for people.
        images: uint8 (N, H, W), ink 255 on paper 0.
        labels: uint8 (N,), 0–9.
    """

    origin: str
    images: Grey
    labels: Grey

    @classmethod
    def shipped(cls) -> Self:
        """The 1,797 digits that come with the service (``app/web/samples``)."""
        with Image.open(SHIPPED / "digits.png") as file:
            sheet = np.asarray(file)
        labels = np.frombuffer((SHIPPED / "labels.txt").read_bytes().strip(), np.uint8) - ord("0")
        rows, columns = (length // TILE for length in sheet.shape)
        tiles = sheet.reshape(rows, TILE, columns, TILE).swapaxes(1, 2).reshape(-1, TILE, TILE)[: len(labels)]
        levels = tiles.astype(np.uint16) * 255 // TILE_LEVELS
        framed = np.pad(levels.astype(np.uint8), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
        return cls(SHIPPED_ORIGIN, framed, labels)

    @classmethod
    def of_mnist(cls, folder: Path) -> Self:
        """The test split of MNIST in torchvision's layout; its pixels are mapped into memory and read when shown.

        Raises:
            NoSamples: the folder does not hold it.
        """
        try:
            images = np.memmap(folder / MNIST_IMAGES, np.uint8, "r", IMAGES_HEADER).reshape(-1, MNIST_SIDE, MNIST_SIDE)
            labels = np.memmap(folder / MNIST_LABELS, np.uint8, "r", LABELS_HEADER)
        except (OSError, ValueError) as exc:
            raise NoSamples(f"{folder} does not hold MNIST as {MNIST_IMAGES} and {MNIST_LABELS}: {exc}") from exc
        if len(images) != len(labels):
            raise NoSamples(f"{folder} holds {len(images)} pictures of MNIST and {len(labels)} labels.")
        return cls(MNIST_ORIGIN, images, labels)

    def pick(self, count: int, seed: int | None) -> Iterator[tuple[str, bytes]]:
        """Label and PNG file of ``count`` different samples at most; the same seed gives the same ones."""
        places = np.random.default_rng(seed).permutation(len(self.labels))[:count]
        for place in places:
            yield str(self.labels[place]), _png(self.images[place])


def _png(image: Grey) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()
