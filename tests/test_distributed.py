"""The service as replicas of Ray Serve answers what the plain service answers."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.digits.errors import ModelStalled
from app.main import create_app
from app.settings import PROJECT, Settings
from benchmarks.contender import free_port
from tests import pictures
from tests.client import Api, multipart
from tests.fakes import FakeSession, load_fake

# Ray's own warnings are not ours to mend.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]

SETTINGS = Settings(provider="cpu", intra_op_threads=1)
# Ray adds a replica once there was need of it for half a minute.
PATIENCE_S = 180.0
# What no two answers have in common.
OF_THE_MOMENT = ("request_id", "timings_ms")
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "seven": ("POST", "/v1/predict", {"files": multipart(pictures.png())}),
    "drawing": ("POST", "/v1/top-k", {"files": multipart(pictures.png("4", size=112)), "params": {"top_k": 10}}),
    "batch": ("POST", "/v1/predict", {"files": multipart(pictures.png("1"), b"My notes.", pictures.png("8"))}),
    "body": ("POST", "/v1/predict", {"content": pictures.csv(), "headers": {"content-type": "text/csv"}}),
    "line": ("POST", "/v1/read", {"files": multipart(pictures.png("5"))}),
    "explained": ("POST", "/v1/explain", {"files": multipart(pictures.png("3"))}),
    "notes": ("POST", "/v1/predict", {"files": multipart(b"My notes.")}),
    "blank": ("POST", "/v1/predict", {"files": multipart(pictures.encoded(Image.new("L", (28, 28)), "PNG"))}),
    "bomb": ("POST", "/v1/predict", {"files": multipart(pictures.bomb())}),
    "no body": ("POST", "/v1/predict", {}),
    "top-k": ("POST", "/v1/predict", {"files": multipart(pictures.png()), "params": {"top_k": 11}}),
    "model": ("POST", "/v1/predict", {"files": multipart(pictures.png()), "params": {"model": "absent"}}),
    "route": ("GET", "/v1/absent", {}),
    "method": ("GET", "/v1/predict", {}),
    "ready": ("GET", "/readyz", {}),
    "protocol": ("GET", "/v2/models/cnn", {}),
    "load": ("POST", "/v2/repository/models/cnn/load", {}),
}


@pytest.fixture(scope="module")
def replicas(cluster: Any) -> Iterator[httpx.Client]:
    """A client of two replicas; each of its requests is a connection of its own."""
    from ray import serve

    from app.distributed import app

    port = free_port()
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(app({"min_replicas": "2", "max_replicas": "2"}))
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, limits=limits, timeout=60) as client:
        _wait_for_all_models(client, times=20)
        yield client
    serve.shutdown()


@pytest.fixture(scope="module")
def plain() -> Iterator[Api]:
    with Api(create_app(SETTINGS)) as api:
        _wait_for_all_models(api)
        yield api


def _wait_for_all_models(service: httpx.Client | Api, *, times: int = 1) -> None:
    """The others load beside the first requests, and refusals name what is loaded; ``times`` is to meet each replica."""
    shipped = {manifest.parent.name for manifest in (PROJECT / "models").glob("*/manifest.json")}
    until = time.monotonic() + PATIENCE_S
    while any({model["name"] for model in service.get("/v1/models").json()["models"]} != shipped for _ in range(times)):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_replicas_answer_as_the_plain_service(
    replicas: httpx.Client, plain: Api, request_: tuple[str, str, dict[str, Any]]
) -> None:
    method, path, options = request_
    theirs, ours = replicas.request(method, path, **options), plain.request(method, path, **options)
    assert (theirs.status_code, theirs.headers["content-type"]) == (ours.status_code, ours.headers["content-type"])
    answers = [answer.json() for answer in (theirs, ours)]
    if "request_id" in answers[0]:
        assert theirs.headers["x-request-id"] == answers[0]["request_id"]
    assert _lasting(answers[0]) == _lasting(answers[1])


def test_replicas_share_the_requests(replicas: httpx.Client) -> None:
    pids: set[int] = set()
    for _ in range(100):
        pids.add(replicas.get("/health").json()["pid"])
        if len(pids) == 2:
            return
    raise AssertionError(f"only {pids} answered")


def test_replica_is_added_under_load(replicas: httpx.Client) -> None:
    from ray import serve

    from app.distributed import app

    serve.run(app({"max_replicas": "2", "requests_a_replica": "1"}))
    until, pids = time.monotonic() + PATIENCE_S, {replicas.get("/health").json()["pid"]}
    with ThreadPoolExecutor(8) as clients:
        while len(pids) == 1:
            assert time.monotonic() < until, "there is still one"
            answers = clients.map(lambda _: replicas.post("/v1/predict", files=multipart(pictures.png())), range(200))
            assert {answer.status_code for answer in answers} == {200}
            pids |= {replicas.get("/health").json()["pid"] for _ in range(10)}


def test_replica_with_a_run_that_hangs_tells_ray(cluster: Any, models_dir: Path, session: FakeSession) -> None:
    from app.distributed import Replica

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    settings = Settings(models_dir=models_dir, run_timeout_s=0.05, request_timeout_ms=200)
    replica = Replica(settings, load=functools.partial(load_fake, session=session))
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    with Api(replica.__serve_build_asgi_app__()) as api:
        replica.check_health()
        session.gate.clear()
        assert api.predict(pictures.png()).status_code == 504
        with pytest.raises(ModelStalled):
            replica.check_health()
        session.gate.set()


@pytest.mark.parametrize(
    ("args", "admin_keys", "message"),
    [({"replicas": "2"}, "", "replicas"), ({"min_replicas": "none"}, "", "min_replicas"), ({}, "0" * 64, "DIGITS_ADMIN_KEYS")],
)
def test_app_of_bad_arguments_is_refused(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, args: dict[str, str], admin_keys: str, message: str
) -> None:
    from app.distributed import app

    monkeypatch.setenv("DIGITS_ADMIN_KEYS", admin_keys)
    with pytest.raises(ValueError, match=message):
        app(args)


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in OF_THE_MOMENT}
