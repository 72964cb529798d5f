"""The image, built once or named by DIGITS_TEST_IMAGE, and the service as docker-compose.yml runs it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.container.engine import BUILD_NETWORK, FINISHED_IMAGE, Container, Docker, composed, run, run_docker


@pytest.fixture(scope="session")
def docker() -> Docker:
    """Runs ``docker …`` and returns what it prints; skips where no engine answers."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command")
    version = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=30)
    if version.returncode:
        pytest.skip(f"no container engine answers: {version.stderr.strip()[:200]}")
    return run_docker


@pytest.fixture(scope="session")
def image(docker: Docker) -> str:
    """The image's tag. DIGITS_TEST_IMAGE names a finished one; DIGITS_BUILD_NETWORK is the network to build with."""
    if FINISHED_IMAGE:
        return FINISHED_IMAGE
    run("make", "image", "IMAGE=digits:test", DIGITS_BUILD_NETWORK=BUILD_NETWORK)
    return "digits:test"


@pytest.fixture(scope="session")
def service(docker: Docker, image: str) -> Iterator[Container]:
    """``docker compose up``, for all tests that leave it as they found it."""
    with composed(docker, image, "digits-test") as compose:
        yield compose.container("digits")
