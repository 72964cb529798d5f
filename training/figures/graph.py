"""What can be read from a model's ONNX graph alone: first-layer weights, position embeddings, attention."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from app.digits.manifest import MODEL_FILE
from app.digits.preprocessing import Grey
from app.digits.session import INPUT
from training.figures.style import NotApplicable

PIXELS = 28 * 28
BLANK = np.zeros((1, 28, 28), np.uint8)
Array = NDArray[np.float32]


class Graph:
    """A model's graph, opened for reading."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._model: ModelProto = onnx.load(str(folder / MODEL_FILE))
        self._weights = {tensor.name: tensor for tensor in self._model.graph.initializer}
        self._makers = {output: node for node in self._model.graph.node for output in node.output}

    def filters(self) -> list[Array]:
        """First-layer weights as pictures, float32 (K, h, w): kernels of a convolution, or a dense layer's rows.

        Returns:
            One array for each network of an ensemble.

        Raises:
            NotApplicable: no layer looks at the pixels.
        """
        weights = (self._weight(node) for node in self._model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul"))
        found = [pictures for weight in weights if weight is not None and (pictures := _pictures(weight)) is not None]
        if not found:
            raise NotApplicable(f"{self.name} has no first layer that looks at the pixels directly.")
        return found

    def position_embeddings(self) -> Array:
        """Float32 (T, D) of a transformer, one for each patch, a class token left out.

        Raises:
            NotApplicable: the graph has none.
        """
        for name in self._weights:
            value = self._value(name)
            if value.ndim == 3 and value.shape[0] == 1 and _grid(value.shape[1]):
                return value[0, -(_grid(value.shape[1]) ** 2) :]
        raise NotApplicable(f"{self.name} has no position embeddings: it is no transformer.")

    def attention(self, frame: Grey) -> Array:
        """What the class token attends to, float32 (blocks, heads, side, side), each map summing to at most 1.

        Args:
            frame: what the model sees, uint8 (1, 28, 28).

        Raises:
            NotApplicable: the graph has no attention from a class token.
        """
        maps = [row[0, :, 0, 1:] for row in self._softmaxes(frame) if row.ndim == 4 and row.shape[-1] == row.shape[-2]]
        if not maps or not (side := _grid(maps[0].shape[-1])):
            raise NotApplicable(f"{self.name} has no attention: it is no transformer.")
        return np.stack(maps).reshape(len(maps), -1, side, side)

    def _softmaxes(self, frame: Grey) -> list[Array]:
        return self._tapped([node.output[0] for node in self._model.graph.node if node.op_type == "Softmax"], frame)

    def _tapped(self, names: list[str], frame: Grey) -> list[Array]:
        """Values inside the graph while it looks at a frame."""
        tapped = ModelProto()
        tapped.CopyFrom(self._model)
        known = {output.name for output in tapped.graph.output}
        tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        session = ort.InferenceSession(tapped.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [np.asarray(values) for values in session.run(names, {INPUT: frame[None]})]

    def _weight(self, node: NodeProto) -> Array | None:
        """The node's second input where it is a constant, or one of integers that is dequantised."""
        name = node.input[1]
        if name in self._weights:
            return self._value(name)
        maker = self._makers.get(name)
        if maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in self._weights:
            return self._tapped([name], BLANK)[0]
        return None

    def _value(self, name: str) -> Array:
        return np.asarray(numpy_helper.to_array(self._weights[name]), np.float32)


def _pictures(weight: Array) -> Array | None:
    """A layer's weights as pictures (K, h, w) if the layer looks at the pixels."""
    if weight.ndim == 4 and weight.shape[1] == 1:
        return weight[:, 0]
    if weight.ndim == 2 and PIXELS in weight.shape:
        return (weight if weight.shape[1] == PIXELS else weight.T).reshape(-1, 28, 28)
    return None


def _grid(tokens: int) -> int:
    """Side of the square grid that so many tokens form, one class token aside; 0 if they form none."""
    for patches in (tokens - 1, tokens):
        side = math.isqrt(patches)
        if side > 1 and side * side == patches:
            return side
    return 0
