from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import numpy as np
import pytest

from app.api.v2.protocol import InferAnswer
from app.digits.image import decode
from app.digits.session import Floats
from tests import pictures
from tests.api.v2.requests import FILES, FRAMES, URL, ask, ask_binary, files, images, packed, told
from tests.client import Api
from tests.conftest import MakeApi
from tests.fakes import LABELS, FakeSession

EXPECTED = FakeSession().run(FRAMES)
SHARES = (FRAMES / 255).astype(np.float32)
CSV = pictures.csv(decode(FILES[3])[::2, ::2])


def _answer(response: httpx.Response) -> InferAnswer:
    assert response.status_code == 200, response.text
    return InferAnswer.model_validate_json(response.content, extra="forbid")


def _probabilities(response: httpx.Response) -> Floats:
    (values,) = [output for output in _answer(response).outputs if output.name == "probabilities"]
    return np.array(values.data, np.float32).reshape(values.shape)


@pytest.mark.parametrize("data", [FRAMES.tolist(), FRAMES.ravel().tolist()], ids=["nested", "flat"])
def test_infer_json_answers_all_outputs(api: Api, data: list[Any]) -> None:
    answer = _answer(ask(api, images(data=data)))
    assert [(output.name, output.datatype, output.shape) for output in answer.outputs] == [
        ("logits", "FP32", [10, 10]),
        ("probabilities", "FP32", [10, 10]),
    ]
    for output, values in zip(answer.outputs, (EXPECTED.logits, EXPECTED.probabilities), strict=True):
        np.testing.assert_allclose(np.array(output.data, np.float32), values.ravel(), rtol=1e-5)
    identity = api.services.registry.get().identity
    assert (answer.model_name, answer.model_version, answer.id) == ("cnn", "1", None)
    assert answer.parameters == {"sha256": identity["sha256"], "provider": "FakeProvider"}


@pytest.mark.parametrize(
    ("tensor", "data"),
    [
        (images(), FRAMES.tobytes()),
        (images(datatype="FP32"), SHARES.tobytes()),
        (files(), packed(*FILES)),
    ],
    ids=["UINT8", "FP32", "BYTES"],
)
def test_infer_binary_answers_the_same(api: Api, tensor: dict[str, Any], data: bytes) -> None:
    np.testing.assert_allclose(_probabilities(ask_binary(api, tensor, data)), EXPECTED.probabilities, rtol=1e-5)


def test_infer_fp32_json_answers_the_same(api: Api) -> None:
    some = _probabilities(ask(api, images((3, 1, 28, 28), "FP32", data=SHARES[:3].tolist())))
    np.testing.assert_allclose(some, EXPECTED.probabilities[:3], rtol=1e-5)


def test_infer_json_files_are_base64_or_text(api: Api) -> None:
    in_base64 = [base64.b64encode(data).decode() for data in FILES]
    answer = ask(api, files(data=in_base64, parameters={"content_type": "base64"}))
    np.testing.assert_allclose(_probabilities(answer), EXPECTED.probabilities, rtol=1e-5)
    as_text, as_csv = ask(api, files(1, data=[CSV.decode()])), ask_binary(api, files(1), packed(CSV))
    assert _answer(as_text) == _answer(as_csv)


def test_infer_full_queue_of_nested_json_frames_is_taken(api: Api) -> None:
    frames = np.resize(FRAMES, (256, 1, 28, 28))
    response = ask(api, images(frames.shape, data=frames.tolist()))
    np.testing.assert_allclose(_probabilities(response), np.resize(EXPECTED.probabilities, (256, 10)), rtol=1e-5)


def test_infer_more_images_than_a_batch_keep_their_order(make_api: MakeApi) -> None:
    api = make_api(max_batch_images=4)
    np.testing.assert_allclose(_probabilities(ask(api, images(data=FRAMES.tolist()))), EXPECTED.probabilities, rtol=1e-5)


@pytest.mark.parametrize("asked", [{"outputs": [{"name": "probabilities"}]}, {"outputs": [{"name": "logits"}], "id": "a\n7"}])
def test_infer_answers_what_was_asked_for_and_echoes_the_id(api: Api, asked: dict[str, Any]) -> None:
    answer = _answer(ask(api, images(data=FRAMES.tolist()), **asked))
    assert [{"name": output.name} for output in answer.outputs] == asked["outputs"]
    assert answer.id == asked.get("id")


