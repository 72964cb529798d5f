from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import KMNIST

from app.digits.preprocessing import PREPROCESSINGS
from training.data import LABELS
from training.datasets import newest, open_dataset
from training.errors import TrainingError
from training.strokes import as_png, draw_digit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty pictures of each of three classes, in sizes of their own."""
    random = np.random.default_rng(0)
    for label in ("one", "two", "seven"):
        (tmp_path / label).mkdir()
        digit = {"one": "1", "two": "2", "seven": "7"}[label]
        for place in range(20):
            picture = draw_digit(digit, size=int(random.integers(30, 90)), slant=random.uniform(-0.2, 0.3))
            (tmp_path / label / f"{place}.png").write_bytes(as_png(picture))
    return tmp_path


def test_folder_becomes_three_disjoint_splits_of_every_class(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    splits = [dataset.split(name) for name in ("train", "validation", "test")]
    assert dataset.origin.labels == ("one", "seven", "two")
    assert [np.bincount(split.labels).tolist() for split in splits] == [[15] * 3, [3] * 3, [2] * 3]
    assert len(np.unique(np.concatenate([split.images for split in splits]).reshape(60, -1), axis=0)) == 60


def test_folder_is_the_same_whatever_reads_it(folder: Path) -> None:
    one, many = (open_dataset(str(folder), workers=workers).split("train") for workers in (1, 4))
    assert (one.images == many.images).all() and (one.labels == many.labels).all()


@pytest.mark.parametrize("preprocessing", ["fit", "mnist-frame"])
def test_framed_picture_passes_the_same_framing_unchanged(folder: Path, preprocessing: str) -> None:
    # Evaluation sends what is kept here through the service's door once more.
    dataset = open_dataset(str(folder), preprocessing=preprocessing)
    framing = newest(preprocessing)
    assert dataset.origin.preprocessing == framing
    frame = PREPROCESSINGS[framing.name, framing.version]
    for image in dataset.split("validation").images:
        assert (frame(image).image[0] == image).all()


def test_folder_faults_are_one_sentence_that_names_the_place(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no data set or folder 'nowhere'.*kmnist"):
        open_dataset("nowhere")
    (folder / "one" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(TrainingError, match=r"one/0\.png cannot be read"):
        open_dataset(str(folder)).split("train")
    (folder / "few").mkdir()
    with pytest.raises(TrainingError, match=r"Class 'few' of .* has 0 pictures"):
        open_dataset(str(folder))
    with pytest.raises(TrainingError, match="holds no class"):
        open_dataset(str(folder / "one"))
    with pytest.raises(TrainingError, match=r"no preprocessing named 'warp'"):
        open_dataset(str(folder), preprocessing="warp")


def test_torchvision_set_is_read_by_name_with_its_labels(tmp_path: Path) -> None:
    _write_idx(tmp_path / "KMNIST" / "raw", per_class=24)
    dataset = open_dataset("kmnist", root=tmp_path)
    assert dataset.origin.labels == tuple(KMNIST.classes)
    assert dataset.origin.preprocessing.name == "fit"
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [220, 20, 240]


def test_default_is_mnist_in_its_own_framing() -> None:
    origin = open_dataset().origin
    assert origin.is_mnist and origin.labels == LABELS and origin.preprocessing.name == "mnist-frame"


def _write_idx(folder: Path, per_class: int) -> None:
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        labels = torch.arange(10).repeat(per_class).to(torch.uint8)
        images = torch.randint(0, 256, (len(labels), 28, 28), dtype=torch.uint8)
        _write_tensor(folder / f"{part}-images-idx3-ubyte", images)
        _write_tensor(folder / f"{part}-labels-idx1-ubyte", labels)


def _write_tensor(path: Path, values: torch.Tensor) -> None:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(header + values.numpy().tobytes())
