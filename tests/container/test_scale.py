"""The profile ``scale``: replicas behind nginx, restarted one after the other under load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.container.engine import Compose, Docker, composed, logs_of, stand_in, wait_until_healthy, wait_until_ready

pytestmark = pytest.mark.engine

# Debian's: the published image cannot be pulled everywhere.
NGINX = """\
FROM python:3.11-slim-bookworm
RUN apt-get update -qq && apt-get install -yqq --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
"""
PROXY = "proxy:8080"


@pytest.fixture(scope="module")
def nginx(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    return stand_in(docker, tmp_path_factory.mktemp("nginx"), "nginx", NGINX)


@pytest.fixture
def compose(docker: Docker, image: str, nginx: str) -> Iterator[Compose]:
    variables = {"NGINX_IMAGE": nginx, "DIGITS_PROXY_PORT": "127.0.0.1:0"}
    with composed(docker, image, "digits-scale", "proxy", **variables) as compose:
        [proxy] = compose.containers("proxy")
        wait_until_ready(f"http://{docker('port', proxy, '8080/tcp')}")  # it has no health check of its own
        yield compose


def test_rolling_restart_of_the_replicas_loses_no_request(docker: Docker, compose: Compose, measured: list[str]) -> None:
    replicas = compose.containers("replica")
    assert len(replicas) == 2
    with compose.loaded(PROXY, "small", "kept") as load:
        for name in replicas:
            docker("restart", name)
            wait_until_healthy(docker, name)
    measured.append(f"rolling restart of {len(replicas)} replicas: {load.counts}")
    assert load.unanswered == []
    # A slow machine may be late (504, the service's own); neither a refusal nor an error of the proxy's reaches a client.
    assert load.counts.keys() - {"small 504", "kept 504"} == {"small 200", "kept 200"}
    assert all("/v1/predict" in logs_of(name) for name in replicas)
