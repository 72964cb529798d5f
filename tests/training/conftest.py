from pathlib import Path
from typing import get_args

import pytest

pytest.importorskip("torch", reason="torch is not installed (make install)")

import torch

from tests.training.drawn import draw_folder, drawn_split
from training.calibrate import fit_temperature
from training.data import SplitName, data_dir
from training.datasets import open_dataset
from training.export import export
from training.recipe import Recipe
from training.remeasure import Splits
from training.runs import RunFolder
from training.ship import ship
from training.train import train, trained_network
from training.trainer import Data, predict


@pytest.fixture(scope="session")
def data() -> Data:
    return Data(train=drawn_split(seed=1, per_digit=32), validation=drawn_split(seed=2, per_digit=8))


@pytest.fixture(scope="session")
def quick_recipe() -> Recipe:
    return Recipe(epochs=8, batch_size=32, bf16=False, drawn_share=0.1)


@pytest.fixture
def mnist_root() -> Path:
    root = data_dir()
    if not (root / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
        pytest.skip("MNIST is not here; set DIGITS_DATA_DIR to a folder that holds MNIST/raw")
    return root


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shipped model of somebody's own three classes, of which it has learnt little, and its pictures beside it."""
    root = tmp_path_factory.mktemp("shapes")
    dataset = open_dataset(str(draw_folder(root / "pictures")), workers=1)
    splits: Splits = {name: dataset.split(name) for name in get_args(SplitName)}
    run, cpu = RunFolder(root / "run"), torch.device("cpu")
    recipe = Recipe(arch="mlp-128", epochs=2, batch_size=16, bf16=False)
    data = Data(splits["train"], splits["validation"], dataset.origin)
    record = train(recipe, data, run, name="shapes", seed=0, device=cpu)
    logits = predict(trained_network(record, run), splits["validation"], cpu).numpy()
    run.save_record(record.model_copy(update={"temperature": fit_temperature(logits, splits["validation"].labels)}))
    export(run, splits["validation"])
    return ship([run], splits, root / "models")
