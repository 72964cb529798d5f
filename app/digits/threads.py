"""How many CPU threads this process may really use: ONNX Runtime itself counts the host's cores and ignores quotas."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath
from typing import Final

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
OWN_CGROUPS: Final = Path("/proc/self/cgroup")


def available_cpus(cgroup_root: Path = CGROUP_ROOT, own_cgroups: Path = OWN_CGROUPS) -> int:
    """The lesser of the scheduling affinity and the cgroup's CPU quota, at least 1.

    A quota of 1.5 CPUs counts as 1: a second thread would be throttled half of its time and stall the first.
    """
    return max(1, math.floor(min(_affinity(), _quota(cgroup_root, own_cgroups))))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path, own_cgroups: Path) -> float:
    """CPUs of the tightest quota among this process's cgroups and all above them; no quota is infinity."""
    quotas = []
    # The mount itself too: inside a container it is the container's own cgroup, whatever the path says.
    for controllers, path in [*_own(own_cgroups), ("", "/"), ("cpu", "/")]:
        for folder in _up(path):
            if not controllers:
                quotas += [_quota_v2(root / folder), _quota_v2(root / "unified" / folder)]
            elif "cpu" in controllers.split(","):
                quotas.append(_quota_v1(root / "cpu" / folder))
    return min(quotas)


def _own(own_cgroups: Path) -> list[tuple[str, str]]:
    """Controllers (none in v2) and path of each cgroup, from lines like ``0::/system.slice/digits.service``."""
    try:
        lines = own_cgroups.read_text().splitlines()
    except OSError:
        return []
    return [(controllers, path) for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2)]


def _up(path: str) -> list[PurePosixPath]:
    """The cgroup's path and those above it, relative to the mount; none for a cgroup outside of this namespace."""
    pure = PurePosixPath(path.lstrip("/"))
    return [] if ".." in pure.parts else [pure, *pure.parents]


def _quota_v2(folder: Path) -> float:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return math.inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return math.inf


def _quota_v1(folder: Path) -> float:
    try:
        limit_us = int((folder / "cpu.cfs_quota_us").read_text())
        period_us = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf
    return limit_us / period_us if limit_us > 0 else math.inf
