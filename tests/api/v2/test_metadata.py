from __future__ import annotations

from pathlib import Path

import pytest

from app import __version__
from app.main import create_app
from app.settings import Settings
from tests.api.v2.requests import told
from tests.client import Api
from tests.fakes import load_fake


def test_server_tells_its_extensions(api: Api) -> None:
    content = api.get("/v2").json()
    assert (content["name"], content["version"]) == ("digits", __version__)
    assert "binary_tensor_data" in content["extensions"]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/other/ready", {"name": "other", "ready": True}),
        ("/v2/models/cnn/versions/1/ready", {"name": "cnn", "ready": True}),
    ],
)
def test_health_of_a_ready_service(api: Api, path: str, content: dict[str, object]) -> None:
    response = api.get(path)
    assert (response.status_code, response.json()) == (200, content)


def test_health_before_the_model_is_loaded_is_not_ready(models_dir: Path) -> None:
    api = Api(create_app(Settings(models_dir=models_dir), load=load_fake))  # not entered: the lifespan has not begun
    response = api.get("/v2/health/ready")
    assert (response.status_code, told(response)) == (503, "The default model 'cnn' is not loaded.")
    assert api.get("/v2/health/live").status_code == 200
    with api:
        assert api.get("/v2/health/ready").status_code == 200


def test_metadata_names_as_many_outputs_as_the_model_has_labels(api: Api) -> None:
    metadata = api.get("/v2/models/cnn").json()
    assert {(output["name"], tuple(output["shape"])) for output in metadata["outputs"]} == {
        ("logits", (-1, 10)),
        ("probabilities", (-1, 10)),
    }
