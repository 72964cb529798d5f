from __future__ import annotations

from pathlib import Path

import pytest

from app.api.schemas import ModelInfo, ModelList
from tests.client import Api, assert_problem
from tests.conftest import MakeApi
from tests.fakes import FakeSession


def test_list_models_default_comes_first(api: Api) -> None:
    listed = ModelList.model_validate_json(api.get("/v1/models").content, extra="forbid")
    assert listed.default == "cnn"
    assert [(model.name, model.default) for model in listed.models] == [("cnn", True), ("other", False)]
    whole = api.services.registry.get("other").classifier.manifest
    assert listed.models[1].manifest.metrics == whole.metrics
    assert listed.models[1].sha256 == whole.sha256


def test_one_model_tells_manifest_and_hardware(api: Api) -> None:
    model = ModelInfo.model_validate_json(api.get("/v1/models/other").content, extra="forbid")
    assert model.manifest == api.services.registry.get("other").classifier.manifest
    assert model.sha256 == model.manifest.sha256
    assert (model.provider, model.intra_op_threads) == (FakeSession().provider, FakeSession.intra_op_threads)


def test_card_and_figures_are_served_with_their_types(make_api: MakeApi, models_dir: Path) -> None:
    (models_dir / "cnn/MODEL_CARD.md").write_text("# cnn\n\nÜber alles Maß genau.\n", encoding="utf-8")
    (models_dir / "cnn/figures").mkdir()
    (models_dir / "cnn/figures/confusion-matrix.svg").write_text("<svg/>")
    api = make_api()
    card, figure = api.get("/v1/models/cnn/card"), api.get("/v1/models/cnn/figures/confusion-matrix.svg")
    assert (card.headers["content-type"], card.text.splitlines()[0]) == ("text/markdown; charset=utf-8", "# cnn")
    assert (figure.headers["content-type"], figure.text) == ("image/svg+xml", "<svg/>")
    assert "default-src 'none'" in figure.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/v1/models/cnn/card", "unknown-file"),
        ("/v1/models/cnn/figures/none.svg", "unknown-file"),
        ("/v1/models/cnn/figures/..%2F..%2Fmanifest.json", "not-found"),
        ("/v1/models/cnn/figures/..%5Cmanifest.json", "unknown-file"),
        ("/v1/models/cnn/figures/manifest.json", "unknown-file"),
        ("/v1/models/cnn/figures/%2e%2e", "unknown-file"),
        ("/v1/models/other/card", "unknown-model"),
        ("/v1/models/..%2Fcnn/card", "not-found"),
    ],
)
def test_card_or_figure_that_is_not_there_is_a_problem(make_api: MakeApi, path: str, slug: str) -> None:
    assert_problem(make_api().get(path), 404, slug)
