"""The one process of a service without workers, and its signals; how it drains is in ``tests/serving/test_drain.py``."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

from app.settings import PROJECT
from tests import pictures
from tests.fakes import read_manifest, write_manifest
from tests.server import START_TIMEOUT_S, Server


def _copy_of_shipped(models_dir: Path, name: str) -> None:
    shutil.copytree(PROJECT / "models/cnn", models_dir / name)
    write_manifest(models_dir / name, read_manifest(models_dir / name) | {"name": name})


def test_server_sighup_reads_the_models_again(tmp_path: Path) -> None:
    _copy_of_shipped(tmp_path / "models", "cnn")
    with Server(tmp_path / "log", models_dir=str(tmp_path / "models")) as server:
        assert [model["name"] for model in server.get("/v1/models").json()["models"]] == ["cnn"]
        _copy_of_shipped(tmp_path / "models", "second")
        server.send(signal.SIGHUP)
        until = time.monotonic() + START_TIMEOUT_S
        while server.get("/v1/models/second").status_code != 200:
            assert time.monotonic() < until, server.log
            time.sleep(0.05)
        assert server.stop() == 0


def test_server_lone_request_waits_for_no_thread(tmp_path: Path) -> None:
    with Server(tmp_path / "log") as server:
        # A machine that is busy with something else makes a run long, and the next one goes to the thread.
        answers = (server.http.post(f"{server.url}/v1/predict", files={"files": pictures.png()}) for _ in range(50))
        assert any(answer.json()["timings_ms"]["queue"] == 0 for answer in answers), server.log
