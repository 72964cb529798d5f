from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.api.schemas import ReadAnswer
from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.preprocessing import fit
from app.digits.reader import Reader
from app.main import create_app
from app.settings import PROJECT, Settings
from tests import pictures
from tests.client import Api, assert_problem, multipart
from tests.conftest import MakeApi
from tests.digits.written import written
from tests.fakes import FakeSession, make_model_folder
from training.strokes import as_png

NUMBER = as_png(written("90210"))
BLANK = as_png(pictures.WHITE)


@pytest.fixture(scope="module")
def real() -> Iterator[Api]:
    """The app with the shipped model: a fake one tells no digit from half of one."""
    with Api(create_app(Settings(models_dir=PROJECT / "models", models=("cnn",), provider="cpu"))) as running:
        yield running


def _read(api: Api, data: bytes, **params: str | int) -> httpx.Response:
    return api.post("/v1/read", files={"file": ("page.png", data)}, params=params)


def _answer(response: httpx.Response) -> ReadAnswer:
    assert response.status_code == 200, response.text
    return ReadAnswer.model_validate_json(response.content, extra="forbid")


def test_read_number_answers_its_text_lines_digits_and_boxes(real: Api) -> None:
    answer = _answer(_read(real, NUMBER))
    assert answer.text == "90210"
    assert [line.text for line in answer.lines] == ["90210"]
    assert answer.lines[0].digits == answer.digits
    assert answer.probability == pytest.approx(prod(digit.probability for digit in answer.digits), abs=1e-5)
    assert all(digit.top_k[0].label == digit.label and len(digit.top_k) == 3 for digit in answer.digits)
    for (x, y, width, height), ink in zip([digit.box for digit in answer.digits], range(5), strict=True):
        assert 21 + 64 * ink <= x <= x + width <= 21 + 64 * (ink + 1)
        assert 21 <= y <= y + height <= 21 + 64


def test_read_answers_what_the_reader_says(real: Api, shipped: DigitClassifier) -> None:
    picture = written(["35", "274"], gap=-0.3)
    answer, reading = _answer(_read(real, as_png(picture))), Reader(shipped).read(picture)
    assert answer.text == reading.text
    assert [digit.box for digit in answer.digits] == [digit.box for digit in reading.digits]
    np.testing.assert_allclose(
        [digit.probability for digit in answer.digits], [digit.prediction.probability for digit in reading.digits], atol=2e-6
    )


def test_read_raw_body_and_other_field_are_read_too(real: Api) -> None:
    raw = real.post("/v1/read", content=NUMBER, headers={"content-type": "image/png"})
    other = real.post("/v1/read", files={"files": NUMBER})
    assert _answer(raw).text == _answer(other).text == "90210"


def test_read_carries_model_request_id_and_timings(real: Api) -> None:
    response = _read(real, NUMBER, top_k=1)
    answer = _answer(response)
    assert answer.model.model_dump() == real.services.registry.get().identity
    assert answer.request_id == response.headers["x-request-id"]
    assert answer.timings_ms.total >= answer.timings_ms.preprocess > 0
    assert "preprocess;dur=" in response.headers["server-timing"]
    assert all(len(digit.top_k) == 1 for digit in answer.digits)


def test_read_gives_its_places_back_and_counts_each_digit(real: Api) -> None:
    before = real.metric("digits_predictions_total", model="cnn", label="9")
    _answer(_read(real, as_png(written("999"))))
    assert real.metric("digits_predictions_total", model="cnn", label="9") == before + 3
    assert real.services.images.taken == 0


def test_read_blank_page_is_its_problem_and_counted(real: Api) -> None:
    assert_problem(_read(real, BLANK), 422, "blank")
    assert real.metric("digits_refused_pictures_total", problem="blank") == 1


def test_read_broken_picture_is_its_problem(real: Api) -> None:
    assert_problem(_read(real, NUMBER[: len(NUMBER) // 2]), 422, "broken-picture")


@pytest.mark.parametrize(
    ("params", "status", "slug"), [({"model": "absent"}, 404, "unknown-model"), ({"top_k": 11}, 422, "invalid-parameter")]
)
def test_read_bad_parameter_is_a_problem(real: Api, params: dict[str, str | int], status: int, slug: str) -> None:
    assert_problem(_read(real, NUMBER, **params), status, slug)


def test_read_two_pictures_are_refused(real: Api) -> None:
    assert_problem(real.post("/v1/read", files=multipart(NUMBER, NUMBER)), 413, "too-many-files")


def test_read_more_digits_than_the_limit_is_a_problem_and_takes_no_place(make_api: MakeApi) -> None:
    api = make_api(max_digits=4)
    assert "5" in assert_problem(_read(api, NUMBER), 413, "too-many-digits").detail
    assert api.services.images.taken == 0


def test_read_each_digit_takes_a_place(make_api: MakeApi) -> None:
    assert_problem(_read(make_api(max_queued_images=4), NUMBER), 503, "overloaded")


def test_read_past_its_deadline_is_a_problem(make_api: MakeApi) -> None:
    response = make_api().post("/v1/read", files={"file": NUMBER}, headers={"x-request-timeout-ms": "1"})
    assert_problem(response, 504, "deadline-exceeded")


def test_read_by_a_model_of_whole_pictures_is_a_problem(make_api: MakeApi, models_dir: Path) -> None:
    probabilities = FakeSession().run(fit(decode(pictures.png())).image[None]).probabilities[0].tolist()
    golden = {"file": "golden/7.png", "probabilities": probabilities, "tolerance": 0.001}
    make_model_folder(models_dir, "whole", preprocessing={"name": "fit", "version": "1"}, golden=[golden])
    api = make_api()
    api.wait_until(lambda: len(api.services.registry.served) == 2)
    assert_problem(_read(api, NUMBER, model="whole"), 422, "no-reader")
