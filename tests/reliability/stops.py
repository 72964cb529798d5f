"""The service is told to end, or ends, under load."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.contender import free_port
from tests.reliability.callers import callers
from tests.reliability.load import Load, Outcome
from tests.reliability.rows import Row
from tests.reliability.service import service

PER_S: Final = 60
NGINX: Final = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 500; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream digits {{ server 127.0.0.1:{one} max_fails=0; server 127.0.0.1:{other} max_fails=0; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://digits; proxy_next_upstream error timeout http_503 non_idempotent; }}
  }}
}}
"""


async def terminations(folder: Path, *, times: int, seconds: float) -> Row:
    """SIGTERM under load: what was accepted is answered, the exit code is 0."""
    outcomes: list[Outcome] = []
    log, codes = "", set()
    for number in range(times):
        with service(folder / f"term-{number}.log", drain_delay_s="0.3") as server:
            load = Load(server.url)
            async with load.beside(PER_S):
                await asyncio.sleep(seconds)
                codes.add(await asyncio.to_thread(server.stop))
            load.close()
            outcomes += load.outcomes
            log += server.log
    return Row.of(f"SIGTERM under load, {times} times", [outcomes], log, kept={"exit code 0": codes == {0}})


# How a worker may end, and what the log then has to say.
ENDS: Final = {
    "kill -9": (signal.SIGKILL, ("for want of memory",)),
    "crash": (signal.SIGABRT, ("SIGABRT", "Fatal Python error: Aborted")),
}


async def killed_workers(folder: Path, *, times: int, seconds: float, ends: Sequence[str] = tuple(ENDS)) -> list[Row]:
    """A worker of two ends at once: a client of ours, which retries, misses nothing, and the worker comes back."""
    return [await _killed(folder, end, times, seconds) for end in ends]


async def _killed(folder: Path, end: str, times: int, seconds: float) -> Row:
    number, told = ENDS[end]
    with service(folder / "kill.log", workers="2") as server:
        await asyncio.to_thread(server.wait_until, lambda: len(server.workers) == 2)
        with callers(server.url) as asking:
            for place in (time % 2 for time in range(times)):
                await asyncio.sleep(seconds)
                killed = server.workers[place]
                os.kill(killed, number)
                await asyncio.to_thread(server.wait_until, lambda: server.workers[place] != killed)  # noqa: B023
            await asyncio.sleep(seconds)
        answers = await asking.answers()
        log = server.log
    kept = {"each came back": True, "the log says why it ended": all(words in log for words in told)}
    name = f"{end} of a worker, {times} times, through DigitsClient"
    return Row(name, len(answers), len(answers), 0, len(answers) - sum(answers), kept=kept)


async def rolling_restart(folder: Path, *, seconds: float) -> Row:
    """Two services behind nginx are restarted one after the other: a client of the proxy sees answers only."""
    *ports, proxy = (free_port() for _ in range(3))
    with ExitStack() as services:
        running = [services.enter_context(service(folder / f"{port}.log", port=str(port))) for port in ports]
        async with _proxy(folder, one=ports[0], other=ports[1], port=proxy):
            load = Load(f"http://127.0.0.1:{proxy}")
            async with load.beside(PER_S):
                for old, port in zip(running, ports, strict=True):
                    await asyncio.sleep(seconds)
                    await asyncio.to_thread(old.stop)
                    new = service(folder / f"{port}-again.log", port=str(port))
                    await asyncio.to_thread(services.enter_context, new)
                await asyncio.sleep(seconds)
            load.close()
    row = Row.of("rolling restart of two behind nginx", [load.outcomes], "")
    return replace(row, lost=row.requests - row.accepted)


@asynccontextmanager
async def _proxy(folder: Path, **ports: int) -> AsyncIterator[None]:
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, **ports))
    with subprocess.Popen(["nginx", "-c", str(config), "-e", str(folder / "nginx.log")]) as process:
        try:
            await asyncio.sleep(1)
            yield
        finally:
            process.send_signal(signal.SIGQUIT)
