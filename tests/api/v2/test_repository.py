from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.api.v2.requests import told
from tests.client import Api
from tests.conftest import MakeApi
from tests.fakes import change_one_byte, make_model_folder

KEY = "the administrator's"
ADMIN = {"authorization": f"Bearer {KEY}"}
HASH = hashlib.sha256(KEY.encode()).hexdigest()


@pytest.fixture
def managed(make_api: MakeApi) -> Api:
    return make_api(admin_keys=(HASH,))


def _load(api: Api, name: str = "cnn", verb: str = "load", **options: Any) -> Any:
    return api.post(f"/v2/repository/models/{name}/{verb}", **({"headers": ADMIN} | options))


def _states(api: Api, **options: Any) -> dict[str, str]:
    return {model["name"]: model["state"] for model in api.post("/v2/repository/index", **options).json()}


def test_repository_lists_what_is_loaded_and_what_is_not(managed: Api, models_dir: Path) -> None:
    make_model_folder(models_dir, "late")
    assert _states(managed) == {"cnn": "READY", "late": "UNAVAILABLE"}
    assert _states(managed, json={"ready": True}) == {"cnn": "READY"}


def test_repository_loads_and_unloads(managed: Api, models_dir: Path) -> None:
    make_model_folder(models_dir, "late")
    assert _load(managed, "late").json() == {"name": "late", "ready": True}
    assert managed.get("/v2/models/late/ready").json() == {"name": "late", "ready": True}
    assert _load(managed, "late", "unload").json() == {"name": "late", "ready": False}
    assert managed.get("/v2/models/late/ready").status_code == 404
    assert _load(managed, "late", "unload").status_code == 404


def test_repository_refuses_an_altered_model_and_the_old_one_serves_on(managed: Api, models_dir: Path) -> None:
    change_one_byte(models_dir / "cnn/model.onnx")
    response = _load(managed)
    assert response.status_code == 422
    assert "was altered" in told(response)
    assert managed.get("/v2/models/cnn/ready").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"authorization": f"Basic {KEY}"}])
@pytest.mark.parametrize("verb", ["load", "unload"])
def test_repository_without_the_key_is_forbidden(managed: Api, headers: dict[str, str], verb: str) -> None:
    assert _load(managed, verb=verb, headers=headers).status_code == 403
    assert managed.get("/v2/models/cnn/ready").status_code == 200


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_repository_without_configured_keys_is_forbidden_to_all(make_api: MakeApi, verb: str) -> None:
    response = _load(make_api(), verb=verb)
    assert response.status_code == 403
    assert "DIGITS_ADMIN_KEYS" in told(response)


@pytest.mark.parametrize(
    ("name", "options", "status"),
    [
        ("resnet", {}, 404),
        ("%2e%2e", {}, 404),
        ("UPPER", {}, 404),
        ("cnn", {"json": {"parameters": {"config": "{}"}}}, 400),
        ("cnn", {"content": b"{"}, 400),
    ],
)
def test_repository_bad_load_gets_its_status(managed: Api, name: str, options: dict[str, Any], status: int) -> None:
    response = _load(managed, name, **options)
    assert (response.status_code, bool(told(response))) == (status, True)
