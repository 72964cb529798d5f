"""Whatever is sent, the answer is the protocol's error with a fitting status, and nothing large is allocated for it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.v2.wire import MAX_JSON_BYTES
from tests import pictures
from tests.api.v2.requests import FILES, FRAMES, URL, ask_binary, files, images, packed, send, told
from tests.client import Api
from tests.conftest import MakeApi
from training.strokes import as_png

ONE = FRAMES[:1].tolist()
HUGE = 2**63 - 1


def _one(**changes: Any) -> dict[str, Any]:
    return {"inputs": [images((1, 1, 28, 28), data=ONE) | changes]}


def _outputs(*outputs: Any) -> dict[str, Any]:
    return _one() | {"outputs": list(outputs)}


BAD_JSON: dict[str, tuple[int, Any]] = {
    "no object": (400, [1, 2]),
    "no inputs": (400, {"id": "7"}),
    "empty inputs": (400, {"inputs": []}),
    "both inputs": (400, {"inputs": [images(data=ONE), files(data=[])]}),
    "unknown input": (400, _one(name="pixels")),
    "unknown data type": (400, _one(datatype="FP64")),
    "id of a number": (400, _one() | {"id": 7}),
    "negative shape": (400, _one(shape=[-1, 1, 28, 28])),
    "endless shape": (400, _one(shape=[1] * 100)),
    "shape past int64": (400, _one(shape=[2**64, 1, 28, 28])),
    "shape of words": (400, _one(shape=["1", 1, 28, 28])),
    "negative timeout": (400, _one() | {"parameters": {"timeout": -1}}),
    "data and binary data": (400, _one(parameters={"binary_data_size": 0})),
    "binary data that is not there": (400, {"inputs": [images(parameters={"binary_data_size": 784})]}),
    "unknown output": (400, _outputs({"name": "embedding"})),
    "three outputs": (400, _outputs(*[{"name": "logits"}] * 3)),
    "shared memory": (400, _outputs({"name": "logits", "parameters": {"shared_memory_region": "mine"}})),
    "classification of none": (422, _outputs({"name": "logits", "parameters": {"classification": 0}})),
    "classification of eleven": (422, _outputs({"name": "logits", "parameters": {"classification": 11}})),
    "no data": (422, {"inputs": [images()]}),
    "no shape": (422, _one(shape=[])),
    "no images": (422, _one(shape=[0, 1, 28, 28], data=[])),
    "flat frames": (422, _one(shape=[1, 784])),
    "other frames": (422, _one(shape=[1, 1, 32, 32])),
    "fewer than the shape": (422, _one(shape=[2, 1, 28, 28])),
    "nested otherwise": (422, _one(data=[[0] * 28] * 28)),
    "ragged": (422, _one(data=[[[0] * 28] * 27 + [[0] * 27]])),
    "ragged depth": (422, _one(data=[[0] * 783, 0])),
    "256": (422, _one(data=[256] * 784)),
    "fraction as UINT8": (422, _one(data=[0.5] * 784)),
    "bool": (422, _one(data=[True] * 784)),
    "words": (422, _one(data=["0"] * 784)),
    "a long word": (422, _one(data=["0" * 500_000] + [0] * 783)),
    "objects": (422, _one(data=[{}] * 784)),
    "1.5 as FP32": (422, _one(datatype="FP32", data=[1.5] * 784)),
    "NaN": (422, _one(datatype="FP32", data=[float("nan")] * 784)),
    "infinity": (422, _one(datatype="FP32", data=[float("inf")] * 784)),
    "10**400": (422, _one(datatype="FP32", data=[10**400] * 784)),
    "images of BYTES": (422, _one(datatype="BYTES")),
    "files of UINT8": (422, {"inputs": [files(1, data=["a"], datatype="UINT8")]}),
    "files in two dimensions": (422, {"inputs": [files(1, data=["a"], shape=[1, 1])]}),
    "file of a number": (422, {"inputs": [files(1, data=[7])]}),
    "no base64": (422, {"inputs": [files(1, data=["ü!"], parameters={"content_type": "base64"})]}),
    "file that is no picture": (415, {"inputs": [files(1, data=["My notes."])]}),
    "empty file": (400, {"inputs": [files(1, data=[""])]}),
    "65 files": (413, {"inputs": [files(65, data=["a"] * 65)]}),
    "257 images": (413, _one(shape=[257, 1, 28, 28])),
    "a shape of exabytes": (413, _one(shape=[HUGE, 1, 28, 28])),
    "too many lists": (400, _one(data=[[]] * 20_000)),
    "too much JSON": (413, _one() | {"note": "x" * MAX_JSON_BYTES}),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_json_gets_its_status(api: Api, name: str) -> None:
    status, content = BAD_JSON[name]
    response = api.post(URL, content=json.dumps(content))
    assert (response.status_code, bool(told(response))) == (status, True), response.text
    assert (api.services.images.taken, api.services.bodies.taken) == (0, 0)


def test_every_status_is_documented(api: Api) -> None:
    responses = api.get("/openapi.json").json()["paths"]["/v2/models/{name}/infer"]["post"]["responses"]
    assert {str(status) for status, _ in BAD_JSON.values()} | {"404", "408", "503", "504", "500"} <= set(responses)


@pytest.mark.parametrize(
    ("status", "head", "length"),
    [
        (400, b"", None),
        (400, b"\xff", None),
        (400, b"[" * 100_000, None),
        (400, b'{"inputs":' * 50_000, None),
        (400, b"{}", 10**15),
        (400, b"{}", 10**30),
        (422, b"{}", -1),
        (422, b"{}", "many"),
        (422, b"{}", "9" * 5000),
    ],
)
def test_bad_header_and_length_get_their_status(api: Api, status: int, head: bytes, length: object) -> None:
    response = send(api, head, b"", length=length)
    assert (response.status_code, bool(told(response))) == (status, True), response.text


@pytest.mark.parametrize(
    ("status", "tensor", "data", "size"),
    [
        (422, images((1, 1, 28, 28)), bytes(783), None),
        (422, images((1, 1, 28, 28), "FP32"), bytes(784), None),
        (422, images((1, 1, 28, 28), "FP32"), b"\xff" * 3136, None),  # NaN
        (400, images((1, 1, 28, 28)), bytes(784), 785),
        (400, images((1, 1, 28, 28)), bytes(784), HUGE),
        (400, images((1, 1, 28, 28)), bytes(784), -784),
        (413, images((HUGE, 1, 28, 28)), bytes(784), None),
        (422, files(2), packed(FILES[0]), None),
        (422, files(1), packed(*FILES[:2]), None),
        (422, files(1), b"\xff\xff\xff\xff" + FILES[0], None),
        (422, files(1), b"\x00\x00", None),
        (413, files(HUGE), packed(FILES[0]), None),
        (413, files(1), packed(pictures.bomb()), None),
        (422, files(1), packed(as_png(pictures.WHITE)), None),
    ],
)
def test_bad_binary_data_gets_its_status(api: Api, status: int, tensor: dict[str, Any], data: bytes, size: int | None) -> None:
    response = ask_binary(api, tensor, data, size=size)
    assert (response.status_code, bool(told(response))) == (status, True), response.text


def test_bad_picture_is_named_by_its_index_and_fails_the_request(api: Api) -> None:
    response = ask_binary(api, files(3), packed(FILES[0], FILES[1], FILES[2][:100]))
    assert response.status_code == 422
    assert told(response).startswith("Picture 2 of 'encoded_images': ")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/resnet", 404),
        ("GET", "/v2/models/resnet/ready", 404),
        ("GET", "/v2/models/cnn/versions/9", 404),
        ("POST", "/v2/models/resnet/infer", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", URL, 405),
    ],
)
def test_unknown_things_are_told_in_the_protocols_form(api: Api, method: str, path: str, status: int) -> None:
    response = api.request(method, path)
    assert (response.status_code, bool(told(response))) == (status, True)


def test_path_that_only_begins_like_the_protocols_is_none_of_it(api: Api) -> None:
    assert api.get("/v2x").headers["content-type"] == "application/problem+json"


def test_body_over_the_limit_is_refused(make_api: MakeApi) -> None:
    api = make_api(max_body_bytes=1000)
    response = ask_binary(api, images((1, 1, 28, 28), "FP32"), bytes(3136))
    assert (response.status_code, bool(told(response))) == (413, True)


def test_hostile_sizes_allocate_nothing(api: Api) -> None:
    hostile = [(images((HUGE, 1, 28, 28)), bytes(784), None), (images((1, 1, 28, 28)), bytes(784), HUGE),
               (files(HUGE), packed(b"x"), None), (files(64), b"\xff\xff\xff\x7f" + bytes(60), None)]  # fmt: skip
    tracemalloc.start()
    try:
        for tensor, data, size in hostile:
            assert 400 <= ask_binary(api, tensor, data, size=size).status_code < 500
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = ("name", "shape", "datatype", "parameters", "data")


@given(field=st.sampled_from(_FIELDS), value=_JSON)
def test_fuzzed_field_is_a_client_error(api: Api, field: str, value: Any) -> None:
    response = ask_json(api, _one(**{field: value}))
    if field == "parameters" and isinstance(value, dict):
        return  # unknown parameters are ignored
    assert 400 <= response.status_code < 500, response.text
    assert told(response)


@given(key=st.sampled_from(("id", "parameters", "outputs", "inputs")), value=_JSON)
def test_fuzzed_request_never_fails_the_server(api: Api, key: str, value: Any) -> None:
    response = ask_json(api, _one() | {key: value})
    assert response.status_code in (200, 400, 422), response.text


@given(head=st.binary(max_size=60), data=st.binary(max_size=60), length=st.none() | st.integers(-1, 200))
def test_fuzzed_bytes_are_a_client_error(api: Api, head: bytes, data: bytes, length: int | None) -> None:
    response = send(api, head, data, length=length)
    assert 400 <= response.status_code < 500
    assert told(response)


@given(data=st.binary(max_size=40), count=st.integers(0, 3))
def test_fuzzed_elements_are_a_client_error(api: Api, data: bytes, count: int) -> None:
    response = ask_binary(api, files(count), data)
    assert 400 <= response.status_code < 500
    assert told(response)


def ask_json(api: Api, content: Any) -> Any:
    return api.post(URL, content=json.dumps(content))
