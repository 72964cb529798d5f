"""The machine gives out: no disk, no file descriptors, no home, no memory, no names, no steady clock."""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image

from tests import pictures
from tests.reliability.load import Load, memory_mb
from tests.reliability.rows import Row
from tests.reliability.service import service
from tests.server import Server

PER_S: Final = 40
FILES: Final = 60
ROOM_MB: Final = 2
LARGE: Final = {"content": pictures.encoded(Image.new("L", (4500, 4500)), "WEBP"), "headers": {"content-type": "image/webp"}}
LARGE_BODY: Final = {"content": bytes(60 * 2**20), "headers": {"content-type": "image/png"}}
# Nothing that could turn a name into an address is left to the processes behind these words.
NAMELESS: Final = (
    *("unshare", "--map-root-user", "--mount", "sh", "-c"),
    'for file in hosts resolv.conf nsswitch.conf; do mount --bind /dev/null /etc/$file; done; exec "$@"',
    "sh",
)
FAKETIME: Final = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
# It looks for a jump once a second.
FAKED: Final = ("FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
JUMPS: Final = ("+2h", "-1d")


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
            "every request is answered": all(outcome.status == 200 for outcome in outcomes),
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


async def no_memory(folder: Path, *, seconds: float) -> Row:
    """The limit of memory is reached: large requests are told so, small ones are answered, and all are once there is more."""
    with service(folder / "memory.log", max_body_bytes=str(64 * 2**20)) as server:
        load = Load(server.url)
        before = await load.send(PER_S, seconds)
        memory = memory_mb(server)
        size = int(Path(f"/proc/{server.pid}/statm").read_text().split()[0]) * resource.getpagesize()
        free = resource.prlimit(server.pid, resource.RLIMIT_AS, (size + ROOM_MB * 2**20, resource.RLIM_INFINITY))
        async with load.beside(PER_S):
            refused = [await asyncio.to_thread(_ask, server, large) for large in (LARGE, LARGE_BODY)]
            await asyncio.sleep(seconds)
            ready = (await asyncio.to_thread(server.get, "/readyz")).status_code
        during = load.outcomes[len(before) :]
        resource.prlimit(server.pid, resource.RLIMIT_AS, free)
        after = await load.send(PER_S, seconds)
        load.close()
        kept = {
            "503 for what is too large": [answer.status_code for answer in refused] == [503, 503],
            "Retry-After": all("retry-after" in answer.headers for answer in refused),
            "a line in the log": '"out of memory"' in server.log,
            "/readyz 200": ready == 200,
            "well after": (await asyncio.to_thread(_ask, server, LARGE)).json()["type"] == "/problems/blank",
        }
        return Row.of("memory limit reached", [before, during, after], server.log, (memory, memory_mb(server)), kept)


def can_hide_names() -> bool:
    """Whether this system lets us make a namespace of mounts."""
    return subprocess.run([*NAMELESS, "true"], capture_output=True).returncode == 0


async def no_names(folder: Path, *, seconds: float) -> Row:
    """No name can be resolved; the service never asks for one."""
    known = await asyncio.to_thread(_knows_localhost)
    with service(folder / "names.log", prefix=NAMELESS) as server:
        load = Load(server.url)
        outcomes = await load.send(PER_S, seconds)
        load.close()
        kept = {
            "no name is known there": not known,
            "/readyz 200": server.get("/readyz").status_code == 200,
            "no error in the log": '"error"' not in server.log,
        }
        return Row.of("no name can be resolved", [outcomes], server.log, kept=kept)


async def clock_jumps(folder: Path, *, seconds: float) -> Row:
    """The wall clock goes two hours forward and a day back: no limit, deadline or quota looks at it.

    Only few requests, and with much time: each look at the clock is slow behind that library.
    """
    clock = folder / "clock"
    clock.write_text("+0")
    prefix = ("env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={clock}", *FAKED)
    settings = {"rate_limit": "1000/second", "request_timeout_ms": "14000"}
    with service(folder / "clock.log", prefix=prefix, **settings) as server:
        load, outcomes = Load(server.url), []
        for jump in ("+0", *JUMPS):
            clock.write_text(jump)
            await asyncio.sleep(1.5)
            outcomes += await load.send(PER_S / 4, seconds)
        load.close()
        hours = {line[9:22] for line in server.log.splitlines()}
        kept = {
            "the log's clock jumped": len(hours) > len(JUMPS),
            "all answered": all(outcome.status == 200 for outcome in outcomes),
        }
        return Row.of("clock jumps 2 hours on and a day back", [outcomes], server.log, kept=kept)


def _knows_localhost() -> bool:
    probe = [*NAMELESS, sys.executable, "-c", "import socket; socket.gethostbyname('localhost')"]
    return subprocess.run(probe, capture_output=True).returncode == 0


def _ask(server: Server, request: dict[str, Any]) -> httpx.Response:
    return server.http.post(f"{server.url}/v1/predict", timeout=30, **request)
