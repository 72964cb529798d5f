from pathlib import Path

import pytest
import torch

from training.errors import TrainingError
from training.progress import Silent
from training.recipe import Recipe
from training.runs import Epoch, RunFolder, RunRecord
from training.train import train
from training.trainer import Data

CPU = torch.device("cpu")


def run(
    recipe: Recipe, data: Data, path: Path, *, seed: int = 0, resume: bool = False, progress: Silent | None = None
) -> RunRecord:
    return train(recipe, data, RunFolder(path), name="cnn", seed=seed, device=CPU, resume=resume, progress=progress or Silent())


class Killed(Exception):
    pass


class KillAfter(Silent):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None:
        pass

    def epoch(self, row: Epoch) -> None:
        self.epochs -= 1
        if not self.epochs:
            raise Killed


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = RunFolder(path).load_checkpoint()["average"]
    return state


def test_train_learns_and_writes_its_curve(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    record = run(quick_recipe, data, tmp_path)
    assert record.history[-1].train_loss < record.history[0].train_loss
    assert record == RunFolder(tmp_path).load_record()
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + quick_recipe.epochs


def test_train_twice_with_one_seed_gives_the_same_weights(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    recipe = quick_recipe.model_copy(update={"epochs": 1})
    for name in ("a", "b"):
        run(recipe, data, tmp_path / name)
    one, other = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_train_killed_and_resumed_follows_the_same_curve(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    whole = run(quick_recipe, data, tmp_path / "whole")
    with pytest.raises(Killed):
        run(quick_recipe, data, tmp_path / "killed", progress=KillAfter(2))
    resumed = run(quick_recipe, data, tmp_path / "killed", resume=True)
    assert [row.validation_loss for row in resumed.history] == [row.validation_loss for row in whole.history]


def test_train_into_a_folder_with_a_run_asks_for_resume(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    recipe = quick_recipe.model_copy(update={"epochs": 1})
    run(recipe, data, tmp_path)
    with pytest.raises(TrainingError, match="--resume"):
        run(recipe, data, tmp_path)
    with pytest.raises(TrainingError, match="another recipe, seed or data"):
        run(recipe, data, tmp_path, seed=1, resume=True)


def test_resume_from_a_damaged_checkpoint_says_so(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    recipe = quick_recipe.model_copy(update={"epochs": 1})
    run(recipe, data, tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="damaged"):
        run(recipe, data, tmp_path, resume=True)


def test_full_disk_leaves_the_last_checkpoint_intact(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    recipe = quick_recipe.model_copy(update={"epochs": 1})
    run(recipe, data, tmp_path)
    before = weights(tmp_path)
    (tmp_path / "checkpoint.pt.partial").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="could not be written"):
        RunFolder(tmp_path).save_checkpoint({"average": before})
    assert weights(tmp_path).keys() == before.keys()


def test_unknown_network_names_those_that_exist(data: Data, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there are: cnn"):
        run(Recipe(arch="resnet-9000"), data, tmp_path)
