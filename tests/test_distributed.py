"""The service as replicas of Ray Serve answers what the plain service answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from tests import pictures
from tests.client import Api, multipart

# Ray's own warnings are not ours to mend.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]

SETTINGS = Settings(provider="cpu", intra_op_threads=1)
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
    "blank": ("POST", "/v1/predict", {"files": multipart(pictures.encoded(pictures.Image.new("L", (28, 28)), "PNG"))}),
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

    from app.distributed import Scale, of_settings

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(of_settings(SETTINGS, Scale(min_replicas=2, max_replicas=2)))
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, limits=limits, timeout=60) as client:
        yield client
    serve.shutdown()


@pytest.fixture(scope="module")
def plain() -> Iterator[Api]:
    with Api(create_app(SETTINGS)) as api:
        yield api


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


def test_replica_asked_for_its_health_is_well(replicas: httpx.Client) -> None:
    from app.distributed import Replica

    Replica(SETTINGS).check_health()


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in OF_THE_MOMENT}
