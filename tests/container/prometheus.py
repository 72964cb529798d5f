"""A real Prometheus with our file, a server under traffic of all kinds, and what Grafana would ask."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import yaml

from app.settings import PROJECT
from benchmarks.contender import free_port
from tests.client import multipart
from tests.pictures import png
from tests.server import Server
from training.strokes import as_png

CONFIG: Final = PROJECT / "docker/prometheus/prometheus.yml"
DASHBOARD: Final = PROJECT / "docker/grafana/dashboards/digits.json"
PATIENCE_S: Final = 30.0
PANELS: Final[list[dict[str, Any]]] = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
# What Grafana puts in: the window, and all models.
VARIABLES: Final = {"$__rate_interval": "10s", "$model": ".*"}
SQUARE: Final = np.pad(np.zeros((50, 50), np.uint8), 30, constant_values=255)


@contextmanager
def scraping(program: str, server: Server, folder: Path) -> Iterator[httpx.Client]:
    """Prometheus with our file, but for the address and a pace that suits a test: a client of it."""
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    [job] = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [server.url.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
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


@contextmanager
def traffic(server: Server) -> Iterator[None]:
    """Pictures of every kind that the dashboard tells apart while the block runs."""
    ended = threading.Event()
    sending = threading.Thread(target=_send_until, args=(ended, server))
    sending.start()
    try:
        yield
    finally:
        ended.set()
        sending.join()


def filled(expression: str) -> str:
    """A query as Grafana sends it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def _send_until(ended: threading.Event, server: Server) -> None:
    """Digits, no digit, no picture, alone and among others."""
    frames = [png(digit, size=28) for digit in "0123456789"]
    requests = (multipart(*frames * 6), multipart(as_png(SQUARE), b"no picture"), multipart(b"no picture"))
    while not ended.is_set():
        for files in requests:
            server.http.post(f"{server.url}/v1/predict", files=files)
        time.sleep(0.1)
