"""The work that every peer does: a PNG file to its frame, frames to labels, by Pillow and one thread of ONNX Runtime.

Written once, so that the frameworks differ and the work does not. Imported by the peers' own environments: it needs numpy,
onnxruntime and Pillow only, and nothing of the service.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Since 1.29 the Linux wheel starts a telemetry thread unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

MODEL: Final = Path(__file__).parents[2] / "models" / "cnn" / "model.onnx"
LABELS: Final = "0123456789"
TOP_K: Final = 3
MAX_BATCH: Final = 64


def decode(png: bytes) -> NDArray[np.uint8]:
    """A PNG file of a native frame: uint8 (1, 28, 28). No other format is tried."""
    return np.asarray(Image.open(io.BytesIO(png), formats=["PNG"]).convert("L"))[np.newaxis]


class Model:
    """The shipped default model, on the CPU."""

    def __init__(self, path: Path = MODEL) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def probabilities(self, frames: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """N frames, uint8 (1, 28, 28) each: float32 (N, 10)."""
        rows: NDArray[np.float32] = self._session.run(["probabilities"], {"images": np.stack(frames)})[0]
        return rows

    def read(self, frames: list[NDArray[np.uint8]]) -> list[dict[str, Any]]:
        """One answer for each frame, ready for JSON: ``label``, and ``top_k`` with the most probable first."""
        return [answer(row) for row in self.probabilities(frames)]


def ranked(row: NDArray[np.float32]) -> list[tuple[str, float]]:
    """Labels and probabilities of one picture's row (10,), the three most probable first."""
    return [(LABELS[index], float(row[index])) for index in np.argsort(-row)[:TOP_K].tolist()]


def answer(row: NDArray[np.float32]) -> dict[str, Any]:
    """What a peer says of one picture."""
    top_k = [{"label": label, "probability": probability} for label, probability in ranked(row)]
    return {"label": top_k[0]["label"], "top_k": top_k}
