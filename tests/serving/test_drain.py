"""How the service ends: what it had accepted is answered, and whoever comes later is told so."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import pytest

from app.main import create_app
from app.server import Server
from app.settings import PROJECT, Settings
from tests import pictures, server
from tests.client import multipart
from tests.fakes import FakeSession, load_fake

PNG = pictures.png()
CLIENTS = 8


@dataclass
class Running:
    """A server on this test's own loop, and a client with open connections to it."""

    session: FakeSession
    http: httpx.AsyncClient
    ended: asyncio.Task[None]

    async def predict(self) -> httpx.Response:
        return await self.http.post("/v1/predict", files=multipart(PNG))

    async def ends_within(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self.ended

    async def is_busy(self) -> None:
        assert await asyncio.to_thread(self.session.entered.wait, 5)


@asynccontextmanager
async def running(models_dir: Path, session: FakeSession, **settings: Any) -> AsyncIterator[Running]:
    made = Settings(models_dir=models_dir, port=0, **settings)
    started = asyncio.Event()
    app = create_app(made, load=lambda folder: load_fake(folder, session=session))
    uvicorn = Server(app, made, on_started=started.set)
    ended = asyncio.create_task(uvicorn.serve())
    await started.wait()
    port = uvicorn.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            yield Running(session, http, ended)
    finally:
        session.gate.set()
        if not ended.done():
            signal.raise_signal(signal.SIGINT)
        await ended


@pytest.mark.anyio
async def test_sigterm_is_not_ready_at_once_and_serves_for_the_delay(models_dir: Path, session: FakeSession) -> None:
    async with running(models_dir, session, drain_delay_s=0.6) as service:
        assert "connection" not in (await service.predict()).headers
        signal.raise_signal(signal.SIGTERM)
        response = await service.http.get("/readyz")
        assert (response.status_code, response.json()["type"]) == (503, "/problems/shutting-down")
        assert (await service.http.get("/health")).json()["status"] == "draining"
        await asyncio.sleep(0.3)
        answer = await service.predict()
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert not service.ended.done()
        await service.ends_within(2)
        with pytest.raises(httpx.ConnectError):
            await service.predict()


@pytest.mark.anyio
async def test_end_finishes_what_runs_and_takes_no_connection(models_dir: Path, session: FakeSession) -> None:
    async with running(models_dir, session, drain_delay_s=0) as service:
        session.gate.clear()
        early = asyncio.create_task(service.predict())
        await service.is_busy()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        with pytest.raises(httpx.ConnectError):
            await service.predict()
        session.gate.set()
        assert (await early).status_code == 200
        await service.ends_within(2)


@pytest.mark.anyio
async def test_open_connection_gets_a_refusal_before_it_is_closed(models_dir: Path, session: FakeSession) -> None:
    async with running(models_dir, session, drain_delay_s=0) as service:
        await service.predict()
        signal.raise_signal(signal.SIGTERM)
        statuses = set()
        while not service.ended.done():
            try:
                late = await service.predict()
            except httpx.ConnectError:
                break
            statuses.add(late.status_code)
        assert late.json()["type"] == "/problems/shutting-down"
        assert late.headers["connection"] == "close"
        assert statuses <= {200, 503}


@pytest.mark.anyio
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGINT]], ids=["Ctrl-C", "SIGTERM, Ctrl-C"])
async def test_ctrl_c_waits_for_no_delay(models_dir: Path, session: FakeSession, signals: list[signal.Signals]) -> None:
    async with running(models_dir, session, drain_delay_s=30) as service:
        for number in signals:
            signal.raise_signal(number)
        await service.ends_within(2)


@pytest.mark.anyio
async def test_second_sigterm_ends_the_delay_unless_it_is_the_same_stop(models_dir: Path, session: FakeSession) -> None:
    async with running(models_dir, session, drain_delay_s=30) as service:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(1.1)
        assert not service.ended.done()
        signal.raise_signal(signal.SIGTERM)
        await service.ends_within(2)


