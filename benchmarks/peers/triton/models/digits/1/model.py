"""Triton's Python backend: PNG files in, labels and probabilities of the three most probable out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from benchmarks.peers.work import Model, decode, ranked


class TritonPythonModel:
    """One instance; Triton starts each in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:  # noqa: ARG002
        self._model = Model()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run the pictures of all requests that queued together as one batch."""
        files = [pb_utils.get_input_tensor_by_name(request, "png").as_numpy().ravel() for request in requests]
        rows = self._model.probabilities([decode(png) for batch in files for png in batch])
        top = [ranked(row) for row in rows]
        starts = np.cumsum([0, *map(len, files)]).tolist()
        return [_response(top[start:end]) for start, end in itertools.pairwise(starts)]


def _response(top: list[list[tuple[str, float]]]) -> Any:
    labels = np.array([[label for label, _ in row] for row in top], dtype=object)
    probabilities = np.array([[probability for _, probability in row] for row in top], dtype=np.float32)
    return pb_utils.InferenceResponse([pb_utils.Tensor("labels", labels), pb_utils.Tensor("probabilities", probabilities)])
