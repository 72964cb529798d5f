from pathlib import Path

import pytest
import torch

from training.errors import TrainingError
from training.recipe import Recipe
from training.runs import RunFolder
from training.train import train, trained_network
from training.trainer import Data, predict
from training.vote import vote

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runs(data: Data, quick_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    root = tmp_path_factory.mktemp("voters")
    folders = [RunFolder(root / str(seed)) for seed in range(3)]
    for seed, folder in enumerate(folders):
        train(quick_recipe.model_copy(update={"epochs": 1}), data, folder, name="cnn", seed=seed, device=CPU)
    return folders


def probabilities(folder: RunFolder, data: Data) -> torch.Tensor:
    return predict(trained_network(folder.load_record(), folder), data.validation, CPU).softmax(dim=1)


def test_joined_runs_answer_with_their_mean_probability(runs: list[RunFolder], data: Data, tmp_path: Path) -> None:
    joined = RunFolder(tmp_path / "joined")
    record = vote(runs, joined)
    assert (record.name, record.recipe.arch, record.voters) == ("cnn-teacher", "cnn-teacher", (0, 1, 2))
    assert record.parameters == 3 * runs[0].load_record().parameters
    assert record == joined.load_record()
    assert record.history[0].validation_loss == pytest.approx(
        sum(run.load_record().history[0].validation_loss for run in runs) / 3
    )
    expected = torch.stack([probabilities(run, data) for run in runs]).mean(dim=0)
    torch.testing.assert_close(probabilities(joined, data), expected)


def test_runs_that_cannot_vote_together_are_named(
    runs: list[RunFolder], data: Data, quick_recipe: Recipe, tmp_path: Path
) -> None:
    joined = RunFolder(tmp_path / "joined")
    with pytest.raises(TrainingError, match="3 members; these are 2 runs"):
        vote(runs[:2], joined)
    with pytest.raises(TrainingError, match="same seed"):
        vote([runs[0], *runs[:2]], joined)
    other = RunFolder(tmp_path / "other")
    train(Recipe(arch="mlp-128", epochs=1, batch_size=32, bf16=False), data, other, name="mlp-128", seed=3, device=CPU)
    with pytest.raises(TrainingError, match="one of these is of mlp-128"):
        vote([*runs[:2], other], joined)
    half = retold(runs[2], tmp_path / "half", recipe=quick_recipe)
    with pytest.raises(TrainingError, match="The run of seed 2 has 1 of 8 epochs"):
        vote([*runs[:2], half], joined)
    with pytest.raises(TrainingError, match="more than their seed"):
        vote([*runs[:2], retold(runs[2], tmp_path / "retold", data_sha256="0" * 64)], joined)
    with pytest.raises(TrainingError, match="holds a run already"):
        vote(runs, runs[0])
    assert not joined.path.exists()


def retold(run: RunFolder, path: Path, **changes: object) -> RunFolder:
    """The same run with some of its record changed."""
    folder = RunFolder(path)
    folder.save_record(run.load_record().model_copy(update=changes))
    return folder
