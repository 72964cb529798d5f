"""What the model answered → the outputs that were asked for, each as it was asked for."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from app.api.v2.protocol import OUTPUTS, InferRequest, RequestedOutput
from app.api.v2.tensors import classify, to_binary, to_json
from app.api.v2.wire import join
from app.digits.session import Floats, Output
from app.serving.batcher import Answer
from app.serving.registry import ServedModel

ALL_OUTPUTS: Final = tuple(RequestedOutput(name=name) for name in OUTPUTS)


def respond(asked: InferRequest, answer: Answer, model: ServedModel) -> Response:
    """The answer to an inference request; its form is ``protocol.InferAnswer``."""
    identity = model.identity
    content: dict[str, Any] = {"model_name": identity["name"], "model_version": identity["version"]}
    if asked.id is not None:
        content["id"] = asked.id
    content["parameters"] = {"sha256": identity["sha256"], "provider": identity["provider"]}
    content["outputs"] = []
    chunks: list[bytes] = []
    for output in asked.outputs or ALL_OUTPUTS:
        tensor, data = _tensor(output, answer.output, model)
        as_binary = output.parameters.binary_data
        if asked.parameters.binary_data_output if as_binary is None else as_binary:
            chunks.append(to_binary(data))
            tensor["parameters"] = {"binary_data_size": len(chunks[-1])}
        else:
            tensor["data"] = to_json(data)
        content["outputs"].append(tensor)
    return join(content, chunks)


def _tensor(output: RequestedOutput, answer: Output, model: ServedModel) -> tuple[dict[str, Any], Floats | list[str]]:
    """An output, and its data apart from it."""
    values = answer.logits if output.name == "logits" else answer.probabilities
    count = output.parameters.classification
    if count is None:
        return {"name": output.name, "datatype": "FP32", "shape": list(values.shape)}, values
    classes = classify(values, model.classifier.manifest.labels, count)
    return {"name": output.name, "datatype": "BYTES", "shape": [len(values), count]}, classes
