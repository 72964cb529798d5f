from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (make install)")

from tests.training.drawn import drawn_split
from training.recipe import Recipe
from training.trainer import Data


@pytest.fixture(scope="session")
def data() -> Data:
    return Data(train=drawn_split(seed=1, per_digit=32), validation=drawn_split(seed=2, per_digit=8))


@pytest.fixture(scope="session")
def quick_recipe() -> Recipe:
    return Recipe(epochs=8, batch_size=32, bf16=False, drawn_share=0.1)


@pytest.fixture
def mnist_root() -> Path:
    from training.data import data_dir

    root = data_dir()
    if not (root / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip("MNIST is not here; set DIGITS_DATA_DIR to a folder that holds MNIST/raw")
    return root
