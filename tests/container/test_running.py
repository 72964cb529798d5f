"""The service in its container under load: its limits, its end, and what follows a sudden one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from tests.container.engine import Compose, Docker, composed, logs_of, wait_until_healthy
from tests.reliability.contained import out_of_memory

pytestmark = pytest.mark.engine

SERVICE = "digits:8000"
# The first of our processes below the init; its own command line would match too.
KILL = """
import os, pathlib, signal
commands = {int(path.parent.name): path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")}
os.kill(min(pid for pid, command in commands.items() if b"app.cli" in command and pid > 1), signal.SIGKILL)
"""
PEAK = (
    "print(next(open(p).read() for p in ('/sys/fs/cgroup/memory.peak', '/sys/fs/cgroup/memory/memory.max_usage_in_bytes')"
    " if __import__('os').path.exists(p)))"
)


@pytest.fixture
def compose(docker: Docker, image: str) -> Iterator[Compose]:
    with composed(docker, image, "digits-running") as compose:
        yield compose


def test_memory_limit_holds_under_the_largest_requests(docker: Docker, compose: Compose, measured: list[str]) -> None:
    name = compose.container("digits").name
    with compose.loaded(SERVICE, *["small"] * 2, *["pixels"] * 4, *["bytes"] * 5) as load:
        time.sleep(8)
    state = json.loads(docker("inspect", "--format", "{{json .}}", name))
    peak = int(docker("exec", name, "python", "-c", PEAK)) / 2**20
    measured.append(f"at most {peak:.0f} MiB of 512 under {load.counts}")
    assert state["State"]["OOMKilled"] is False
    assert state["RestartCount"] == 0
    assert load.unanswered == []
    assert {kind.split()[0] for kind in load.counts} == {"small", "pixels", "bytes"}
    assert load.counts["small 200"]


def test_killed_service_is_restarted_and_ready(docker: Docker, compose: Compose, measured: list[str]) -> None:
    name = compose.container("digits").name
    killed = time.monotonic()
    docker("exec", name, "python", "-c", KILL)
    while docker("inspect", "--format", "{{.RestartCount}}", name) != "1":
        assert time.monotonic() < killed + 30, "it was not restarted"
    wait_until_healthy(docker, name)
    measured.append(f"ready {time.monotonic() - killed:.2f} s after it was killed")


def test_service_killed_for_want_of_memory_comes_back_and_clients_miss_nothing(docker: Docker, image: str) -> None:
    row = asyncio.run(out_of_memory(docker, image, times=1, seconds=1))
    assert row.broken == []
    assert row.accepted > 0


def test_stop_under_load_loses_no_request(docker: Docker, compose: Compose, measured: list[str]) -> None:
    name = compose.container("digits").name
    with compose.loaded(SERVICE, *["small"] * 4, *["kept"] * 4) as load:
        time.sleep(2)
        docker("stop", name)
    measured.append(f"`docker stop` under load: {load.counts}")
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    assert load.counts["small 200"] and load.counts["kept 200"]
    # A request that the service had read has a line in its log, however it ended.
    logs = logs_of(name)
    assert [request_id for request_id in load.unanswered if request_id in logs] == []


def test_flood_of_large_bodies_is_refused_beside_small_ones(docker: Docker, compose: Compose, measured: list[str]) -> None:
    name = compose.container("digits").name
    with compose.loaded(SERVICE, *["small"] * 4, *["bytes"] * 16) as load:
        time.sleep(8)
    measured.append(f"16 clients with the largest bodies: {load.counts}")
    assert load.unanswered == []
    # A slow machine may be late (504, the service's own).
    assert load.counts.keys() <= {f"{kind} {status}" for kind in ("small", "bytes") for status in (200, 503, 504)}
    assert load.counts["small 200"]
    assert load.counts["bytes 503"]
    wait_until_healthy(docker, name)
    assert docker("inspect", "--format", "{{.RestartCount}}", name) == "0"
