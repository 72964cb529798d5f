from __future__ import annotations

import asyncio
import functools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from app.api import connections
from app.main import create_app
from app.services import Services
from app.settings import Settings
from tests import pictures
from tests.client import multipart
from tests.fakes import FakeSession, load_fake


@contextmanager
def _serving(app: FastAPI, http: type[asyncio.Protocol] | str) -> Iterator[int]:
    """The app behind the real server, whose way to tell that a client left is what counts here: its port."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, loop="asyncio", http=http))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def _wait_until(services: Services, waiting: int) -> None:
    until = time.monotonic() + 5
    while services.images.taken != waiting:
        assert time.monotonic() < until, f"{services.images.taken} images, not {waiting}"
        time.sleep(0.005)


@pytest.mark.parametrize("files", [1, 40])
@pytest.mark.parametrize("ours", [True, False], ids=["our connections", "another server's"])
def test_predict_client_that_leaves_takes_its_images_out_of_the_queue(
    models_dir: Path, session: FakeSession, ours: bool, files: int
) -> None:
    request = httpx.Request("POST", "http://digits/v1/predict", files=multipart(*[pictures.png()] * files))
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    message = f"POST /v1/predict HTTP/1.1\r\n{head}\r\n".encode() + request.read()
    load = functools.partial(load_fake, session=session)
    settings = Settings(models_dir=models_dir, max_batch_images=4, request_timeout_ms=60_000)
    app = create_app(settings, load=load)
    services: Services = app.state.services
    with _serving(app, connections.of(settings, services.metrics) if ours else "httptools") as port:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            while http.get("/readyz").status_code != 200:
                time.sleep(0.01)
        batcher = services.registry.get().batcher
        session.gate.clear()
        session.entered.clear()
        with socket.create_connection(("127.0.0.1", port)) as stays:
            stays.sendall(message)
            assert session.entered.wait(5)
            runs = len(session.sizes)
            with socket.create_connection(("127.0.0.1", port)) as leaves:
                leaves.sendall(message)
                _wait_until(services, 2 * files)
            _wait_until(services, files)
            assert batcher.queued_images == max(0, files - 4)  # of the one that stays
            session.gate.set()
            assert stays.recv(12) == b"HTTP/1.1 200"
        assert sum(session.sizes[runs - 1 :]) == files
