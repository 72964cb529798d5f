import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.errors import TrainingError
from training.parallel import Team
from training.recipe import Recipe
from training.runs import RunFolder, RunRecord
from training.strokes import as_png
from training.trainer import Data, Trainer


@pytest.fixture
def folder(data: Data, tmp_path: Path) -> Path:
    for place, (image, label) in enumerate(zip(data.train.images, data.train.labels.tolist(), strict=True)):
        path = tmp_path / "digits" / str(label)
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{place}.png").write_bytes(as_png(image))
    return tmp_path / "digits"


def trained(folder: Path, run: Path, *launcher: str) -> RunRecord:
    flags = ["--arch", "mlp-128", "--epochs", "12", "--batch-size", "32", "--device", "cpu", "--data", str(folder)]
    command = [sys.executable, *launcher, "-m", "training", "train", *flags, "--save-dir", str(run)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Trained: ") == 1  # one process reports and writes
    return RunFolder(run).load_record()


def test_two_processes_learn_as_well_as_one(folder: Path, tmp_path: Path) -> None:
    alone = trained(folder, tmp_path / "alone")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    together = trained(folder, tmp_path / "together", *torchrun)
    assert (alone.processes, together.processes) == (1, 2)
    assert len(together.history) == len(alone.history) == 12
    accuracy = [record.history[-1].validation_accuracy for record in (alone, together)]
    assert min(accuracy) > 0.8
    assert abs(accuracy[0] - accuracy[1]) <= 0.1  # five of 50 pictures


def test_batch_that_cannot_be_shared_evenly_is_refused(data: Data) -> None:
    with pytest.raises(TrainingError, match="--batch-size 32 cannot be shared evenly by 3"):
        Trainer(Recipe(batch_size=32), data, seed=0, device=torch.device("cpu"), team=Team(0, 3))
