"""A Ray cluster on this machine, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Ray, with four processors by its own count: actors and replicas must find room on a small machine, too."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (make test-ray)")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {"USAGE_STATS_ENABLED": "0", "AUTH_MODE": "disabled", "worker_niceness": "0"}.items():
            environment.setenv(f"RAY_{name}", value)
        ray.init(num_cpus=4, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
        yield ray
        ray.shutdown()
