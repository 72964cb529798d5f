from __future__ import annotations

import base64
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from app.api.schemas import ExplainAnswer
from app.digits.image import decode
from app.digits.occlusion import Occlusion
from app.digits.preprocessing import mnist_frame
from tests import pictures
from tests.client import Api, assert_problem, multipart
from tests.conftest import MakeApi
from tests.fakes import LABELS, FakeSession

FRAME = mnist_frame(decode(pictures.png()))
OCCLUSION = Occlusion.of(FRAME.image)
PROBABILITIES = FakeSession().run(OCCLUSION.images).probabilities


def explain(api: Api, *files: bytes, **params: str) -> httpx.Response:
    return api.post("/v1/explain", files=multipart(*files), params=params)


def _answer(response: httpx.Response) -> ExplainAnswer:
    assert response.status_code == 200, response.text
    return ExplainAnswer.model_validate_json(response.content, extra="forbid")


@pytest.mark.parametrize("label", [None, "3"])
def test_explain_answers_the_drops_of_the_label(api: Api, label: str | None) -> None:
    answer = _answer(explain(api, pictures.png(), **({} if label is None else {"label": label})))
    position = int(PROBABILITIES[0].argmax()) if label is None else LABELS.index(label)
    assert answer.label == LABELS[position]
    assert answer.probability == pytest.approx(float(PROBABILITIES[0, position]), abs=1e-4)
    np.testing.assert_allclose(answer.drops, OCCLUSION.drops(PROBABILITIES, position), atol=1e-4)
    assert answer.box == FRAME.box
    assert answer.model.model_dump() == api.services.registry.get().identity


def test_explain_prediction_is_that_of_predict(api: Api) -> None:
    (predicted,) = api.predict(pictures.png()).json()["predictions"]
    explained = explain(api, pictures.png()).json()["prediction"]
    assert explained == {key: predicted[key] for key in explained}


def test_explain_overlay_is_a_picture(api: Api) -> None:
    kind, _, data = _answer(explain(api, pictures.png())).overlay.partition(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (280, 280)


def test_explain_takes_a_raw_body_and_another_model(api: Api) -> None:
    headers = {"content-type": "image/png"}
    response = api.post("/v1/explain", content=pictures.png(), headers=headers, params={"model": "other"})
    assert _answer(response).model.name == "other"


@pytest.mark.parametrize(
    ("files", "params", "status", "slug"),
    [
        ([pictures.png(), pictures.png()], {}, 413, "too-many-files"),
        ([b"text"], {}, 415, "unsupported-format"),
        ([pictures.png()], {"label": "A"}, 422, "invalid-parameter"),
        ([pictures.png()], {"model": "absent"}, 404, "unknown-model"),
    ],
)
def test_explain_of_what_cannot_be_is_its_problem(
    api: Api, files: list[bytes], params: dict[str, str], status: int, slug: str
) -> None:
    assert_problem(explain(api, *files, **params), status, slug)


def test_explain_counts_each_covered_copy_against_the_queue_and_gives_it_back(make_api: MakeApi) -> None:
    room = len(OCCLUSION.images)
    assert explain(make_api(max_queued_images=room), pictures.png()).status_code == 200
    api = make_api(max_queued_images=room - 1)
    assert_problem(explain(api, pictures.png()), 503, "overloaded")
    assert api.services.images.taken == 0
    assert api.predict(pictures.png()).status_code == 200
