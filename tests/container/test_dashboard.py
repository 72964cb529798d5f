"""What Grafana would ask: a real Prometheus scrapes a real server under traffic, and every query has an answer."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import numpy as np
import pytest
import yaml

from app.settings import PROJECT
from tests.client import multipart
from tests.pictures import png
from tests.server import Server
from training.strokes import as_png

PROMETHEUS: Final = PROJECT / "docker/prometheus/prometheus.yml"
DASHBOARD: Final = PROJECT / "docker/grafana/dashboards/digits.json"
SOURCE: Final = PROJECT / "docker/grafana/provisioning/datasources/prometheus.yml"
PATIENCE_S: Final = 30.0
PANELS: Final[list[dict[str, Any]]] = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
# What Grafana puts in: the window, and all models.
VARIABLES: Final = {"$__rate_interval": "10s", "$model": ".*"}
SQUARE: Final = np.pad(np.zeros((50, 50), np.uint8), 30, constant_values=255)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Prometheus with our file, but for the address and a pace that suits a test."""
    program = shutil.which("prometheus") or pytest.skip("there is no prometheus command")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load(PROMETHEUS.read_text())
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    [job] = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [server.url.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = (
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *arguments], stderr=log)
    try:
        with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def values(server: Server, prometheus: httpx.Client, measured: list[str]) -> dict[str, int]:
    """How many series each query has, once all have or patience ends."""
    ended = threading.Event()
    traffic = threading.Thread(target=_send_until, args=(ended, server))
    traffic.start()
    try:
        found = _ask(prometheus, [target["expr"] for panel in PANELS for target in panel["targets"]])
    finally:
        ended.set()
        traffic.join()
    measured.append(f"dashboard: {len(found)} queries return {sum(found.values())} series")
    return found


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_shows_data(panel: dict[str, Any], values: dict[str, int]) -> None:
    assert all(values[target["expr"]] for target in panel["targets"])


def test_prometheus_file_is_one_that_prometheus_takes() -> None:
    program = shutil.which("promtool") or pytest.skip("there is no promtool command")
    result = subprocess.run([program, "check", "config", PROMETHEUS], capture_output=True, text=True)
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


def _send_until(ended: threading.Event, server: Server) -> None:
    """Pictures of every kind that the dashboard tells apart: digits, no digit, no picture, alone and among others."""
    frames = [png(digit, size=28) for digit in "0123456789"]
    requests = (multipart(*frames * 6), multipart(as_png(SQUARE), b"no picture"), multipart(b"no picture"))
    while not ended.is_set():
        for files in requests:
            server.http.post(f"{server.url}/v1/predict", files=files)
        time.sleep(0.1)


def _ask(prometheus: httpx.Client, expressions: list[str]) -> dict[str, int]:
    until = time.monotonic() + PATIENCE_S
    while True:
        found = {expression: _series(prometheus, expression) for expression in expressions}
        if all(found.values()) or time.monotonic() > until:
            return found
        time.sleep(0.5)


def _series(prometheus: httpx.Client, expression: str) -> int:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    try:
        response = prometheus.get("/api/v1/query", params={"query": expression})
    except httpx.TransportError:  # not up yet
        return 0
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # up, and still starting
        return 0
    answer = response.json()
    assert answer["status"] == "success", answer
    return sum(math.isfinite(float(series["value"][1])) for series in answer["data"]["result"])
