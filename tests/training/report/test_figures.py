import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from onnx import TensorProto, helper, numpy_helper

from app.digits.manifest import MODEL_FILE
from training.calibrate import wilson_interval
from training.errors import TrainingError
from training.export import write_manifest
from training.figures.catalogue import FIGURES, draw
from training.figures.graph import Graph
from training.figures.style import NotApplicable, as_inline_svg, look, save
from training.report.study import Study

Array = np.ndarray[Any, Any]

FRAME = np.random.default_rng(0).integers(0, 256, (1, 28, 28)).astype(np.uint8)
# Multiply-adds and accuracies that lie as close as those of a zoo and its quantised variants.
CROWD = {
    "mlp-128": (101_632, 0.981),
    "mlp-512-256": (535_040, 0.9875),
    "mlp-512-256-128": (567_808, 0.9877),
    "mlp-1024-512-256-128": (1_493_504, 0.9885),
    "mlp-1024-512-256-128-int8": (1_493_504, 0.9883),
    "cnn-int8": (9_218_304, 0.9977),
    "vit": (8_994_560, 0.9955),
    "vit-int8": (8_994_560, 0.9953),
    "cnn-teacher": (47_600_000, 0.998),
}
TRANSFORMERS_ONLY = {"position-embeddings", "attention"}
# What must cope with labels of any length, or has nothing to show of classes that are no digits.
WITH_LABELS = (
    "samples",
    "class-balance",
    "predictions",
    "single",
    "confusion-matrix",
    "worst-errors",
    "right-and-wrong",
    "confused-pairs",
    "rejection",
)


@pytest.mark.parametrize(
    ("name", "of"), [*((name, "of_digits") for name in FIGURES), *((name, "of_shapes") for name in WITH_LABELS)]
)
def test_figure_is_drawn_within_its_bounds_or_says_why_not(name: str, of: str, request: pytest.FixtureRequest) -> None:
    study: Study = request.getfixturevalue(of)
    if name in TRANSFORMERS_ONLY or (name == "rejection" and of == "of_shapes"):
        with pytest.raises(NotApplicable, match=r"\.$"):
            draw(name, study)
        return
    try:
        made = draw(name, study)
    except NotApplicable:  # few pictures, all of them read right
        assert study.answers("test").right.all()
        return
    with look():
        canvas = FigureCanvasAgg(made)
        canvas.draw()
        bounds = made.get_tightbbox(canvas.get_renderer())
    width, height = made.get_size_inches()
    assert made.get_suptitle()
    assert bounds.x0 > -0.02
    assert bounds.y0 > -0.02
    assert bounds.x1 < width + 0.02
    assert bounds.y1 < height + 0.02


def test_figure_is_the_same_every_time(of_digits: Study) -> None:
    first, second = (as_inline_svg(draw("confusion-matrix", of_digits), "a") for _ in range(2))
    assert first == second


def test_frontier_of_a_crowded_zoo_writes_no_name_over_another(of_digits: Study, tmp_path: Path) -> None:
    folder = shutil.copytree(of_digits.folder, tmp_path / of_digits.folder.name)
    for name, (macs, accuracy) in CROWD.items():
        metrics = of_digits.manifest.metrics["test"].model_copy(
            update={"accuracy": accuracy, "interval": wilson_interval(round(accuracy * 10_000), 10_000)}
        )
        cost = of_digits.manifest.cost.model_copy(update={"macs": macs})
        (tmp_path / name).mkdir()
        changes = {"name": name, "cost": cost, "metrics": {"test": metrics}}
        write_manifest(tmp_path / name, of_digits.manifest.model_copy(update=changes))
    made = draw("frontier", Study(folder, of_digits.bench))
    names = [text.get_window_extent() for text in made.axes[0].texts]
    assert len(names) == len(CROWD) + 1
    assert not [pair for pair in combinations(names, 2) if pair[0].overlaps(pair[1])]


def test_figure_that_nobody_knows_is_refused(of_digits: Study) -> None:
    with pytest.raises(TrainingError, match="no figure named 'nope'; there are: samples"):
        draw("nope", of_digits)


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_figure_is_saved_by_its_suffix(suffix: str, begins: bytes, of_digits: Study, tmp_path: Path) -> None:
    save(draw("filters", of_digits), tmp_path / "new" / f"figure.{suffix}")
    assert (tmp_path / "new" / f"figure.{suffix}").read_bytes().startswith(begins)


def test_figure_of_another_suffix_is_refused(of_digits: Study, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="saved as"):
        save(draw("filters", of_digits), tmp_path / "figure.doc")


