"""How many CPU threads this process may really use: ONNX Runtime itself counts the host's cores and ignores quotas."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")


def available_cpus(cgroup_root: Path = CGROUP_ROOT) -> int:
    """The lesser of the scheduling affinity and the cgroup's CPU quota, at least 1.

    A quota of 1.5 CPUs counts as 1: a second thread would be throttled half of its time and stall the first.
    """
    return max(1, math.floor(min(_affinity(), _quota(cgroup_root))))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path) -> float:
    """CPUs of the cgroup's quota (v2 ``cpu.max``, else v1 ``cpu.cfs_*``); no quota is infinity."""
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return math.inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit_us = int((root / "cpu/cpu.cfs_quota_us").read_text())
        period_us = int((root / "cpu/cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf
    return limit_us / period_us if limit_us > 0 else math.inf
