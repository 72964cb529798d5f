"""Sets of pictures from other hands, pens and cameras, and of what is no digit: ``handwriting/*.npz`` of the data folder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from training.strokes import as_png

FOLDER: Final = "handwriting"


def pictures_of(path: Path) -> Iterator[tuple[bytes, int]]:
    """Each picture's file and label, below 0 for no digit; the original file where the set has it, else a PNG of its pixels.

    Args:
        path: an npz file with ``labels`` (N,), and either ``images`` uint8 (N, H, W), or files end to end in ``data`` and
            their ``offsets`` (N + 1,).
    """
    with np.load(path, allow_pickle=False) as content:
        labels = content["labels"].tolist()
        if "data" in content.files:
            data, offsets = content["data"].tobytes(), content["offsets"].tolist()
            files = (data[start:end] for start, end in pairwise(offsets))
        else:
            files = (as_png(image) for image in content["images"])
        yield from zip(files, labels, strict=True)