def test_graph_of_the_shipped_model_has_its_first_kernels(of_digits: Study) -> None:
    (filters,) = Graph(of_digits.folder).filters()
    assert filters.ndim == 3
    assert filters.std() > 0


def test_graph_of_a_dense_network_has_a_picture_for_each_unit(of_shapes: Study) -> None:
    assert [layer.shape for layer in Graph(of_shapes.folder).filters()] == [(128, 28, 28)]


def test_graph_of_eight_bit_integers_has_its_kernels_too(tmp_path: Path) -> None:
    kernels = np.arange(-8, 10, dtype=np.int8).reshape(2, 1, 3, 3)
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("DequantizeLinear", ["integers", "scale"], ["kernels"]),
        helper.make_node("Conv", ["pixels", "kernels"], ["logits"]),
    ]
    _write_graph(tmp_path, nodes, {"integers": kernels, "scale": np.array(0.5, np.float32)})
    np.testing.assert_array_equal(Graph(tmp_path).filters(), [kernels[:, 0] * 0.5])


def test_graph_of_an_ensemble_has_the_kernels_of_each_member(tmp_path: Path) -> None:
    members = {f"member-{size}": np.full((2, 1, size, size), size, np.float32) for size in (3, 5)}
    nodes = [helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("Conv", ["pixels", name], [f"{name}-maps"]) for name in members]
    nodes += [helper.make_node("GlobalMaxPool", ["member-3-maps"], ["logits"])]
    _write_graph(tmp_path, nodes, members)
    assert [layer.shape for layer in Graph(tmp_path).filters()] == [(2, 3, 3), (2, 5, 5)]


def test_graph_without_any_layer_says_so(tmp_path: Path) -> None:
    _write_graph(tmp_path, [helper.make_node("Cast", ["images"], ["logits"], to=TensorProto.FLOAT)], {})
    graph = Graph(tmp_path)
    for look_inside in (graph.filters, graph.position_embeddings, lambda: graph.attention(FRAME)):
        with pytest.raises(NotApplicable, match=tmp_path.name):
            look_inside()


def test_graph_of_a_transformer_has_positions_and_attention(tmp_path: Path) -> None:
    kernels, positions, token = _write_transformer(tmp_path)
    graph = Graph(tmp_path)
    np.testing.assert_array_equal(graph.filters(), [kernels[:, 0]])
    np.testing.assert_array_equal(graph.position_embeddings(), positions[0, 1:])
    patches = FRAME[0].reshape(2, 14, 2, 14).transpose(0, 2, 1, 3).reshape(4, -1) @ kernels.reshape(3, -1).T
    tokens = np.concatenate([token[0], patches]) + positions[0]
    scores = np.exp(tokens[0] @ tokens.T - (tokens[0] @ tokens.T).max())
    np.testing.assert_allclose(graph.attention(FRAME)[0, 0], (scores / scores.sum())[1:].reshape(2, 2), atol=1e-5)


def _write_transformer(folder: Path) -> tuple[Array, Array, Array]:
    """One block of one head over 2×2 patches of 14×14 pixels, width 3, with a class token; queries and keys are the tokens."""
    random = np.random.default_rng(1)
    weights: dict[str, Array] = {
        "kernels": random.normal(0, 1e-4, (3, 1, 14, 14)).astype(np.float32),
        "positions": random.normal(size=(1, 5, 3)).astype(np.float32),
        "token": random.normal(size=(1, 1, 3)).astype(np.float32),
        "flat": np.array([1, 3, 4], np.int64),
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["pixels", "kernels"], ["embedded"], strides=[14, 14]),
        helper.make_node("Reshape", ["embedded", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["patches"], perm=[0, 2, 1]),
        helper.make_node("Concat", ["token", "patches"], ["joined"], axis=1),
        helper.make_node("Add", ["joined", "positions"], ["tokens"]),
        helper.make_node("Unsqueeze", ["tokens", "axis"], ["heads"]),
        helper.make_node("Transpose", ["heads"], ["keys"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["heads", "keys"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["attention"], axis=-1),
        helper.make_node("MatMul", ["attention", "heads"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    _write_graph(folder, nodes, weights, "probabilities")
    return weights["kernels"], weights["positions"], weights["token"]


def _write_graph(folder: Path, nodes: list[onnx.NodeProto], weights: dict[str, Array], *more_outputs: str) -> None:
    inputs = [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, 1, 28, 28])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("logits", *more_outputs)]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "handmade", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / MODEL_FILE)
