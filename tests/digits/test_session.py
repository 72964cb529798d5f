from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from app.digits.classifier import DigitClassifier
from app.digits.errors import ModelBroken, ProviderUnavailable
from app.digits.session import CPU, CUDA, HARDWARE, OrtSession, ProviderName, check_runs_on
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


def test_ort_session_graph_without_loops_on_the_cpu_is_bounded(shipped: DigitClassifier, tmp_path: Path) -> None:
    assert shipped.session.is_bounded
    looped = tmp_path / "model.onnx"
    looped.write_bytes(_graph_with_a_loop())
    session = OrtSession(looped, provider="cpu")
    assert session.run(np.zeros((3, 1, 28, 28), np.uint8)).logits.shape == (3, 1, 28, 28)
    assert not session.is_bounded


def _graph_with_a_loop() -> bytes:
    """Hands its input on, a thousand times."""
    parser = pytest.importorskip("onnx.parser", reason="onnx is not installed (make install)")
    model = parser.parse_model(
        """<ir_version: 10, opset_import: ["": 20]>
        looped (uint8[N,1,28,28] images) => (float[N,1,28,28] logits, float[N,1,28,28] probabilities)
        <int64 turns = {1000}, bool go = {1}>
        {
            floats = Cast<to = 1>(images)
            logits = Loop<body = turn (int64 i, bool before, float[N,1,28,28] x) => (bool after, float[N,1,28,28] y)
                { after = Identity(before) y = Identity(x) }>(turns, go, floats)
            probabilities = Identity(logits)
        }"""
    )
    return bytes(model.SerializeToString())


def test_ort_session_wrong_input_is_model_broken(shipped: DigitClassifier) -> None:
    with pytest.raises(ModelBroken, match="graph failed") as caught:
        shipped.session.run(np.zeros((1, 3, 28, 28), np.uint8))
    assert "\n" not in str(caught.value)


def test_ort_session_no_graph_is_model_broken(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(ModelBroken, match=r"cannot load model\.onnx") as caught:
        OrtSession(path, provider="cpu")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in HARDWARE if name != "cpu"])
def test_ort_session_hardware_that_is_not_there_is_refused_with_the_remedy(name: ProviderName) -> None:
    hardware = HARDWARE[name]
    if hardware.providers[0] in ort.get_available_providers():
        pytest.skip(f"this ONNX Runtime has {hardware.title}")
    with pytest.raises(ProviderUnavailable, match=f"{hardware.title} was asked for.*{hardware.remedy}"):
        OrtSession(MODEL_FILE, provider=name)


def test_ort_session_auto_takes_what_runs() -> None:
    session = OrtSession(MODEL_FILE)
    assert session.provider in {CPU, CUDA} & set(ort.get_available_providers())


def test_check_runs_on_silent_fallback_is_refused(cpu_session: ort.InferenceSession) -> None:
    check_runs_on(HARDWARE["cpu"], cpu_session)
    with pytest.raises(ProviderUnavailable, match="fell back to CPUExecutionProvider"):
        check_runs_on(HARDWARE["cuda"], cpu_session)


def test_check_runs_on_nodes_left_to_the_cpu_are_refused(cpu_session: ort.InferenceSession) -> None:
    cpu_session._providers = [CUDA, CPU]  # as a GPU's session says that took the graph and none of its nodes
    with pytest.raises(ProviderUnavailable, match=r"runs only 0 of the graph's \d+ nodes"):
        check_runs_on(HARDWARE["cuda"], cpu_session)


@pytest.fixture
def cpu_session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return ort.InferenceSession(str(MODEL_FILE), options, providers=[CPU])
