"""Answers go out in one packet where they can, and are what uvicorn would have sent in several."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from app.api import connections
from app.api.middleware import RequestContext
from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings
from tests import pictures
from tests.fakes import load_fake

GET = b"GET / HTTP/1.1\r\nHost: digits\r\nX-Request-ID: one\r\n\r\n"
PNG = pictures.png()
POST = b"POST /v1/predict HTTP/1.1\r\nHost: digits\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%b" % (len(PNG), PNG)
JSON = (b"content-type", b"application/json")


class Wire(asyncio.Transport):
    """Remembers what was written, each packet by itself, and whether the server ``ended`` the connection."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def answering(*parts: bytes, headers: Sequence[tuple[bytes, bytes]] = (), status: int = 200) -> ASGIApp:
    """An app that sends these parts as its body, with its length announced unless ``headers`` has one."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        length = (b"content-length", b"%d" % sum(map(len, parts)))
        names = [name for name, _ in headers]
        fields = [*headers] if {b"content-length", b"transfer-encoding"} & {*names} else [length, *headers]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        for index, part in enumerate(parts):
            await send({"type": "http.response.body", "body": part, "more_body": index < len(parts) - 1})

    return app


def connect(app: ASGIApp, wire: Wire, *default_headers: tuple[bytes, bytes]) -> tuple[connections.LimitedProtocol, ServerState]:
    protocol_class = connections.of(Settings(), Metrics())
    config = uvicorn.Config(app, http=protocol_class, log_config=None, access_log=False)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"now"), *default_headers]
    protocol = protocol_class(config=config, server_state=state, app_state={})
    protocol.connection_made(wire)
    return protocol, state


async def exchange(app: ASGIApp, sent: bytes, *, default_headers: Sequence[tuple[bytes, bytes]] = ()) -> Wire:
    wire = Wire()
    protocol, state = connect(RequestContext(app, metrics=Metrics()), wire, *default_headers)
    protocol.data_received(sent)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not state.tasks
    wire.ended = wire.closed
    protocol.connection_lost(None)
    return wire


def test_usual_answer_is_one_packet() -> None:
    wire = asyncio.run(exchange(answering(b"{}", headers=[JSON]), GET))
    (packet,) = wire.sent
    head, _, body = packet.partition(b"\r\n\r\n")
    assert body == b"{}"
    lines = head.split(b"\r\n")
    assert lines[:3] == [b"HTTP/1.1 200 OK", b"date: now", b"content-length: 2"]
    assert b"x-request-id: one" in lines
    assert b"x-content-type-options: nosniff" in lines
    assert not wire.ended


def test_each_of_several_requests_in_one_packet_gets_its_own() -> None:
    wire = asyncio.run(exchange(answering(b"{}"), GET + GET.replace(b"one", b"two")))
    assert [(b"\r\nx-request-id: one" in sent, b"\r\nx-request-id: two" in sent) for sent in wire.sent] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("app", "sent", "default_headers"),
    [
        (answering(b"{}", headers=[JSON]), GET, ()),
        (answering(b"no", status=404), GET, ()),
        (answering(b"", status=204), GET, ()),
        (answering(b"{}"), GET.replace(b"GET", b"HEAD"), ()),
        (answering(b"{}"), GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), ()),
        (answering(b"{}"), GET.replace(b"HTTP/1.1", b"HTTP/1.0"), ()),
        (answering(b"{}"), GET, [(b"connection", b"close")]),
        (answering(b"{}", headers=[(b"connection", b"close")]), GET, ()),
        (answering(b"{", b"}"), GET, ()),
        (answering(b"{}", headers=[(b"transfer-encoding", b"chunked")]), GET, ()),
        (answering(b"{}", headers=[(b"content-length", b"3")]), GET, ()),
        (answering(b"{}"), GET + GET, ()),
    ],
)
def test_bytes_are_those_that_uvicorn_sends(
    app: ASGIApp, sent: bytes, default_headers: Sequence[tuple[bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asyncio.run(exchange(app, sent, default_headers=default_headers))
    monkeypatch.setattr(connections, "send_whole", lambda *_: False)
    parts = asyncio.run(exchange(app, sent, default_headers=default_headers))
    assert b"".join(whole.sent) == b"".join(parts.sent) != b""
    assert whole.ended == parts.ended


def test_header_that_holds_another_is_not_sent() -> None:
    wire = asyncio.run(exchange(answering(b"{}", headers=[(b"x-a", b"1\r\nx-b: 2")]), GET))
    assert b"x-b" not in b"".join(wire.sent)


def test_app_that_fails_before_its_body_is_answered_500() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    wire = asyncio.run(exchange(app, GET))
    assert b"".join(wire.sent).startswith(b"HTTP/1.1 500 ")


def test_server_without_the_extension_gets_both_parts() -> None:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(RequestContext(answering(b"{}"), metrics=Metrics())(scope, receive, send))
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]


@pytest.mark.anyio
async def test_answered_request_leaves_nothing_to_the_garbage_collector(models_dir: Path) -> None:
    wire, app = Wire(), create_app(Settings(models_dir=models_dir), load=load_fake)
    async with app.router.lifespan_context(app):
        protocol, state = connect(app, wire)

        async def ask(times: int) -> None:
            for _ in range(times):
                protocol.data_received(POST)
                while state.tasks:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.001)

        await ask(3)
        gc.collect()
        gc.disable()
        try:
            await ask(10)
            found = gc.collect()
        finally:
            gc.enable()
        protocol.connection_lost(None)
    assert [sent[:12] for sent in wire.sent] == [b"HTTP/1.1 200"] * 13
    assert found < 10
