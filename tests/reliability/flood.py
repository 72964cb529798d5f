"""Far more requests than the model can answer, whatever becomes of those before."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Final

import numpy as np

from tests.reliability.load import Load, memory_mb, p99_ms
from tests.reliability.rows import Row
from tests.reliability.service import service

CAPACITY: Final = 200.0
TIMES: Final = 10.0
SLOWED: Final = ("tests.reliability.slowed",)
USUAL_SHARE: Final = 0.7
RECOVERY_S: Final = 2.0
PROBE_EVERY_S: Final = 0.05


async def flood(folder: Path, *, seconds: float, capacity: float = CAPACITY, times: float = TIMES) -> Row:
    """``times`` as many pictures a second as the slowed session can run, between two times of a usual load.

    The queue is as long as 80 ms of work: what a queue holds is what those in it wait.
    """
    fault = folder / "fault"
    fault.write_text(f"slow {1000 / capacity}")
    queue = str(max(4, round(capacity * 0.08)))
    with service(folder / "flood.log", module=SLOWED, test_fault=str(fault), max_queued_images=queue) as server:
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
        name = f"flood, {times:g} × what the slowed model can do"
        return Row.of(name, [before, during, after], server.log, (memory, after_mb), kept, in_time)


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
