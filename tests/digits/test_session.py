from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from app.digits.classifier import DigitClassifier
from app.digits.errors import ModelBroken, ProviderUnavailable
from app.digits.session import CPU, CUDA, OrtSession
from app.settings import PROJECT

MODEL_FILE = PROJECT / "models/cnn/model.onnx"


def test_ort_session_shipped_graph_answers_probabilities(shipped: DigitClassifier) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28)).astype(np.uint8)
    output = shipped.session.run(images)
    assert output.logits.shape == output.probabilities.shape == (5, 10)
    assert output.logits.dtype == output.probabilities.dtype == np.float32
    np.testing.assert_allclose(output.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(output.probabilities.argmax(axis=1), output.logits.argmax(axis=1))


def test_ort_session_batch_equals_singles(shipped: DigitClassifier) -> None:
    images = np.random.default_rng(1).integers(0, 256, (7, 1, 28, 28)).astype(np.uint8)
    singles = np.concatenate([shipped.session.run(image[None]).probabilities for image in images])
    np.testing.assert_allclose(shipped.session.run(images).probabilities, singles, atol=1e-5)


def test_ort_session_tells_provider_and_threads(shipped: DigitClassifier) -> None:
    assert shipped.session.provider == CPU
    assert shipped.session.intra_op_threads == 1


def test_ort_session_wrong_input_is_model_broken(shipped: DigitClassifier) -> None:
    with pytest.raises(ModelBroken, match="graph failed") as caught:
        shipped.session.run(np.zeros((1, 3, 28, 28), np.uint8))
    assert "\n" not in str(caught.value)


def test_ort_session_no_graph_is_model_broken(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(ModelBroken, match="cannot load"):
        OrtSession(path, provider="cpu")


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_ort_session_cuda_where_there_is_none_is_refused() -> None:
    with pytest.raises(ProviderUnavailable, match="onnxruntime-gpu"):
        OrtSession(MODEL_FILE, provider="cuda")
