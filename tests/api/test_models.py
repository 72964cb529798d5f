from __future__ import annotations

from app.api.schemas import ModelInfo, ModelList
from tests.client import Api
from tests.fakes import FakeSession


def test_list_models_default_comes_first(api: Api) -> None:
    listed = ModelList.model_validate_json(api.get("/v1/models").content, extra="forbid")
    assert listed.default == "cnn"
    assert [(model.name, model.default) for model in listed.models] == [("cnn", True), ("other", False)]


def test_one_model_tells_manifest_and_hardware(api: Api) -> None:
    model = ModelInfo.model_validate_json(api.get("/v1/models/other").content, extra="forbid")
    assert model.manifest == api.services.registry.get("other").classifier.manifest
    assert model.sha256 == model.manifest.sha256
    assert (model.provider, model.intra_op_threads) == (FakeSession().provider, FakeSession.intra_op_threads)
