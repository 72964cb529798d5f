"""Several real processes behind one port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.digits.threads import available_cpus
from app.serving import workers
from app.settings import PROJECT, Settings
from tests import pictures
from tests.client import multipart
from tests.fakes import change_one_byte, make_model_folder, read_manifest, write_manifest
from tests.server import Server

MODEL = PROJECT / "models/cnn"


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(MODEL, folder / "cnn")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    """Two workers, both serving."""
    with Server(tmp_path_factory.mktemp("workers") / "log", workers="2", models_dir=str(models_dir)) as service:
        service.wait_until(lambda: len(service.workers) == 2)
        yield service


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Who inherits an orphan may let its remains lie for a while.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def _models_by_pid(service: Server, asked: int = 24) -> dict[int, set[str]]:
    """What each worker has loaded."""
    answers = [service.get("/health").json() for _ in range(asked)]
    assert {answer["workers"] for answer in answers} == {2}
    return {answer["pid"]: {model["name"] for model in answer["models"]} for answer in answers}


def _predicted(service: Server) -> float:
    families = text_string_to_metric_families(service.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    assert not [sample for sample in samples if "pid" in sample.labels], "a gauge without a multiprocess_mode"
    return sum(sample.value for sample in samples if sample.name == "digits_predictions_total")


def _predict(service: Server) -> int:
    return service.http.post(f"{service.url}/v1/predict", files=multipart(pictures.png())).status_code


def test_connections_reach_every_worker(service: Server) -> None:
    assert set(_models_by_pid(service)) == set(service.workers.values())
    assert all(f'"pid":{pid}' in service.log for pid in (service.pid, *service.workers.values()))


def test_metrics_of_any_worker_are_the_sums(service: Server) -> None:
    before = _predicted(service)
    assert [_predict(service) for _ in range(20)] == [200] * 20
    service.wait_until(lambda: {_predicted(service) for _ in range(8)} == {before + 20})
    assert "digits_drift_pictures" in service.get("/metrics").text  # computed at each scrape, which the library cannot share


def test_sighup_reaches_every_worker(service: Server, models_dir: Path) -> None:
    other = models_dir / "other"
    shutil.copytree(MODEL, models_dir / ".other")
    write_manifest(models_dir / ".other", read_manifest(models_dir / ".other") | {"name": "other"})
    (models_dir / ".other").rename(other)
    service.send(signal.SIGHUP)
    service.wait_until(lambda: list(_models_by_pid(service).values()) == [{"cnn", "other"}] * 2)


def test_worker_killed_leaves_the_others_serving_and_comes_back(service: Server) -> None:
    predicted = _predicted(service)
    killed = service.workers[0]
    os.kill(killed, signal.SIGKILL)
    service.wait_until(lambda: "worker ended" in service.log)
    assert "by the kernel for want of memory" in service.log
    assert [_predict(service) for _ in range(20)] == [200] * 20
    service.wait_until(lambda: service.workers[0] != killed)
    assert set(_models_by_pid(service)) == set(service.workers.values())
    service.wait_until(lambda: _predicted(service) == predicted + 20)  # nothing that the dead one had counted is forgotten


def test_parent_killed_leaves_no_worker_behind(service: Server) -> None:
    """The last that uses the service, for it ends it."""
    service.send(signal.SIGKILL)
    service.wait_until(lambda: not any(map(_is_alive, service.workers.values())))


def test_bad_default_model_is_one_sentence_and_no_restart(tmp_path: Path) -> None:
    change_one_byte(make_model_folder(tmp_path) / "model.onnx")
    environment = os.environ | {"DIGITS_PORT": "0", "DIGITS_WORKERS": "2", "DIGITS_MODELS_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "app.cli", "serve"]
    ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert "model.onnx of model 'cnn' was altered" in line


@pytest.mark.parametrize("option", [socket.SO_REUSEADDR, socket.SO_REUSEPORT])
def test_port_of_another_service_is_not_shared(option: int) -> None:
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, option, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        with pytest.raises(OSError, match="in use"):
            workers.hold_port("127.0.0.1", stranger.getsockname()[1])


def test_listeners_share_the_port_and_the_holder_hears_nothing() -> None:
    with workers.hold_port("127.0.0.1", 0) as holder:
        address = holder.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with workers.listener(holder.dup()) as one, workers.listener(holder.dup()) as two:
            assert one.getsockname() == two.getsockname() == address
            one.listen()
            two.listen()
            socket.create_connection(address).close()


@pytest.mark.parametrize(
    ("settings", "threads"),
    [({}, available_cpus()), ({"workers": 64}, 1), ({"workers": 64, "intra_op_threads": 3}, 3)],
)
def test_threads_are_shared_among_the_workers(settings: dict[str, int], threads: int) -> None:
    assert Settings(**settings).threads_a_run == threads  # type: ignore[arg-type]
