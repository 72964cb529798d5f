"""The load test against a real server whose every answer is known."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer import BadParameter

from benchmarks import load

PICTURE = load.Body.of_picture("seven.png", b"not read by this server")
PROBLEM = json.dumps({"type": "/problems/overloaded", "status": 503}).encode()
SCRIPT = (
    (200, b"application/json", b"{}"),
    (200, b"application/json", b"{}"),
    (503, b"application/problem+json", PROBLEM),
    (500, b"text/plain", b"broken"),
)


class ScriptedServer:
    """Answers by ``SCRIPT``, over and over, and counts what it answered."""

    def __init__(self) -> None:
        self.answered: Counter[int] = Counter()
        self.bodies: set[bytes] = set()
        self._script = itertools.cycle(SCRIPT)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.bodies.add(body)
        status, media_type, content = next(self._script)
        self.answered[status] += 1
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", media_type)]})
        await send({"type": "http.response.body", "body": content})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def scripted(listener: socket.socket) -> Iterator[ScriptedServer]:
    app = ScriptedServer()
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield app
    server.should_exit = True
    thread.join()


@pytest.fixture
def url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1/predict"


def test_measure_a_server_of_known_answers_counts_each_and_errors_by_kind(scripted: ScriptedServer, url: str) -> None:
    report = asyncio.run(load.measure(url, [PICTURE], clients=4, seconds=0.6))
    assert len(report.latencies_ms) == scripted.answered[200] > 0
    assert report.errors == {"503 overloaded": scripted.answered[503], "500": scripted.answered[500]}
    assert report.requests == scripted.answered.total()
    assert 0.6 <= report.elapsed_s < 5
    assert report.answers_per_second == pytest.approx(scripted.answered[200] / report.elapsed_s)
    assert 0 < report.percentile_ms(50) <= report.percentile_ms(95) <= report.percentile_ms(99)
    assert report.client_load > 0
    assert scripted.bodies == {PICTURE.content}


def test_measure_with_warm_up_leaves_its_answers_out(scripted: ScriptedServer, url: str) -> None:
    report = asyncio.run(load.measure(url, [PICTURE], clients=2, seconds=0.2, warm_up_s=0.2))
    assert 0 < report.requests < scripted.answered.total()


def test_measure_at_a_rate_sends_so_many_and_counts_the_wait(scripted: ScriptedServer, url: str) -> None:
    report = asyncio.run(load.measure(url, [PICTURE], clients=8, seconds=1.0, rate=100))
    assert 60 <= report.requests <= 150
    flooded = asyncio.run(load.measure(url, [PICTURE], clients=1, seconds=0.2, rate=5_000))
    assert flooded.percentile_ms(99) > 100  # one client cannot send so many: the last were due long ago


def test_measure_in_processes_adds_up(scripted: ScriptedServer, url: str) -> None:
    report = load.measure_in(2, url, [PICTURE], clients=3, rate=None, seconds=0.3)
    assert report.clients == 3
    assert report.requests == scripted.answered.total()
    assert report.errors.total() == scripted.answered[503] + scripted.answered[500]


def test_measure_where_nothing_listens_names_the_exception() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused, and taken by nobody else meanwhile
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        report = asyncio.run(load.measure(url, [PICTURE], clients=2, seconds=0.2))
    assert set(report.errors) == {"ConnectError"}
    assert report.answers_per_second == 0


def test_main_prints_a_row_and_each_kind_of_error(
    scripted: ScriptedServer, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "seven.png"
    picture.write_bytes(b"any")
    load.main([picture], url, clients=2, seconds=0.2, warm_up=0)
    printed = capsys.readouterr().out
    assert "answers/s" in printed
    assert "503 overloaded" in printed


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://127.9.9.9/", "http://localhost:8000/", "http://[::1]:8000/"])
def test_check_local_of_this_machine_passes(url: str) -> None:
    load.check_local(url)


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://digits.example/", "http://localhost.example/", "http:///path"])
def test_check_local_of_another_machine_raises(url: str) -> None:
    with pytest.raises(BadParameter, match="--allow-remote"):
        load.check_local(url)
