"""One load of one server: a cell of a table."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from app.digits.preprocessing import mnist_frame
from benchmarks import load, wrk
from benchmarks.contender import ContenderError, Job, Running
from training.strokes import as_png, draw_digit

LABELS: Final = "0123456789"
WARM_UP_S: Final = 1.0
SETTLE_S: Final = 0.2  # what a load left behind unanswered would take places from the next one
# Others may stop this machine or these processes for a while: a load that took this many times its time is done again.
STOPPED: Final = 1.3
ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One load of one server.

    Attributes:
        load: what the clients saw.
        cpu_ms: of all the server's processes, user and system, for each picture.
        pictures_per_s: answered.
    """

    load: wrk.Load
    cpu_ms: float
    pictures_per_s: float


def pictures() -> list[bytes]:
    """A PNG file of about 280 bytes for each digit: 28×28, drawn by our own code and framed as MNIST's are."""
    return [as_png(mnist_frame(draw_digit(label)).image[0]) for label in LABELS]


def loaded(server: Running, job: Job, clients: int, seconds: float) -> Cell:
    """Load a server by ``wrk``, or by httpx where that is not installed; raises ContenderError where it answers nothing."""
    _load(server.url, job, clients, WARM_UP_S)
    for _ in range(ATTEMPTS):
        time.sleep(SETTLE_S)
        before = server.cpu_s()
        seen = _load(server.url, job, clients, seconds)
        cpu_s = server.cpu_s() - before
        done = seen.requests - seen.errors
        if done > 0 and seen.requests / seen.per_s < STOPPED * seconds:
            pictures_done = done * job.pictures
            return Cell(seen, 1000 * cpu_s / pictures_done, pictures_done * seen.per_s / seen.requests)
    raise ContenderError(f"It answered too few requests of {clients} clients, {ATTEMPTS} times.")


def _load(url: str, job: Job, clients: int, seconds: float) -> wrk.Load:
    if wrk.installed():
        return wrk.load(url, job, clients=clients, seconds=seconds)
    body = load.Body(job.body, dict(job.headers))
    report = asyncio.run(load.measure(url + job.path, [body], clients=clients, seconds=seconds))
    p50, p99, p999 = (report.percentile_ms(percent) for percent in (50, 99, 99.9))
    return wrk.Load(report.requests, report.requests / report.elapsed_s, p50, p99, p999, report.errors.total())
