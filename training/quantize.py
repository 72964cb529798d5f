"""Eight-bit integers in place of floats: a smaller, faster graph, and whether it is worth it.

Static quantisation (Jacob et al. 2018; ONNX Runtime's QDQ form) fixes each activation's range on training pictures. Weights
keep seven bits: with eight, x86 processors without VNNI saturate and would answer otherwise than those with it.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

from app.digits.session import INPUT, OrtSession
from training.data import Split
from training.errors import TrainingError
from training.tail import tail_of

METHODS: Final = ("static", "dynamic")
CALIBRATION_PICTURES: Final = 1000
BATCH: Final = 100
# What it may cost: 0.05 points of accuracy on validation.
ACCURACY_LOSS: Final = 0.0005
TIMED_BATCHES: Final = (1, 32)
ROUNDS: Final = 60


@dataclass(frozen=True)
class Comparison:
    """A quantised graph beside the one that it was made from, on one thread, in one run.

    Attributes:
        accuracy: of both on validation, the original's first; 0–1.
        milliseconds: CPU time a picture of both, by batch size.
    """

    accuracy: tuple[float, float]
    milliseconds: dict[int, tuple[float, float]]

    @property
    def is_worth_it(self) -> bool:
        """Faster at every batch size, and as right within ``ACCURACY_LOSS``."""
        faster = all(after < before for before, after in self.milliseconds.values())
        return faster and self.accuracy[0] - self.accuracy[1] <= ACCURACY_LOSS


def quantize(model_file: Path, target: Path, pictures: NDArray[np.uint8], *, method: str = "static") -> None:
    """Write a graph of eight-bit integers.

    Args:
        model_file: the ONNX graph of floats.
        target: the file to write.
        pictures: uint8 (N, 28, 28) of training, to find the ranges on; a static method's only.
        method: ``static`` for convolutions, ``dynamic`` (ranges found in each run) for transformers.

    Raises:
        TrainingError: there is no such method.
    """
    if method not in METHODS:
        raise TrainingError(f"There is no method named {method!r}; there are: {', '.join(METHODS)}.")
    graph = onnx.load(model_file)
    del graph.graph.value_info[:]  # shapes from before the exporter's last rewriting, which the quantiser would trip over
    with tempfile.TemporaryDirectory() as folder, _quiet():
        plain = Path(folder) / "plain.onnx"
        onnx.save(graph, plain)
        if method == "dynamic":
            quantize_dynamic(plain, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
            return
        quantize_static(
            plain,
            target,
            _Pictures(pictures[:CALIBRATION_PICTURES]),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            # Eight bits tell 0.996 from 1 and nothing between.
            nodes_to_exclude=[node.name for node in tail_of(graph.graph)],
        )


def compare(before: Path, after: Path, validation: Split) -> Comparison:
    """Measure two graphs on the same pictures, taking turns."""
    sessions = [OrtSession(file, provider="cpu", intra_op_threads=1) for file in (before, after)]
    first, second = (_accuracy(session, validation) for session in sessions)
    return Comparison((first, second), {size: _times(sessions, validation.images[:size, None]) for size in TIMED_BATCHES})


class _Pictures:
    """ONNX Runtime's ``CalibrationDataReader``."""

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        self._batches = iter(np.array_split(pictures[:, None], max(1, len(pictures) // BATCH)))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _accuracy(session: OrtSession, split: Split) -> float:
    batches = np.array_split(split.images[:, None], max(1, len(split) // BATCH))
    answers = np.concatenate([session.run(batch).logits.argmax(axis=1) for batch in batches])
    return float((answers == split.labels).mean())


def _times(sessions: list[OrtSession], images: NDArray[np.uint8]) -> tuple[float, float]:
    """Median milliseconds of CPU a picture of two sessions."""
    seconds = np.array([[_seconds(session, images) for session in sessions] for _ in range(ROUNDS)])
    before, after = np.median(seconds, axis=0) / len(images) * 1000
    return float(before), float(after)


def _seconds(session: OrtSession, images: NDArray[np.uint8]) -> float:
    started = time.process_time()
    session.run(images)
    return time.process_time() - started


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice to prepare the graph: ours comes prepared, as ``training.export`` writes it."""
    root = logging.getLogger()
    before, root.level = root.level, logging.ERROR
    try:
        yield
    finally:
        root.setLevel(before)
