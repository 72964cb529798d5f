"""MNIST's 70,000 pictures as PNG files named by split, place and label: ``test/00000-7.png``.

python -m benchmarks.mnist_files /somewhere/mnist
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.data import LABELS, SplitName, load_split
from training.strokes import as_png

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def main(
    folder: Annotated[Path, typer.Argument(help="Made if it is not there; outside of the repository, please.")],
    most: Annotated[int | None, typer.Option(min=1, help="Pictures of each split.", show_default="all")] = None,
) -> None:
    """Write one PNG file a picture."""
    for name in SPLITS:
        split = load_split(name)
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index, (image, label) in enumerate(zip(split.images[:most], split.labels[:most], strict=True)):
            (folder / name / f"{index:05d}-{LABELS[label]}.png").write_bytes(as_png(image))


if __name__ == "__main__":
    typer.run(main)
