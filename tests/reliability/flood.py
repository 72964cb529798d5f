"""Far more requests than the model can answer, whatever becomes of those before."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Final

import numpy as np

from tests.reliability.load import PICTURES, Load, memory_mb, p99_ms, read_answer, request_of
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
    load = Load(server.url)
    await load.send(capacity * USUAL_SHARE, 1)  # warms up
    before = await load.send(capacity * USUAL_SHARE, seconds)
    memory, already = memory_mb(server), len(server.log)
    probing = asyncio.create_task(probe(server.url, seconds))
    during = await load.send(capacity * times, seconds)
    health = await probing
    refused_ms = _refused_ms(server.log[already:])
    await load.send(capacity * USUAL_SHARE, RECOVERY_S)
    after = await load.send(capacity * USUAL_SHARE, seconds)
    load.close()
    in_time = {
        f"503 within {np.percentile(refused_ms, 99):.0f} ms at the server": bool(np.percentile(refused_ms, 99) < 100),
        f"/livez within {max(health):.0f} ms": max(health) < 1000,
        "p99 of the accepted ≤ 4 ×": p99_ms(during) <= 4 * p99_ms(before),
        "back to normal after 2 s": p99_ms(after) <= 2 * p99_ms(before),
    }
    after_mb = memory_mb(server)
    kept = {"memory is flat": after_mb < memory * 1.1, "/livez always answers": max(health) < float("inf")}
    return Row.of(name, [before, during, after], server.log, (memory, after_mb), kept, in_time)


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


async def probe(url: str, seconds: float, path: str = "/livez") -> list[float]:
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


def _refused_ms(log: str) -> list[float]:
    """How long the server took for each 503, by its log."""
    lines = (json.loads(line) for line in log.splitlines() if '"status":503' in line)
    return [line["ms"] for line in lines] or [0.0]
