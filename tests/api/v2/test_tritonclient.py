"""The protocol's reference client against the real server with the shipped model."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.http import aio

from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.manifest import read
from app.settings import PROJECT
from tests.client import multipart
from tests.server import Server

FILES = [(PROJECT / f"samples/{label}.png").read_bytes() for label in "0123456789"]
VERSION = read(PROJECT / "models/cnn").version
ADMIN = {"X-API-Key": "the administrator's"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = hashlib.sha256(ADMIN["X-API-Key"].encode()).hexdigest()
    with Server(tmp_path_factory.mktemp("triton") / "log", models="cnn", admin_keys=keys, provider="cpu") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture
async def aio_client(server: Server, anyio_backend: str) -> AsyncIterator[Any]:
    async with aio.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture(scope="module")
def expected(server: Server) -> Any:
    """Probabilities (10, C) of ``FILES``, as ``/v1/predict`` gives them."""
    answer = httpx.post(f"{server.url}/v1/predict?top_k=10", files=multipart(*FILES), trust_env=False).json()
    rankings = [{ranked["label"]: ranked["probability"] for ranked in picture["top_k"]} for picture in answer["predictions"]]
    return [[ranking[label] for label in "0123456789"] for ranking in rankings]


def _tensor(name: str, datatype: str, values: Any, *, binary: bool = True) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def _files(files: list[bytes] = FILES) -> Any:
    return _tensor("encoded_images", "BYTES", np.array(files, np.object_))


def _inputs(frames: Any) -> dict[str, Any]:
    shares = (frames / 255).astype(np.float32)
    return {
        "binary UINT8": _tensor("images", "UINT8", frames),
        "binary FP32": _tensor("images", "FP32", shares),
        "JSON UINT8": _tensor("images", "UINT8", frames, binary=False),
        "JSON FP32": _tensor("images", "FP32", shares, binary=False),
        "binary BYTES": _files(),
    }


@pytest.fixture(scope="module")
def inputs(shipped: DigitClassifier) -> dict[str, Any]:
    return _inputs(np.stack([shipped.frame(decode(data)).image for data in FILES]))


INPUTS = ("binary UINT8", "binary FP32", "JSON UINT8", "JSON FP32", "binary BYTES")


def test_client_finds_server_and_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cnn")
    assert client.is_model_ready("cnn", VERSION)
    assert not client.is_model_ready("cnn", "999")
    assert not client.is_model_ready("resnet")
    assert {"binary_tensor_data", "classification", "model_repository"} <= set(client.get_server_metadata()["extensions"])


def test_client_reads_metadata(client: Any) -> None:
    metadata = client.get_model_metadata("cnn", VERSION)
    assert metadata["versions"] == [VERSION]
    assert metadata["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [-1, 1, 28, 28], "optional": True},
        {"name": "encoded_images", "datatype": "BYTES", "shape": [-1], "optional": True},
    ]
    assert metadata["outputs"] == [
        {"name": name, "datatype": "FP32", "shape": [-1, 10]} for name in ("logits", "probabilities")
    ]


@pytest.mark.parametrize("sent", INPUTS)
@pytest.mark.parametrize("binary", [True, False], ids=["binary out", "JSON out"])
def test_client_infers_what_predict_answers(
    client: Any, inputs: dict[str, Any], expected: Any, sent: str, binary: bool
) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "logits")]
    result = client.infer("cnn", [inputs[sent]], outputs=outputs, request_id="mine", timeout=1_500_000)
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=2e-6)
    assert result.as_numpy("logits").argmax(axis=1).tolist() == list(range(10))
    assert result.get_response()["id"] == "mine"
    assert result.get_response()["parameters"]["provider"] == "CPUExecutionProvider"


def test_client_gets_all_outputs_if_it_names_none(client: Any, inputs: dict[str, Any], expected: Any) -> None:
    result = client.infer("cnn", [inputs["binary UINT8"]], model_version=VERSION)
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=2e-6)
    assert result.as_numpy("logits").shape == (10, 10)


@pytest.mark.parametrize("binary", [True, False])
def test_client_classifies(client: Any, inputs: dict[str, Any], expected: Any, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=3)]
    classes = client.infer("cnn", [inputs["binary BYTES"]], outputs=outputs).as_numpy("probabilities")
    assert classes.shape == (10, 3)
    for label, (best, _, _) in enumerate(classes):
        value, index, name = (best.decode() if isinstance(best, bytes) else best).split(":")
        assert (index, name) == (str(label), str(label))
        assert float(value) == pytest.approx(expected[label][label], abs=2e-6)


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ([FILES[0], b"My notes.", FILES[1]], "415", "Picture 1 of"),
        ([FILES[0][:200]], "422", "Picture 0 of"),
        ([FILES[0]] * 65, "413", "65 files"),
    ],
)
def test_client_is_told_what_is_wrong(client: Any, files: list[bytes], status: str, said: str) -> None:
    with pytest.raises(triton.InferenceServerException, match=said) as raised:
        client.infer("cnn", [_files(files)])
    assert raised.value.status() == status


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_client_may_not_compress(client: Any, algorithm: str) -> None:
    with pytest.raises(triton.InferenceServerException, match="uncompressed"):
        client.infer("cnn", [_files()], request_compression_algorithm=algorithm)


def test_client_manages_models_with_the_key_only(client: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match="DIGITS_ADMIN_KEYS"):
        client.load_model("cnn")
    client.load_model("cnn", headers=dict(ADMIN))
    with pytest.raises(triton.InferenceServerException, match="no model folder"):
        client.load_model("resnet", headers=dict(ADMIN))
    assert {model["name"]: model["state"] for model in client.get_model_repository_index()}["cnn"] == "READY"
    assert client.infer("cnn", [_files()]).as_numpy("probabilities").shape == (10, 10)


@pytest.mark.anyio
async def test_aio_client_does_the_same(aio_client: Any, inputs: dict[str, Any], expected: Any) -> None:
    assert await aio_client.is_server_ready()
    assert (await aio_client.get_model_metadata("cnn"))["name"] == "cnn"
    assert "cnn" in {model["name"] for model in await aio_client.get_model_repository_index()}
    for tensor in inputs.values():
        result = await aio_client.infer("cnn", [tensor])
        np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=2e-6)
    with pytest.raises(triton.InferenceServerException, match="resnet"):
        await aio_client.infer("resnet", [_files()])
