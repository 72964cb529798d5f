"""A user's own classes, by the README's commands: from a folder of pictures to the service's answer."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.digits import manifest as manifests
from app.main import create_app
from app.settings import Settings
from tests.client import Api, multipart
from training.__main__ import app
from training.nondigits import SIGNS
from training.strokes import as_png, draw_strokes

SYMBOLS = ("star", "heart", "arrow")


def picture(symbol: str, random: np.random.Generator) -> bytes:
    strokes = [
        [(x, y) for x, y in (np.asarray(stroke) + random.normal(0, 0.012, (len(stroke), 2))).clip(0.04, 0.96).tolist()]
        for stroke in SIGNS[symbol]
    ]
    size = int(random.integers(40, 120))
    return as_png(draw_strokes(strokes, size=size, thickness=random.uniform(0.06, 0.12), ink=0, paper=255))


def training(*arguments: str | Path) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    for symbol in SYMBOLS:
        (root / "symbols" / symbol).mkdir(parents=True)
        for place in range(40):
            (root / "symbols" / symbol / f"{place}.png").write_bytes(picture(symbol, random))
    run, models = root / "run", root / "models"
    quick = ("--arch", "mlp-128", "--epochs", "15", "--batch-size", "16", "--device", "cpu")
    training("train", *quick, "--data", root / "symbols", "--name", "my-symbols", "--save-dir", run)
    training("calibrate", run)
    training("export", run)
    training("ship", run, "--models", models)
    assert "test" in training("evaluate", models / "my-symbols")
    return models


def test_service_answers_with_the_labels_of_the_folders(models: Path) -> None:
    with Api(create_app(Settings(models_dir=models, default_model="my-symbols"))) as api:
        files = [picture(symbol, np.random.default_rng(7)) for symbol in SYMBOLS]
        answer = api.post("/v1/predict", files=multipart(*files)).json()
    assert [prediction["top_k"][0]["label"] for prediction in answer["predictions"]] == list(SYMBOLS)


def test_card_and_manifest_tell_of_the_folder_and_not_of_digits(models: Path) -> None:
    manifest = manifests.read(models / "my-symbols")
    assert manifest.labels == tuple(sorted(SYMBOLS))
    assert manifest.preprocessing.name == "fit"
    assert manifest.metrics["test"].accuracy > 0.9
    card = (models / "my-symbols" / "MODEL_CARD.md").read_text()
    assert "Tells 3 classes apart in a 28×28 grey picture: arrow, heart, star." in card
    assert "MNIST" not in card
    assert "--data" in card
