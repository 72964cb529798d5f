"""What the container tests share: the docker command, compose projects, load, and waiting for a service."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LOAD = Path(__file__).with_name("load.py").read_text()
# Read here, at import: the tests themselves run without DIGITS_* from outside.
FINISHED_IMAGE = os.environ.get("DIGITS_TEST_IMAGE")
BUILD_NETWORK = os.environ.get("DIGITS_BUILD_NETWORK", "default")

Docker = Callable[..., str]


@dataclass(frozen=True)
class Container:
    """A running service: its container and where its port is published."""

    name: str
    url: str


@dataclass
class Load:
    """What became of the requests of ``load.py``.

    Attributes:
        counts: by kind and status.
        unanswered: ids of those that were sent and had no answer.
    """

    counts: dict[str, int] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Compose:
    """docker-compose.yml as it is, limits and all, as a project of its own.

    Attributes:
        project: what containers and network are named after.
        variables: of the file.
    """

    docker: Docker
    project: str
    variables: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        command = ("compose", "--project-directory", str(PROJECT), "--project-name", self.project, "--profile", "*")
        return self.docker(*command, *arguments, **self.variables)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers."""
        return self("ps", "--all", "--quiet", service).split()

    def container(self, service: str) -> Container:
        """The only one of a service."""
        [name] = self.containers(service)
        return Container(name, f"http://{self.docker('port', name, '8000/tcp')}")

    @contextmanager
    def loaded(self, address: str, *kinds: str) -> Iterator[Load]:
        """Load from a container beside the others while the block runs; what became of the requests is there after it."""
        name, load = f"{self.project}-load", Load()
        options = ("--rm", "--init", "--name", name, "--network", f"{self.project}_default", "--entrypoint", "python")
        command = ["docker", "run", *options, self.variables["DIGITS_IMAGE"], "-c", LOAD, address, *kinds]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None and process.stdout.readline() == "begun\n"
                yield load
                self.docker("kill", "--signal", "TERM", name)
                load.counts, load.unanswered = json.loads(process.communicate(timeout=60)[0])
            finally:
                process.kill()
                subprocess.run(["docker", "rm", "--force", name], capture_output=True)


@contextmanager
def composed(docker: Docker, image: str, project: str, service: str = "digits", **variables: str) -> Iterator[Compose]:
    """A service of docker-compose.yml and what it depends on, up and ready, on ports of their own."""
    compose = Compose(docker, f"{project}-{os.getpid()}", {"DIGITS_IMAGE": image, "DIGITS_PORT": "127.0.0.1:0"} | variables)
    try:
        compose("up", "--detach", "--wait", "--no-build", service)
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "1")


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


def wait_until_healthy(docker: Docker, name: str, timeout_s: float = 180.0) -> None:
    """Ask the engine until the container's own check has passed."""
    end = time.monotonic() + timeout_s
    while (state := docker("inspect", "--format", "{{.State.Health.Status}}", name)) != "healthy":
        assert time.monotonic() < end, f"{state}: {logs_of(name)[-2000:]}"
        time.sleep(0.1)


def logs_of(name: str) -> str:
    """What a container has written so far."""
    command = ["docker", "logs", name]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def stand_in(docker: Docker, folder: Path, program: str, dockerfile: str) -> str:
    """Build an image of Debian's own program, where the published one cannot be pulled."""
    name = f"digits-{program}:test"
    (folder / "Dockerfile").write_text(dockerfile)
    docker("build", "--network", BUILD_NETWORK, "--tag", name, str(folder))
    return name


def run_docker(*arguments: str, **variables: str) -> str:
    """Run ``docker …`` with environment variables and return what it prints; the test fails where it fails."""
    return run("docker", *arguments, **variables)


def run(*command: str, **variables: str) -> str:
    """Run a command likewise."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, env=os.environ | variables, cwd=PROJECT)
    if result.returncode:
        pytest.fail(f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr[-2000:]}", pytrace=False)
    return result.stdout.strip()
