from pathlib import Path

import numpy as np
import pytest

from training.data import Split, fingerprint, load_split
from training.errors import TrainingError


def test_part_is_stratified_and_the_same_every_time() -> None:
    labels = np.random.default_rng(7).permutation(np.repeat(np.arange(10), 60))
    split = Split(np.random.default_rng(8).integers(0, 256, (600, 28, 28), np.uint8), labels)
    kept, held_out = split.part(lambda count: count // 12)
    assert np.bincount(held_out.labels).tolist() == [5] * 10
    assert len(kept) + len(held_out) == len(split)
    assert (held_out.images == split.part(lambda count: count // 12)[1].images).all()


@pytest.mark.mnist
def test_mnist_splits_are_disjoint_and_complete(mnist_root: Path) -> None:
    train, validation, test = (load_split(name, mnist_root) for name in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (55_000, 5_000, 10_000)
    whole = np.concatenate([train.images, validation.images]).reshape(60_000, -1)
    assert len(np.unique(whole, axis=0)) == 60_000


@pytest.mark.mnist
def test_mnist_train_split_is_the_one_that_the_shipped_model_saw(mnist_root: Path) -> None:
    from app.digits.manifest import read

    shipped = read(Path(__file__).parents[2] / "models" / "cnn")
    assert fingerprint(load_split("train", mnist_root)) == shipped.source.data_sha256


def test_load_split_without_data_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(TrainingError, match="DIGITS_DATA_DIR"):
        load_split("train", tmp_path)
