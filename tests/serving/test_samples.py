from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.serving.samples import MNIST_IMAGES, MNIST_LABELS, NoSamples, Samples
from tests.pictures import SEVEN


def _write(folder: Path, *, images: int = 3, labels: int = 3) -> Path:
    (folder / MNIST_IMAGES).parent.mkdir(parents=True)
    (folder / MNIST_IMAGES).write_bytes(bytes(16) + SEVEN.tobytes() * images)
    (folder / MNIST_LABELS).write_bytes(bytes(8) + bytes([7]) * labels)
    return folder


def test_samples_of_mnist_keep_their_pixels(tmp_path: Path) -> None:
    samples = Samples.of_mnist(_write(tmp_path))
    picked = list(samples.pick(5, seed=0))
    assert [label for label, _ in picked] == ["7"] * 3
    assert (np.asarray(Image.open(io.BytesIO(picked[0][1]))) == SEVEN).all()


@pytest.mark.parametrize(("images", "labels"), [(0, 3), (2, 3)])
def test_samples_of_mnist_unequal_files_are_refused(tmp_path: Path, images: int, labels: int) -> None:
    with pytest.raises(NoSamples, match=tmp_path.name):
        Samples.of_mnist(_write(tmp_path, images=images, labels=labels))


def test_samples_of_mnist_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSamples, match="does not hold MNIST"):
        Samples.of_mnist(tmp_path)
