"""Rude clients beside callers who must notice nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.reliability.load import Load, memory_mb, p99_ms
from tests.reliability.rows import Row
from tests.reliability.rude import EACH, Rude, nothing_at_all
from tests.reliability.service import service
from tests.server import Server

USUAL_PER_S: Final = 40
LIMITS: Final = {"header_timeout_s": "1", "body_timeout_s": "1", "keep_alive_s": "5", "shutdown_timeout_s": "2"}
# Until the last connection of a rude client has run into its limits.
AFTERMATH_S: Final = 2.2


async def rudeness(folder: Path, *, seconds: float, idle: int, kinds: Sequence[Rude] = tuple(EACH)) -> list[Row]:
    """Each kind of rudeness for a while, and ``idle`` connections that say nothing: a row for each."""
    with service(folder / "rude.log", **LIMITS) as server:
        load = Load(server.url)
        await load.send(USUAL_PER_S, 1)  # warms up
        return [await _beside(server, load, rude, EACH.get(rude, idle), seconds) for rude in (*kinds, nothing_at_all)]


async def _beside(server: Server, load: Load, rude: Rude, clients: int, seconds: float) -> Row:
    before = await load.send(USUAL_PER_S, seconds)
    load.close()
    memory, files = memory_mb(server), _open_files(server)
    process = await _begin(server, rude, clients, seconds)
    during = await load.send(USUAL_PER_S, seconds)
    load.close()
    ended = await process.wait()
    await asyncio.sleep(AFTERMATH_S)
    left, health = _open_files(server) - files, server.get("/health").json()
    after = await load.send(USUAL_PER_S, seconds)
    load.close()
    in_time = {"others notice nothing": p99_ms(during) <= max(2 * p99_ms(before), 30)}
    kept = {
        "room given back": health["queued_images"] == 0,
        "no connection left": left <= 0 and ended == 0,
        "no error in the log": '"level":"error"' not in server.log,
    }
    name = rude.__name__.replace("_", " ") + (f", {clients:,} connections" if rude is nothing_at_all else "")
    return Row.of(name, [before, during, after], server.log, (memory, memory_mb(server)), kept, in_time)


async def _begin(server: Server, rude: Rude, clients: int, seconds: float) -> Process:
    host, _, port = server.url.removeprefix("http://").partition(":")
    arguments = ("-m", "tests.reliability.rude", rude.__name__, host, port, str(clients), str(seconds))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begins\n"
    return process


def _open_files(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))  # noqa: PTH208 - names are all that is wanted
