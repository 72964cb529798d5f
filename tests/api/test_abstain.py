"""A model with thresholds, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.api.schemas import PredictAnswer
from tests import pictures
from tests.client import Api
from tests.conftest import MakeApi
from tests.digits.test_abstention import beside
from tests.fakes import LABELS, REFERENCE, make_model_folder
from training.strokes import as_png


def rule(probability: float, two_labels: float) -> dict[str, Any]:
    thresholds = {"probability": probability, "two_labels": two_labels}
    return {"abstention": {"method": "probability", "thresholds": thresholds, "validation": 0.01}}


@pytest.fixture
def doubting(make_api: MakeApi, tmp_path: Path) -> Api:
    """Serves ``cnn``, which declines everything."""
    models_dir = tmp_path / "doubting"
    make_model_folder(models_dir, "cnn", reference=REFERENCE, **rule(1, 1))
    make_model_folder(models_dir, "torn", **rule(1, 0))
    api = make_api(models_dir=models_dir)
    api.wait_until(lambda: len(api.services.registry.served) == 2)
    return api


@pytest.mark.parametrize("route", ["predict", "top-k"])
@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        ("cnn", pictures.png(), "not_a_digit"),
        ("torn", pictures.png(), "ambiguous"),
        ("torn", as_png(beside("1", "7")), "several_digits"),
    ],
)
def test_predict_of_a_doubting_model_says_why_and_ranks_all_the_same(
    doubting: Api, route: str, model: str, data: bytes, reason: str
) -> None:
    response = doubting.post(f"/v1/{route}", files={"files": data}, params={"model": model})
    (prediction,) = PredictAnswer.model_validate_json(response.content, extra="forbid").predictions
    assert prediction.status == "ok"
    assert (prediction.label, prediction.abstained, prediction.reason) == (None, True, reason)
    assert prediction.top_k[0].label in LABELS
    assert prediction.top_k[0].probability == prediction.probability


def test_metrics_count_abstentions_by_reason_and_drift_sees_them(doubting: Api) -> None:
    for _ in range(4):
        doubting.predict(*[pictures.png()] * 50)
    doubting.predict(as_png(beside("1", "7")))
    assert doubting.metric("digits_abstentions_total", model="cnn", reason="not_a_digit") == 200
    assert doubting.metric("digits_abstentions_total", model="cnn", reason="several_digits") == 1
    assert doubting.metric("digits_drift_psi", model="cnn", feature="abstained") > 0.25


def test_openapi_names_the_reasons_and_where_to_send_several_digits(doubting: Api) -> None:
    reason = doubting.get("/openapi.json").json()["components"]["schemas"]["PictureAnswer"]["properties"]["reason"]
    assert reason["anyOf"][0]["enum"] == ["not_a_digit", "ambiguous", "several_digits"]
    assert "/v1/read" in reason["description"]
