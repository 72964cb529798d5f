"""The profile ``observability``: Prometheus, confined as the compose file says, finds the service by name and scrapes it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.container.engine import Compose, Docker, composed, stand_in

pytestmark = pytest.mark.engine

# Debian's, laid out as the published image, which cannot be pulled everywhere.
PROMETHEUS = """\
FROM python:3.11-slim-bookworm
RUN apt-get update -qq && apt-get install -yqq --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/* && \
    mkdir /prometheus && chown nobody /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
"""


@pytest.fixture(scope="module")
def prometheus(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    return stand_in(docker, tmp_path_factory.mktemp("prometheus"), "prometheus", PROMETHEUS)


@pytest.fixture
def compose(docker: Docker, image: str, prometheus: str) -> Iterator[Compose]:
    variables = {"PROMETHEUS_IMAGE": prometheus, "PROMETHEUS_PORT": "0"}
    with composed(docker, image, "digits-observed", "digits", **variables) as compose:
        compose("up", "--detach", "--wait", "--no-build", "prometheus")
        yield compose


def test_prometheus_of_the_profile_scrapes_the_service(docker: Docker, compose: Compose) -> None:
    [name] = compose.containers("prometheus")
    url = f"http://{docker('port', name, '9090/tcp')}/api/v1/query?query=up"
    until = time.monotonic() + 60
    while (found := _up(url)) != {"digits": "1"}:
        assert time.monotonic() < until, found
        time.sleep(0.5)


def _up(url: str) -> dict[str, str]:
    """1 or 0 for each job."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the URL is our own
            series = json.load(answer)["data"]["result"]
    except OSError:  # not up yet
        return {}
    return {each["metric"]["job"]: each["value"][1] for each in series}
