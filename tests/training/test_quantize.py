from pathlib import Path

import pytest

from training.errors import TrainingError
from training.quantize import Comparison, compare, quantize
from training.trainer import Data

SHIPPED = Path(__file__).parents[2] / "models" / "cnn" / "model.onnx"


@pytest.mark.parametrize(("method", "kept"), [("static", 0.98), ("dynamic", 0.98)])
def test_quantised_graph_is_smaller_and_answers_alike(method: str, kept: float, data: Data, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    quantize(SHIPPED, target, data.train.images, method=method)
    assert target.stat().st_size < SHIPPED.stat().st_size / 2
    before, after = compare(SHIPPED, target, data.validation).accuracy
    assert after > kept * before


@pytest.mark.parametrize(
    ("after", "milliseconds", "worth_it"),
    [
        (0.9968, {1: (0.2, 0.1), 32: (0.2, 0.1)}, True),
        (0.9966, {1: (0.2, 0.1), 32: (0.2, 0.1)}, True),
        (0.9964, {1: (0.2, 0.1), 32: (0.2, 0.1)}, False),
        (0.9970, {1: (0.2, 0.1), 32: (0.2, 0.3)}, False),
    ],
)
def test_quantised_graph_is_worth_it_only_if_faster_and_as_right(
    after: float, milliseconds: dict[int, tuple[float, float]], worth_it: bool
) -> None:
    assert Comparison((0.9970, after), milliseconds).is_worth_it is worth_it


def test_unknown_method_is_named(data: Data, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no method named 'magic'"):
        quantize(SHIPPED, tmp_path / "model.onnx", data.train.images, method="magic")
