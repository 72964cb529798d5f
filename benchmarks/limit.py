"""What no server can be below: its framework's floor, decoding, and the model's arithmetic, in CPU milliseconds a picture."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from benchmarks.cell import pictures
from benchmarks.peers.work import Model, decode

BATCH: Final = 32
SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Parts:
    """CPU milliseconds a picture.

    Attributes:
        decoding: a PNG of 280 bytes by Pillow, which tries that format only.
        model: in a batch of ``BATCH``, one thread.
    """

    decoding: float
    model: float


def measured(processes: int = 2) -> Parts:
    """Measure in so many processes at once, as the servers run; the mean of them."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [future.result() for future in [pool.submit(_parts) for _ in range(processes)]]
    return Parts(*(sum(values) / processes for values in zip(*[(part.decoding, part.model) for part in found], strict=True)))


def _parts() -> Parts:
    png, model = pictures()[7], Model()
    frames = [decode(png)] * BATCH
    return Parts(_cpu_ms(lambda: decode(png)), _cpu_ms(lambda: model.probabilities(frames)) / BATCH)


def _cpu_ms(work: Callable[[], object]) -> float:
    """Of one call, over ``SECONDS`` of them."""
    work()
    calls, started, until = 0, time.process_time(), time.monotonic() + SECONDS
    while time.monotonic() < until:
        work()
        calls += 1
    return 1000 * (time.process_time() - started) / calls
