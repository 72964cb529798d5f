"""What an answer costs on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from app.digits.classifier import DigitClassifier
from app.digits.preprocessing import Grey
from training.answers import as_files

ROUNDS = 15
BATCH = 32


class Latency(BaseModel):
    """CPU milliseconds of one thread, the least of some rounds: whatever else the machine does only ever adds to them.

    Attributes:
        processor: that was measured on.
        single_ms: one frame through the model.
        batch_ms: one frame of a batch of 32.
        whole_ms: one 28×28 PNG file through decoding, framing and the model.
    """

    processor: str
    single_ms: float
    batch_ms: float
    whole_ms: float


def measure_latency(folder: Path, images: Grey) -> Latency:
    """Run a model on frames uint8 (N, 28, 28), N at least 1."""
    classifier = DigitClassifier.load(folder, provider="cpu", intra_op_threads=1)
    files = list(as_files(images))
    one, many = images[:1, None], np.resize(images, (BATCH, *images.shape[1:]))[:, None]
    return Latency(
        processor=_processor(),
        single_ms=_least_ms(lambda: classifier.infer(one)),
        batch_ms=_least_ms(lambda: classifier.infer(many)) / BATCH,
        whole_ms=_least_ms(lambda: classifier.classify(files[:1])),
    )


def _least_ms(work: Callable[[], object]) -> float:
    work()  # the first run allocates
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1000)
    return min(times)


def _processor() -> str:
    """As Linux names it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
