"""No skew: what the model card says is what HTTP answers, to the single picture."""

import os
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.digits.manifest import read
from app.settings import PROJECT
from tests.client import multipart
from tests.server import Server
from training.strokes import as_png

RAW = Path(os.environ.get("DIGITS_DATA_DIR", "data")) / "MNIST" / "raw"
FILES_A_REQUEST = 64


@pytest.mark.mnist
@pytest.mark.skipif(not (RAW / "t10k-images-idx3-ubyte").is_file(), reason="MNIST is not here; set DIGITS_DATA_DIR")
def test_mnist_test_split_over_http_gives_exactly_the_accuracy_of_the_card(tmp_path: Path) -> None:
    pictures = np.fromfile(RAW / "t10k-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.fromfile(RAW / "t10k-labels-idx1-ubyte", np.uint8, offset=8)
    answered: list[str] = []
    with Server(tmp_path / "log") as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        for start in range(0, len(pictures), FILES_A_REQUEST):
            files = multipart(*map(as_png, pictures[start : start + FILES_A_REQUEST]))
            predictions = client.post("/v1/predict", files=files).raise_for_status().json()["predictions"]
            answered += [prediction["top_k"][0]["label"] for prediction in predictions]
    hits = sum(label == str(truth) for label, truth in zip(answered, labels, strict=True))
    expected = read(PROJECT / "models" / "cnn").metrics["test"]
    assert (hits, len(answered)) == (round(expected.accuracy * expected.n), expected.n)
