from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.api.schemas import PictureAnswer, PictureProblem, PredictAnswer, Problem
from app.digits.image import decode
from app.digits.preprocessing import mnist_frame
from app.serving.framing import INLINE_PIXELS
from app.settings import PROJECT
from tests import pictures
from tests.client import Api, assert_problem, multipart
from tests.conftest import MakeApi
from tests.fakes import LABELS, FakeSession, probabilities_of
from training.strokes import as_png, draw_digit

SAMPLES = [(PROJECT / f"samples/{label}.png").read_bytes() for label in LABELS]
TEXT = b"My notes, of Tuesday."


def _answer(response: httpx.Response) -> PredictAnswer:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return PredictAnswer.model_validate_json(response.content, extra="forbid")


def _pictures(response: httpx.Response) -> list[PictureAnswer]:
    predictions = _answer(response).predictions
    assert all(isinstance(prediction, PictureAnswer) for prediction in predictions), response.text
    return [prediction for prediction in predictions if isinstance(prediction, PictureAnswer)]


def _assert_reads(prediction: PictureAnswer, data: bytes) -> None:
    probabilities = probabilities_of(decode(data))
    assert prediction.label == LABELS[probabilities.argmax()]
    assert prediction.probability == pytest.approx(float(probabilities.max()), abs=2e-6)


@pytest.mark.parametrize("name", pictures.FILES)
def test_predict_every_format_reads_its_picture(api: Api, name: str) -> None:
    data = pictures.FILES[name]
    (prediction,) = _pictures(api.predict(data))
    _assert_reads(prediction, data)


@pytest.mark.parametrize(
    "options",
    [
        {"files": {"files": ("7.png", pictures.png())}},
        {"files": {"file": ("7.png", pictures.png())}},
        {"files": {"file": ("7.png", pictures.png()), "note": (None, b"ignored")}},
        {"content": pictures.png(), "headers": {"content-type": "image/png"}},
        {"content": pictures.png(), "headers": {"content-type": "image/jpeg"}},  # the content counts
        {"content": pictures.csv(decode(pictures.png(size=28))), "headers": {"content-type": "text/csv"}},
        {"content": pictures.csv(decode(pictures.png(size=28))), "headers": {"content-type": "text/csv; charset=utf-8"}},
        {"files": {"files": ("7.csv", pictures.csv(decode(pictures.png(size=28))))}},
    ],
)
def test_predict_every_way_to_send_reads_the_picture(api: Api, options: dict[str, Any]) -> None:
    sent = str(options)
    (prediction,) = _pictures(api.post("/v1/predict", **options))
    _assert_reads(prediction, pictures.png(size=28) if "csv" in sent else pictures.png())


def test_predict_answer_carries_model_request_id_and_timings(api: Api) -> None:
    response = api.predict(pictures.png())
    answer = _answer(response)
    assert answer.model.model_dump() == api.services.registry.get().identity
    assert answer.request_id == response.headers["x-request-id"]
    timings = answer.timings_ms
    assert timings.total >= timings.decode + timings.preprocess + timings.inference > 0


def test_predict_lone_picture_has_the_documented_form(api: Api) -> None:
    prediction = api.post("/v1/predict", files={"files": ("seven.png", pictures.png())}).json()["predictions"][0]
    assert list(prediction) == ["index", "filename", "status", "label", "probability", "abstained", "reason", "top_k"]
    assert (prediction["index"], prediction["filename"], prediction["status"]) == (0, "seven.png", "ok")
    assert (prediction["abstained"], prediction["reason"]) == (False, None)
    assert prediction["top_k"][0] == {"label": prediction["label"], "probability": prediction["probability"]}


@pytest.mark.parametrize("url", ["/v1/predict", "/v1/top-k"])
def test_predict_preview_shows_what_the_model_saw(api: Api, url: str) -> None:
    files = [SAMPLES[3], TEXT, as_png(mnist_frame(decode(SAMPLES[4])).image[0])]
    first, refused, native = _answer(api.post(url, files=multipart(*files), params={"preview": True})).predictions
    assert isinstance(refused, PictureProblem)
    for prediction, data in ((first, files[0]), (native, files[2])):
        assert isinstance(prediction, PictureAnswer)
        assert prediction.preview is not None
        frame = mnist_frame(decode(data))
        kind, _, content = prediction.preview.image.partition(",")
        assert kind == "data:image/png;base64"
        np.testing.assert_array_equal(decode(base64.b64decode(content)), frame.image[0])
        assert prediction.preview.box == frame.box
        assert prediction.preview.steps == [*frame.steps]
    assert isinstance(native, PictureAnswer)
    assert native.preview is not None
    assert native.preview.steps == ["native"]


