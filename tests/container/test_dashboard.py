"""What Grafana would ask: a real Prometheus scrapes a real server under traffic, and every query has an answer."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import yaml

from app.settings import PROJECT
from tests.container.prometheus import CONFIG, DASHBOARD, PANELS, PATIENCE_S, filled, scraping, traffic
from tests.server import Server

SOURCE: Final = PROJECT / "docker/grafana/provisioning/datasources/prometheus.yml"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    program = shutil.which("prometheus") or pytest.skip("there is no prometheus command")
    with scraping(program, server, tmp_path_factory.mktemp("prometheus")) as client:
        yield client


@pytest.fixture(scope="module")
def values(server: Server, prometheus: httpx.Client, measured: list[str]) -> dict[str, int]:
    """How many series each query has, once all have or patience ends."""
    with traffic(server):
        found = _ask(prometheus, [target["expr"] for panel in PANELS for target in panel["targets"]])
    measured.append(f"dashboard: {len(found)} queries return {sum(found.values())} series")
    return found


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_shows_data(panel: dict[str, Any], values: dict[str, int]) -> None:
    assert all(values[target["expr"]] for target in panel["targets"])


def test_prometheus_file_is_one_that_prometheus_takes() -> None:
    program = shutil.which("promtool") or pytest.skip("there is no promtool command")
    result = subprocess.run([program, "check", "config", CONFIG], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_panels_have_places_of_their_own_and_the_provisioned_source() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    [source] = yaml.safe_load(SOURCE.read_text())["datasources"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    cells = [cell for panel in panels for cell in _cells(**panel["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert {x for x, _ in cells} == set(range(24))


def _cells(x: int, y: int, w: int, h: int) -> Iterator[tuple[int, int]]:
    return ((column, line) for column in range(x, x + w) for line in range(y, y + h))


def _ask(prometheus: httpx.Client, expressions: list[str]) -> dict[str, int]:
    until = time.monotonic() + PATIENCE_S
    while True:
        found = {expression: _series(prometheus, expression) for expression in expressions}
        if all(found.values()) or time.monotonic() > until:
            return found
        time.sleep(0.5)


def _series(prometheus: httpx.Client, expression: str) -> int:
    try:
        response = prometheus.get("/api/v1/query", params={"query": filled(expression)})
    except httpx.TransportError:  # not up yet
        return 0
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # up, and still starting
        return 0
    answer = response.json()
    assert answer["status"] == "success", answer
    return sum(math.isfinite(float(series["value"][1])) for series in answer["data"]["result"])