@pytest.mark.anyio
async def test_second_ctrl_c_waits_for_no_request(models_dir: Path, session: FakeSession) -> None:
    async with running(models_dir, session) as service:
        session.gate.clear()
        stuck = asyncio.create_task(service.predict())
        await service.is_busy()
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0.2)
        assert not service.ended.done()
        signal.raise_signal(signal.SIGINT)
        await service.ends_within(2)
        session.gate.set()
        stuck.cancel()


@dataclass
class Load:
    """Clients that ask again as soon as they are answered, until the server has gone."""

    url: str
    statuses: list[int] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    async def run(self) -> None:
        tls = httpx.create_ssl_context()  # made once, it takes longer than many requests
        await asyncio.gather(*(self._client(number, tls) for number in range(CLIENTS)))

    async def _client(self, number: int, tls: ssl.SSLContext) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=tls) as http:
            for count in range(100_000):
                request_id = f"client-{number}-{count}"
                try:
                    answer = await http.post("/v1/predict", files=multipart(PNG), headers={"x-request-id": request_id})
                except httpx.ConnectError:
                    return
                except httpx.TransportError:
                    self.unanswered.append(request_id)
                    return
                self.statuses.append(answer.status_code)


@pytest.mark.anyio
@pytest.mark.parametrize(("workers", "delay_s"), [(1, 0.0), (1, 0.5), (2, 0.5)])
async def test_sigterm_under_load_loses_nothing_that_was_accepted(tmp_path: Path, workers: int, delay_s: float) -> None:
    with server.Server(tmp_path / "log", workers=str(workers), drain_delay_s=str(delay_s)) as service:
        await asyncio.to_thread(service.wait_until, lambda: workers == 1 or len(service.workers) == workers)
        load = Load(service.url)
        clients = asyncio.create_task(load.run())
        await asyncio.to_thread(service.wait_until, lambda: len(load.statuses) > 10 * CLIENTS)
        served = len(load.statuses)
        service.send(signal.SIGTERM)
        assert await asyncio.to_thread(service.wait) == 0
        await clients
    assert set(load.statuses) <= {200, 503}
    assert load.statuses.count(503) <= CLIENTS
    assert len(load.statuses) > served
    # A request that the server had read has a line in its log, however it ended.
    assert [request_id for request_id in load.unanswered if f'"{request_id}"' in service.log] == []


def test_sigterm_before_it_serves_ends_it_at_once(tmp_path: Path) -> None:
    manifest = tmp_path / "cnn" / "manifest.json"
    manifest.parent.mkdir()
    os.mkfifo(manifest)  # whoever reads it waits for a writer: the start stands still amid the loading of the model
    with _starting(models_dir=str(tmp_path), drain_delay_s="30") as process, _when_read(manifest):
        until = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < until:
            process.terminate()  # again: a read that began just after the signal does not hear of it
            time.sleep(0.5)
        _, errors = process.communicate(timeout=1)
    assert process.returncode in (0, -signal.SIGTERM)
    assert b"Traceback" not in errors


def test_sigterm_amid_the_imports_ends_it_without_a_traceback() -> None:
    with _starting(drain_delay_s="0") as process:
        time.sleep(0.1)
        process.terminate()
        _, errors = process.communicate(timeout=10)
    # Before the interpreter is up nothing can be caught.
    assert process.returncode in (0, -signal.SIGTERM)
    assert b"Traceback" not in errors


@contextmanager
def _starting(**settings: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"DIGITS_PORT": "0"} | {f"DIGITS_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "app.cli", "serve"]
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def _when_read(fifo: Path) -> BinaryIO:
    """Wait until a process reads the pipe, which goes on waiting as long as this end is open and silent."""
    until = time.monotonic() + server.START_TIMEOUT_S
    while True:
        try:
            return open(fifo, "wb", buffering=0, opener=lambda path, flags: os.open(path, flags & ~os.O_CREAT | os.O_NONBLOCK))
        except OSError:  # ENXIO: nobody reads yet
            assert time.monotonic() < until
            time.sleep(0.02)