@pytest.mark.parametrize(("file_format", "options"), [("PNG", {}), ("JPEG", {"quality": 90})])
def test_predict_preview_box_of_a_large_picture_is_in_its_own_pixels(
    api: Api, file_format: str, options: dict[str, Any]
) -> None:
    digit, page = draw_digit("4", size=800, ink=0), Image.new("L", (4000, 3000), 255)
    page.paste(Image.fromarray(digit), (2600, 400))
    (prediction,) = _pictures(api.predict(pictures.encoded(page, file_format, **options), preview=True))
    assert prediction.preview is not None
    rows, columns = np.nonzero(digit < 128)
    expected = (2600 + columns.min(), 400 + rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    np.testing.assert_allclose(prediction.preview.box, expected, atol=2 * 4000 / 255)


@pytest.mark.parametrize("name", ["sieben ü 七.png", 'a "quoted".png', "../../etc/passwd", "<b>.png", "x" * 500])
def test_predict_filename_is_echoed_as_sent(api: Api, name: str) -> None:
    (prediction,) = _pictures(api.post("/v1/predict", files={"files": (name, pictures.png())}))
    assert prediction.filename == name.replace('"', "%22")  # as browsers and httpx write a quote


def test_predict_raw_body_has_no_filename(api: Api) -> None:
    (prediction,) = _pictures(api.post("/v1/predict", content=pictures.png(), headers={"content-type": "image/png"}))
    assert prediction.filename is None


@pytest.mark.parametrize(("url", "default"), [("/v1/predict", 3), ("/v1/top-k", 5)])
def test_top_k_default_and_asked_for(api: Api, url: str, default: int) -> None:
    for asked, expected in ((None, default), (1, 1), (10, 10)):
        params = {} if asked is None else {"top_k": asked}
        (prediction,) = _pictures(api.post(url, files=multipart(pictures.png()), params=params))
        probabilities = [ranked.probability for ranked in prediction.top_k]
        assert len(probabilities) == expected
        assert probabilities == sorted(probabilities, reverse=True)


def test_top_k_of_all_labels_sums_to_one(api: Api) -> None:
    for prediction in _pictures(api.predict(*SAMPLES, top_k=10)):
        assert {ranked.label for ranked in prediction.top_k} == set(LABELS)
        assert sum(ranked.probability for ranked in prediction.top_k) == pytest.approx(1, abs=1e-5)


def test_predict_batch_equals_singles_in_order(api: Api) -> None:
    batch = _pictures(api.predict(*SAMPLES))
    assert [prediction.index for prediction in batch] == list(range(len(SAMPLES)))
    for prediction, data in zip(batch, SAMPLES, strict=True):
        _assert_reads(prediction, data)


def test_predict_64_files_are_answered(api: Api) -> None:
    assert len(_pictures(api.predict(*[pictures.png()] * 64))) == 64


def test_predict_batch_bad_pictures_get_problems_of_their_own(api: Api) -> None:
    files = [SAMPLES[3], TEXT, SAMPLES[5], b"", as_png(pictures.WHITE), SAMPLES[8]]
    predictions = _answer(api.predict(*files)).predictions
    assert [prediction.index for prediction in predictions] == list(range(len(files)))
    told = [prediction.problem.type if isinstance(prediction, PictureProblem) else "ok" for prediction in predictions]
    blank, empty, unsupported = (f"/problems/{slug}" for slug in ("blank", "empty-file", "unsupported-format"))
    assert told == ["ok", unsupported, "ok", empty, blank, "ok"]
    for place in (0, 2, 5):
        good = predictions[place]
        assert isinstance(good, PictureAnswer)
        _assert_reads(good, files[place])


def test_predict_batch_all_bad_is_still_answered(api: Api) -> None:
    predictions = _answer(api.predict(TEXT, b"", TEXT)).predictions
    assert [p.problem.status for p in predictions if isinstance(p, PictureProblem)] == [415, 400, 415]


def test_predict_lone_bad_picture_answers_as_in_a_batch(api: Api) -> None:
    alone = assert_problem(api.predict(TEXT), 415, "unsupported-format")
    in_batch = _answer(api.predict(TEXT, TEXT)).predictions[1]
    assert isinstance(in_batch, PictureProblem)
    assert in_batch.problem == Problem(**(alone.model_dump() | {"request_id": None}))


def test_predict_named_model_answers(api: Api) -> None:
    assert _answer(api.predict(pictures.png(), model="other")).model.name == "other"


def test_predict_large_picture_is_read_like_a_small_one(api: Api) -> None:
    drawing = draw_digit("4", size=700)
    assert drawing.size > INLINE_PIXELS
    data = as_png(drawing)
    (prediction,) = _pictures(api.predict(data))
    _assert_reads(prediction, data)


def test_predict_large_broken_picture_is_its_problem(api: Api) -> None:
    data = as_png(draw_digit("4", size=700))
    assert_problem(api.predict(data[: len(data) // 2]), 422, "broken-picture")


def test_predict_many_at_once_each_gets_its_own_answer(make_api: MakeApi, session: FakeSession) -> None:
    api = make_api(max_batch_images=8)
    files = [pictures.png(label, thickness=thickness) for label in LABELS for thickness in (0.07, 0.1, 0.13)]

    async def all_at_once() -> list[httpx.Response]:
        session.gate.clear()
        requests = [asyncio.create_task(api.http.post("/v1/predict", files=multipart(data))) for data in files]
        await asyncio.to_thread(api.wait_until, lambda: api.services.images.taken == len(files))
        session.gate.set()
        return await asyncio.gather(*requests)

    before = len(session.sizes)
    for data, response in zip(files, api.run(all_at_once()), strict=True):
        (prediction,) = _pictures(response)
        _assert_reads(prediction, data)
    assert sum(session.sizes[before:]) == len(files)
    assert len(session.sizes) - before < len(files)  # what queued meanwhile was merged
    assert api.services.images.taken == 0


def test_predict_probabilities_do_not_depend_on_company(api: Api) -> None:
    alone = _pictures(api.predict(SAMPLES[2], top_k=10))[0]
    together = _pictures(api.predict(*SAMPLES, top_k=10))[2]
    np.testing.assert_allclose(
        [ranked.probability for ranked in together.top_k], [ranked.probability for ranked in alone.top_k], atol=2e-6
    )


def test_predict_server_timing_is_the_answers_timings(api: Api) -> None:
    response = api.predict(SAMPLES[2])
    stages = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert {stage: float(value) for stage, value in stages.items()} == response.json()["timings_ms"]
