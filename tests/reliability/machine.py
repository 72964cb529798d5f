"""The machine gives out: no disk, no file descriptors, no home."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from tests.reliability.load import Load, memory_mb
from tests.reliability.rows import Row
from tests.reliability.service import service

PER_S: Final = 40
FILES: Final = 60


async def no_file_descriptors(folder: Path, *, seconds: float) -> Row:
    """Strangers take every descriptor for a while: connections that are open are served, and all come in again after."""
    with service(folder / "files.log", prefix=("prlimit", f"--nofile={FILES}"), header_timeout_s="1") as server:
        load = Load(server.url)
        before = await load.send(PER_S, seconds)
        memory = memory_mb(server)
        host, _, port = server.url.removeprefix("http://").partition(":")
        with ExitStack() as strangers:
            for _ in range(2 * FILES):
                stranger = strangers.enter_context(socket.socket())
                stranger.setblocking(False)
                with suppress(BlockingIOError):
                    stranger.connect((host, int(port)))
            during = await load.send(PER_S, seconds)
        await asyncio.sleep(2.5)
        load.close()
        after = await load.send(PER_S, seconds)
        load.close()
        kept = {
            "a line in the log": "Too many open files" in server.log,
            "all well after": all(outcome.status == 200 for outcome in after),
        }
        return Row.of("no file descriptors left", [before, during, after], server.log, (memory, memory_mb(server)), kept)


async def full_disk(folder: Path, *, seconds: float) -> Row:
    """Log lines cannot be written any more; requests are answered all the same."""
    with service(folder / "disk.log", prefix=("bash", "-c", 'ulimit -f 16; trap "" XFSZ; exec "$@"', "bash")) as server:
        load = Load(server.url)
        outcomes = await load.send(PER_S, seconds)
        outcomes += await load.send(PER_S * 2, seconds)
        load.close()
        kept = {
            "/readyz 200": server.get("/readyz").status_code == 200,
            "no byte more was written": len(server.log.encode()) <= 16 * 1024,
        }
        return Row.of("disk full, log lines cannot be written", [outcomes], "", kept=kept)


async def no_home(folder: Path, *, seconds: float) -> Row:
    """HOME is read-only, and so is the folder for temporary files."""
    with service(folder / "home.log", prefix=("env", "HOME=/proc", "TMPDIR=/proc", "TMP=/proc", "TEMP=/proc")) as server:
        load = Load(server.url)
        outcomes = await load.send(PER_S, seconds)
        load.close()
        kept = {"/readyz 200": server.get("/readyz").status_code == 200, "no error in the log": '"error"' not in server.log}
        return Row.of("read-only home and temporary folder", [outcomes], server.log, kept=kept)
