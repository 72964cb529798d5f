"""The image, built once or named by DIGITS_TEST_IMAGE, and the service as docker-compose.yml runs it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.container.engine import BUILD_NETWORK, FINISHED_IMAGE, PROJECT, Container, Docker, run_docker

COMPOSE_PROJECT = "digits-test"
MEASURED = pytest.StashKey[list[str]]()


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
    docker("build", "--network", BUILD_NETWORK, "--tag", "digits:test", str(PROJECT))
    return "digits:test"


@pytest.fixture(scope="session")
def service(docker: Docker, image: str) -> Iterator[Container]:
    """docker-compose.yml as it is, limits and all, on a port of its own."""
    compose = ("compose", "--project-directory", str(PROJECT), "--project-name", COMPOSE_PROJECT)
    variables = {"DIGITS_IMAGE": image, "DIGITS_PORT": "127.0.0.1:0"}
    try:
        docker(*compose, "up", "--detach", "--wait", "--no-build", **variables)
        name = docker(*compose, "ps", "--quiet", "digits", **variables)
        yield Container(name, f"http://{docker('port', name, '8000/tcp')}")
    finally:
        docker(*compose, "down", "--volumes", **variables)


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the end of the run's report."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(MEASURED, []):
        terminalreporter.write_line(f"container: {line}")