def test_infer_binary_outputs_follow_the_json_in_order(api: Api) -> None:
    outputs = [{"name": "probabilities"}, {"name": "logits", "parameters": {"binary_data": False}}]
    response = ask(api, images(data=FRAMES.tolist()), outputs=outputs, parameters={"binary_data_output": True})
    length = int(response.headers["inference-header-content-length"])
    answer = InferAnswer.model_validate_json(response.content[:length])
    assert [output.parameters for output in answer.outputs] == [{"binary_data_size": 400}, None]
    np.testing.assert_allclose(np.frombuffer(response.content[length:], "<f4"), EXPECTED.probabilities.ravel(), rtol=1e-5)


def test_infer_classification_ranks_labels_as_triton_writes_them(api: Api) -> None:
    outputs = [{"name": "logits", "parameters": {"classification": 2}}]
    (tensor,) = _answer(ask(api, images(data=FRAMES.tolist()), outputs=outputs)).outputs
    assert (tensor.datatype, tensor.shape) == ("BYTES", [10, 2])
    order = np.argsort(-EXPECTED.logits, axis=1)[:, :2]
    said = [str(text).split(":") for text in tensor.data or []]
    assert [int(index) for _, index, _ in said] == order.ravel().tolist()
    assert [label for _, _, label in said] == [LABELS[index] for index in order.ravel()]
    values = [float(value) for value, _, _ in said]
    np.testing.assert_allclose(values, np.take_along_axis(EXPECTED.logits, order, axis=1).ravel(), atol=1e-5)


def test_infer_counts_what_it_answered(make_api: MakeApi) -> None:
    api = make_api()
    label = LABELS[int(EXPECTED.probabilities[0].argmax())]
    ask(api, images((1, 1, 28, 28), data=FRAMES[:1].tolist()))
    assert api.metric("digits_predictions_total", model="cnn", label=label) == 1
    assert api.metric("digits_requests_total", route="/v2/models/{name}/infer", method="POST", status="200") == 1
    assert api.metric("digits_stage_seconds_count", stage="inference") == 1


def test_infer_other_version_is_unknown(api: Api) -> None:
    content = {"inputs": [images(data=FRAMES.tolist())]}
    assert api.post("/v2/models/other/versions/1/infer", json=content).json()["model_name"] == "other"
    response = api.post("/v2/models/cnn/versions/2/infer", json=content)
    assert (response.status_code, told(response)) == (404, "Model 'cnn' is loaded in version 1, not '2'.")


def test_infer_timeout_lowers_the_deadline_and_never_raises_it(make_api: MakeApi, session: FakeSession) -> None:
    tensor = images((1, 1, 28, 28), data=FRAMES[:1].tolist())
    for limit_ms, parameters in ((5000, {"timeout": 30_000}), (30, {"timeout": 5_000_000}), (30, {"timeout": 0}), (30, {})):
        api = make_api(request_timeout_ms=limit_ms)
        session.gate.clear()
        response = ask(api, tensor, parameters=parameters)
        session.gate.set()
        assert (response.status_code, told(response)) == (504, "The answer was not ready in time.")


def test_infer_a_full_service_refuses_and_says_when_to_come_back(make_api: MakeApi, session: FakeSession) -> None:
    api = make_api(max_queued_images=10)
    content = {"inputs": [images(data=FRAMES.tolist())]}

    async def while_one_waits() -> httpx.Response:
        session.gate.clear()
        waiting = asyncio.create_task(api.http.post(URL, json=content))
        await asyncio.to_thread(api.wait_until, lambda: api.services.images.taken == 10)
        refused = await api.http.post(URL, json=content)
        session.gate.set()
        assert (await waiting).status_code == 200
        return refused

    refused = api.run(while_one_waits())
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert told(refused)
    assert api.services.images.taken == 0


def test_infer_broken_model_tells_nothing_of_the_inside(make_api: MakeApi, session: FakeSession) -> None:
    api = make_api()
    session.fault = RuntimeError("a secret of the inside")
    response = ask(api, images(data=FRAMES.tolist()))
    assert response.status_code == 500
    assert "secret" not in told(response)
