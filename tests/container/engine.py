"""What the container tests share: the docker command, and waiting for a service."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Read here, at import: the tests themselves run without DIGITS_* from outside.
FINISHED_IMAGE = os.environ.get("DIGITS_TEST_IMAGE")
BUILD_NETWORK = os.environ.get("DIGITS_BUILD_NETWORK", "default")

Docker = Callable[..., str]


@dataclass(frozen=True)
class Container:
    """A running service: its container and where its port is published."""

    name: str
    url: str


def wait_until_ready(url: str, timeout_s: float = 30.0) -> None:
    """Ask ``/readyz`` until it answers 200."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=1).close()  # noqa: S310 - the URL is our own
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def run_docker(*arguments: str, **variables: str) -> str:
    """Run ``docker …`` with environment variables and return what it prints; the test fails where it fails."""
    command = ["docker", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, env=os.environ | variables)
    if result.returncode:
        pytest.fail(f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr[-2000:]}", pytrace=False)
    return result.stdout.strip()
