"""The service under a real quota of the kernel's: one CPU of a machine that has more."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.digits.threads import CGROUP_ROOT
from tests.server import Server

PERIOD_US = 100_000


def _make_v2(folder: Path) -> None:
    (CGROUP_ROOT / "cgroup.subtree_control").write_text("+cpu")
    folder.mkdir()
    (folder / "cpu.max").write_text(f"{PERIOD_US} {PERIOD_US}")


def _make_v1(folder: Path) -> None:
    folder.mkdir()
    (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
    (folder / "cpu.cfs_quota_us").write_text(str(PERIOD_US))


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup of one CPU; gone when its processes are."""
    is_v2 = (CGROUP_ROOT / "cgroup.controllers").exists()
    folder = (CGROUP_ROOT if is_v2 else CGROUP_ROOT / "cpu") / f"digits-{os.getpid()}"
    try:
        _make_v2(folder) if is_v2 else _make_v1(folder)
    except OSError as exc:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"this machine lets nobody make a cgroup here: {exc.strerror}")
    yield folder
    for _ in range(100):
        try:
            folder.rmdir()
            break
        except OSError:  # the kernel has not yet let its last process go
            time.sleep(0.02)


def test_serve_in_a_cgroup_of_one_cpu_starts_with_one_thread_and_says_so(cgroup: Path, tmp_path: Path) -> None:
    enter = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(cgroup))
    with Server(tmp_path / "log", prefix=enter, models="cnn") as server:
        (model,) = server.get("/health").json()["models"]
        assert model["intra_op_threads"] == 1
        assert server.stop() == 0
    served = [line for line in map(json.loads, server.log.splitlines()) if line["message"] == "model served"]
    assert [line["intra_op_threads"] for line in served] == [1]
