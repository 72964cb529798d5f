from pathlib import Path

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.errors import TrainingError
from training.progress import Progress, Silent, shown
from training.recipe import Recipe
from training.runs import Epoch, RunFolder, RunRecord
from training.train import train, trained_network
from training.trainer import Data, predict

CPU = torch.device("cpu")


def run(
    recipe: Recipe, data: Data, path: Path, *, seed: int = 0, resume: bool = False, progress: Progress = Silent()
) -> RunRecord:
    return train(recipe, data, RunFolder(path), name="cnn", seed=seed, device=CPU, resume=resume, progress=progress)


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
    recipe = quick_recipe.model_copy(update={"epochs": 3, "nondigit_share": 0.1, "letter_share": 0.1})
    whole = run(recipe, data, tmp_path / "whole")
    with pytest.raises(Killed):
        run(recipe, data, tmp_path / "killed", progress=KillAfter(2))
    resumed = run(recipe, data, tmp_path / "killed", resume=True)
    assert [row.validation_loss for row in resumed.history] == [row.validation_loss for row in whole.history]


def test_train_into_a_folder_with_a_run_asks_for_resume(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    recipe = quick_recipe.model_copy(update={"epochs": 1})
    run(recipe, data, tmp_path)
    with pytest.raises(TrainingError, match="--resume"):
        run(recipe, data, tmp_path)
    with pytest.raises(TrainingError, match="another recipe, seed, data or teacher"):
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


def test_early_stopping_keeps_the_best_weights_also_over_a_resume(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    # At this rate the network is at its best early and then walks about.
    walk = {"arch": "mlp-128", "epochs": 40, "learning_rate": 0.05, "schedule": "constant", "ema_decay": 0, "early_stopping": 2}
    recipe = quick_recipe.model_copy(update=walk)
    record = run(recipe, data, tmp_path / "whole")
    losses = [row.validation_loss for row in record.history]
    assert len(losses) == losses.index(min(losses)) + 1 + recipe.early_stopping < recipe.epochs
    kept = predict(trained_network(record, RunFolder(tmp_path / "whole")), data.validation, CPU)
    truth = torch.from_numpy(data.validation.labels)
    assert float(torch.nn.functional.cross_entropy(kept, truth)) == pytest.approx(min(losses), rel=1e-5)
    with pytest.raises(Killed):
        run(recipe, data, tmp_path / "killed", progress=KillAfter(losses.index(min(losses)) + 2))
    resumed = run(recipe, data, tmp_path / "killed", resume=True)
    assert [row.validation_loss for row in resumed.history] == losses
    again = run(recipe, data, tmp_path / "killed", resume=True)
    assert again.history == resumed.history


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_learning_rate_ends_as_its_schedule_says(data: Data, tmp_path: Path, schedule: str) -> None:
    recipe = Recipe.model_validate({"arch": "mlp-128", "epochs": 3, "batch_size": 32, "bf16": False, "schedule": schedule})
    rates = [row.learning_rate for row in run(recipe, data, tmp_path).history]
    assert rates[-1] / recipe.learning_rate == pytest.approx(1 if schedule == "constant" else 0, abs=0.01)


def test_curves_are_written_for_tensorboard(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    recipe = quick_recipe.model_copy(update={"arch": "mlp-128", "epochs": 2})
    with shown(Console(quiet=True), RunFolder(tmp_path), recipe.epochs) as progress:
        record = run(recipe, data, tmp_path, progress=progress)
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    points = [point.value for point in curves.Scalars("validation/loss")]
    assert points == pytest.approx([row.validation_loss for row in record.history])
