"""The end of a graph, which makes probabilities of logits: it can be put on anew without torch and without the run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from app.digits.manifest import Margins
from app.digits.session import OUTPUTS

LOGITS, PROBABILITIES = OUTPUTS
NAME: Final = "calibration"


def tail_of(graph: onnx.GraphProto) -> list[NodeProto]:
    """The nodes that come after the logits."""
    after, tail = {LOGITS}, []
    for node in graph.node:  # a node stands after all that it needs
        if after.intersection(node.input):
            after.update(node.output)
            tail.append(node)
    return tail


def write_tail(model_file: Path, temperature: float, margins: Margins | None) -> None:
    """Replace what makes probabilities in a graph's file; the logits stay.

    Args:
        model_file: the ONNX file.
        temperature: what logits are divided by where there are no ``margins``.
        margins: see ``Margins``.
    """
    model = onnx.load(model_file)
    graph = model.graph
    for node in tail_of(graph):
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for constant in [constant for constant in graph.initializer if constant.name not in used]:
        graph.initializer.remove(constant)
    del graph.value_info[:]  # they name what is gone
    for name, value in _constants(temperature, margins).items():
        graph.initializer.append(numpy_helper.from_array(value, f"{NAME}.{name}"))
    graph.node.extend(_divided() if margins is None else _by_margins())
    onnx.save(model, model_file)


def _constants(temperature: float, margins: Margins | None) -> dict[str, NDArray[np.generic]]:
    if margins is None:
        return {"temperature": np.array(temperature, np.float32)}
    unit, power = np.array(margins.unit, np.float32), np.array(margins.power, np.float32)
    return {"axis": np.array([1], np.int64), "unit": unit, "power": power}


def _divided() -> list[NodeProto]:
    return [_node("Div", LOGITS, "temperature"), _softmax("Div")]


def _by_margins() -> list[NodeProto]:
    return [
        _node("ReduceMax", LOGITS, "axis"),
        _node("Sub", "ReduceMax", LOGITS),
        _node("Div", "Sub", "unit"),
        _node("Pow", "Div", "power"),
        _node("Neg", "Pow"),
        _softmax("Neg"),
    ]


def _node(kind: str, *inputs: str) -> NodeProto:
    """A node that is named like its kind, as is what it gives."""
    names = [name if name == LOGITS else f"{NAME}.{name}" for name in inputs]
    return helper.make_node(kind, names, [f"{NAME}.{kind}"], name=f"{NAME}.{kind}")


def _softmax(of: str) -> NodeProto:
    return helper.make_node("Softmax", [f"{NAME}.{of}"], [PROBABILITIES], name=f"{NAME}.Softmax", axis=1)
