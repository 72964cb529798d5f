"""Pictures of a data set as files, for trying the service."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from training.data import Split
from training.strokes import as_png


def extract(split: Split, labels: tuple[str, ...], out: Path, *, per_class: int, seed: int = 0) -> list[Path]:
    """Write ``LABEL-POSITION.png`` files of some pictures of each class.

    Args:
        split: the pictures.
        labels: names of the classes.
        out: folder to write to.
        per_class: how many of each class; all where it has fewer.
        seed: of the choice.

    Returns:
        The files, by class.
    """
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    written = []
    for label, name in enumerate(labels):
        found = np.flatnonzero(split.labels == label)
        for position in np.sort(random.choice(found, min(per_class, len(found)), replace=False)):
            path = out / f"{re.sub(r'[^A-Za-z0-9_]', '_', name)}-{position}.png"
            path.write_bytes(as_png(split.images[position]))
            written.append(path)
    return written
