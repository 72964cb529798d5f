"""Far more requests than the model can answer, whatever becomes of those before."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from tests.reliability.load import PICTURES, Load, Outcome, memory_mb, p99_ms, read_answer, request_of
from tests.reliability.rows import Row
from tests.reliability.service import service
from tests.server import Server

CAPACITY: Final = 200.0
TIMES: Final = 10.0
SLOWED: Final = ("tests.reliability.slowed",)
USUAL_SHARE: Final = 0.7
RECOVERY_S: Final = 2.0
PROBE_EVERY_S: Final = 0.05
CLIENTS: Final = 16


async def flood(folder: Path, *, seconds: float, capacity: float = CAPACITY, times: float = TIMES) -> Row:
    """``times`` as many pictures a second as the slowed session can run, between two times of a usual load."""
    fault = folder / "fault"
    fault.write_text(f"slow {1000 / capacity}")
    options = {"module": SLOWED, "test_fault": str(fault), "max_queued_images": _queue(capacity)}
    with service(folder / "flood.log", **options) as server:
        return await _flooded(server, f"flood, {times:g} × what the slowed model can do", seconds, capacity, times)


async def crowd(folder: Path, *, seconds: float, times: float = 2.0) -> Row:
    """``times`` as many as the service can answer with the real model; the pictures are drawings, which are framed first."""
    with service(folder / "capacity.log") as server:
        capacity = await _capacity(server.url, max(1.0, seconds / 10))
    with service(folder / "crowd.log", max_queued_images=_queue(capacity)) as server:
        return await _flooded(
            server, f"flood, {times:g} × the {capacity:.0f} a second of the real model", seconds, capacity, times
        )


async def _flooded(server: Server, name: str, seconds: float, capacity: float, times: float) -> Row:
    load, memory = Load(server.url), functools.partial(memory_mb, server)
    phases = await Phases.of(load, memory, health_path="/livez", seconds=seconds, capacity=capacity, times=times)
    refused = _p99_at_the_server_ms(server.log, phases.during, 503)
    usual, flooded = (_p99_at_the_server_ms(server.log, phase, 200) for phase in (phases.before, phases.during))
    in_time = {
        f"503 within {refused:.0f} ms at the server": refused < 100,
        # What the clients see has their own waiting for a processor in it.
        f"p99 of the accepted at the server {usual:.0f} → {flooded:.0f} ms": flooded <= 4 * usual,
    }
    return phases.row(name, server.log, in_time)


@dataclass(frozen=True, slots=True)
class Phases:
    """What came of a flood between two times of a usual load.

    Attributes:
        before, during, after: of the requests in each.
        memory_mb: before it and after all.
        health_path: that was asked during it.
        health_ms: how long each answer there took.
    """

    before: list[Outcome]
    during: list[Outcome]
    after: list[Outcome]
    memory_mb: tuple[float, float]
    health_path: str
    health_ms: list[float]

    @classmethod
    async def of(
        cls, load: Load, memory: Callable[[], float], *, health_path: str, seconds: float, capacity: float, times: float
    ) -> Self:
        """Send ``times`` the capacity for so many seconds, and a share of it as long before and after."""
        usual = capacity * USUAL_SHARE
        await load.send(usual, 1)  # warms up
        before = await load.send(usual, seconds)
        memory_before = memory()
        probing = asyncio.create_task(_probe(load.url, seconds, health_path))
        during = await load.send(capacity * times, seconds)
        health_ms = await probing
        await load.send(usual, RECOVERY_S)
        after = await load.send(usual, seconds)
        load.close()
        return cls(before, during, after, (memory_before, memory()), health_path, health_ms)

    def row(self, name: str, log: str, in_time: dict[str, bool]) -> Row:
        """Held against what is promised of every flood, and against ``in_time``."""
        in_time = in_time | {
            f"{self.health_path} within {max(self.health_ms):.0f} ms": max(self.health_ms) < 1000,
            "p99 of the accepted ≤ 4 ×": p99_ms(self.during) <= 4 * p99_ms(self.before),
            "back to normal after 2 s": p99_ms(self.after) <= 2 * p99_ms(self.before),
        }
        kept = {
            "memory is flat": self.memory_mb[1] < self.memory_mb[0] * 1.1,
            f"{self.health_path} always answers": max(self.health_ms) < float("inf"),
        }
        return Row.of(name, [self.before, self.during, self.after], log, self.memory_mb, kept, in_time)


def _queue(capacity: float) -> str:
    """As long as 80 ms of work: what a queue holds is what those in it wait."""
    return str(max(4, round(capacity * 0.08)))


async def _capacity(url: str, seconds: float) -> float:
    """Answers a second to clients that each ask again as soon as they are answered."""
    host, _, port = url.removeprefix("http://").partition(":")
    request, until = request_of(PICTURES[7]), time.monotonic() + seconds

    async def client() -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        answers = 0
        while time.monotonic() < until:
            writer.write(request)
            await read_answer(reader)
            answers += 1
        writer.close()
        return answers

    return sum(await asyncio.gather(*(client() for _ in range(CLIENTS)))) / seconds


async def _probe(url: str, seconds: float, path: str) -> list[float]:
    """Milliseconds of each answer to a health check; infinite for one that failed."""
    host, _, port = url.removeprefix("http://").partition(":")
    found = []
    until = time.monotonic() + seconds
    while (started := time.monotonic()) < until:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: digits\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        found.append((time.monotonic() - started) * 1000 if b" 200 " in answer[:16] else float("inf"))
        await asyncio.sleep(PROBE_EVERY_S)
    return found


def _p99_at_the_server_ms(log: str, outcomes: Sequence[Outcome], status: int) -> float:
    """Of how long the server took for each of these that got this status, by its log."""
    ids = {outcome.request_id for outcome in outcomes if outcome.status == status}
    lines = (json.loads(line) for line in log.splitlines() if f'"status":{status}' in line)
    return float(np.percentile([line["ms"] for line in lines if line["request_id"] in ids] or [0.0], 99))
