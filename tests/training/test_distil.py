from pathlib import Path

import numpy as np
import pytest
import torch

from app.digits.session import OrtSession
from tests.fakes import make_model_folder
from training.data import LABELS, Split
from training.distil import Teacher
from training.errors import TrainingError
from training.progress import Silent
from training.recipe import Recipe
from training.trainer import Data, Trainer

SHIPPED = Path(__file__).parents[2] / "models"
CPU = torch.device("cpu")


def test_teacher_answers_a_torch_batch_as_its_file_does(data: Data) -> None:
    images = data.validation.images[:5, None]
    told = Teacher(SHIPPED / "cnn", labels=LABELS, temperature=1.0).probabilities(torch.from_numpy(images).float() / 255)
    logits = OrtSession(SHIPPED / "cnn" / "model.onnx", provider="cpu").run(images).logits
    np.testing.assert_allclose(told.numpy(), torch.from_numpy(logits).softmax(dim=1).numpy(), atol=1e-5)


def test_student_of_a_teacher_alone_learns_its_answers_and_not_the_labels(data: Data) -> None:
    recipe = Recipe(arch="mlp-128", epochs=1, batch_size=32, bf16=False, teacher="cnn", teacher_share=1.0)
    wrong = Data(Split(data.train.images, (data.train.labels + 1) % 10), data.validation)
    rows = [Trainer(recipe, taught, seed=0, device=CPU, models=SHIPPED).run_epoch(0, Silent()) for taught in (data, wrong)]
    assert rows[0].train_loss == rows[1].train_loss
    assert rows[0].validation_loss == rows[1].validation_loss


def test_missing_teacher_and_one_of_other_classes_are_named(data: Data, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no model .*ghost to teach"):
        Trainer(Recipe(teacher="ghost"), data, seed=0, device=CPU, models=tmp_path)
    make_model_folder(tmp_path, "letters", labels=tuple("abcdefghij"))
    with pytest.raises(TrainingError, match="'letters' knows other classes"):
        Trainer(Recipe(teacher="letters"), data, seed=0, device=CPU, models=tmp_path)
