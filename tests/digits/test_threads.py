from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.digits.threads import available_cpus

AFFINITY = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, AFFINITY),
        ({"cpu.max": "max 100000\n"}, AFFINITY),
        ({"cpu.max": "nonsense\n"}, AFFINITY),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 1),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "6400000 100000\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, AFFINITY),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000\n"}, AFFINITY),
    ],
)
def test_available_cpus_quota_and_affinity_both_hold(tmp_path: Path, files: dict[str, str], quota: int) -> None:
    _write(tmp_path, files)
    assert available_cpus(tmp_path, tmp_path / "none") == min(quota, AFFINITY)


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/", {"cpu.max": "100000 100000"}, 1),
        ("0::/system.slice/digits.service", {"system.slice/digits.service/cpu.max": "100000 100000"}, 1),
        ("0::/system.slice/digits.service", {"system.slice/cpu.max": "100000 100000"}, 1),
        ("0::/system.slice/other.service", {"system.slice/digits.service/cpu.max": "100000 100000"}, AFFINITY),
        ("0::/docker/4f", {"cpu.max": "100000 100000"}, 1),  # the path of the host, the mount of the container
        ("0::/../4f", {"cpu.max": "100000 100000"}, 1),
        ("0::/a:b", {"a:b/cpu.max": "100000 100000"}, 1),
        ("3:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "100000", "cpu/a/cpu.cfs_period_us": "100000"}, 1),
        ("3:cpuset:/a", {"cpu/a/cpu.cfs_quota_us": "100000", "cpu/a/cpu.cfs_period_us": "100000"}, AFFINITY),
        ("3:cpu:/\n0::/a", {"unified/a/cpu.max": "100000 100000"}, 1),
        ("nonsense", {}, AFFINITY),
    ],
)
def test_available_cpus_own_cgroup_and_all_above_it_hold(tmp_path: Path, own: str, files: dict[str, str], quota: int) -> None:
    _write(tmp_path, {"own": own, **files})
    assert available_cpus(tmp_path, tmp_path / "own") == min(quota, AFFINITY)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
