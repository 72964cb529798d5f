"""Clients that dawdle, babble or never end, over real sockets to the real server."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.api.connections import MOST_PIPELINED
from tests import pictures
from tests.server import Server

HEADER_S, BODY_S = 0.5, 0.3
LIMIT = 4096
GET = b"GET /livez HTTP/1.1\r\nHost: digits\r\n\r\n"
POST = b"POST /v1/predict HTTP/1.1\r\nHost: digits\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
PNG = pictures.png()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("connections") / "log"
    with Server(log, header_timeout_s=str(HEADER_S), body_timeout_s=str(BODY_S), max_header_bytes=str(LIMIT)) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[socket.socket]:
    host, port = server.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=5)) as client:
        yield client


def _until_closed(client: socket.socket) -> tuple[bytes, float]:
    """What comes until the server closes, and the seconds until then."""
    started, received = time.monotonic(), b""
    while True:
        try:
            data = client.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return received, time.monotonic() - started
        received += data


def _answer(client: socket.socket) -> bytes:
    """One answer, whole; the connection stays."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length
    while len(body) < int(length[1]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def _seconds_of_dripping(client: socket.socket, drop: bytes) -> float:
    """How long the server puts up with a drop now and then."""
    started = time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() < started + HEADER_S * 4:
            client.sendall(drop)
            time.sleep(HEADER_S / 10)
    return time.monotonic() - started


def _assert_problem(answer: bytes, status: int, slug: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"content-type: application/problem+json" in head
    assert b"\r\nx-content-type-options: nosniff" in head
    document = json.loads(body)
    assert (document["status"], document["type"]) == (status, f"/problems/{slug}")


def test_connection_without_a_byte_is_closed_in_time(client: socket.socket) -> None:
    received, seconds = _until_closed(client)
    assert received == b""
    assert HEADER_S / 2 < seconds < HEADER_S * 3


@pytest.mark.parametrize("begun", [b"G", b"GET /livez HTTP/1.1\r\nHost: digits\r\nX-Slow: a"])
def test_header_that_never_ends_is_answered_and_closed_in_time(client: socket.socket, begun: bytes) -> None:
    client.sendall(begun)
    received, seconds = _until_closed(client)
    _assert_problem(received, 408, "slow-header")
    assert seconds < HEADER_S * 3


@pytest.mark.parametrize(("begun", "drop"), [(b"GET /", b"a"), (b"\r\n", b"\r\n")])
def test_header_in_drops_gains_no_time(client: socket.socket, begun: bytes, drop: bytes) -> None:
    client.sendall(GET)
    _answer(client)
    client.sendall(begun)
    assert HEADER_S / 2 < _seconds_of_dripping(client, drop) < HEADER_S * 3


def test_connection_between_requests_may_idle_longer_than_a_header(client: socket.socket) -> None:
    for _ in range(2):
        client.sendall(GET)
        assert _answer(client).startswith(b"HTTP/1.1 200")
        time.sleep(HEADER_S * 1.5)
    client.sendall(GET)
    assert _answer(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "header",
    [
        GET[:-2] + b"X-Long: " + b"a" * LIMIT + b"\r\n\r\n",
        b"GET /" + b"a" * LIMIT + b" HTTP/1.1\r\nHost: digits\r\n\r\n",
        GET[:-2] + b"X-Short: a\r\n" * (LIMIT // 10),
    ],
    ids=["long field", "long path", "many fields without end"],
)
def test_header_too_large_is_refused(client: socket.socket, header: bytes) -> None:
    client.sendall(header)
    received, seconds = _until_closed(client)
    _assert_problem(received, 431, "header-too-large")
    assert seconds < HEADER_S / 2


def test_header_within_the_limit_passes_with_a_body_beyond_it(client: socket.socket) -> None:
    large = PNG + bytes(LIMIT * 2)
    client.sendall(POST % len(large) + large)
    assert _answer(client).startswith(b"HTTP/1.1 200")


def test_no_http_is_refused(client: socket.socket) -> None:
    client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    _assert_problem(_until_closed(client)[0], 400, "not-http")


def test_garbage_after_a_request_does_not_spoil_its_answer(client: socket.socket) -> None:
    client.sendall(POST % len(PNG) + PNG + b"\x00garbage\x00")
    received, _ = _until_closed(client)
    assert received.startswith(b"HTTP/1.1 200")
    assert received.count(b"HTTP/1.1") == 1


def test_body_that_never_ends_is_answered_and_closed_in_time(client: socket.socket) -> None:
    client.sendall(POST % len(PNG) + PNG[:10])
    received, seconds = _until_closed(client)
    _assert_problem(received, 408, "slow-body")
    assert seconds < BODY_S + HEADER_S * 3


def test_body_that_drips_after_its_answer_is_closed_in_time(client: socket.socket) -> None:
    client.sendall(GET[:-2] + b"Content-Length: 1000000\r\n\r\n")
    assert _answer(client).startswith(b"HTTP/1.1 200")  # a route that reads no body
    assert _seconds_of_dripping(client, b"x") < HEADER_S * 3


def test_body_that_ends_after_its_answer_leaves_the_connection_usable(client: socket.socket) -> None:
    client.sendall(GET[:-2] + b"Content-Length: 10\r\n\r\n12345")
    assert _answer(client).startswith(b"HTTP/1.1 200")
    client.sendall(b"67890")
    time.sleep(HEADER_S * 1.5)
    client.sendall(GET)
    assert _answer(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
def test_answer_that_nobody_reads_is_given_up_in_time(server: Server, last: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect((host, int(port)))
        client.settimeout(5)
        client.sendall(
            b"GET /assets/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: digits\r\n\r\n" * 5 + GET[:-2] + last + b"\r\n"
        )
        time.sleep(BODY_S * 4)
        received, _ = _until_closed(client)
    assert received.count(b"HTTP/1.1 200") < 6  # what the buffers held


def test_requests_at_once_are_answered_in_order(client: socket.socket) -> None:
    client.sendall(POST % len(PNG) + PNG + GET + GET[:-2] + b"Connection: close\r\n\r\n")
    received, _ = _until_closed(client)
    assert received.count(b"HTTP/1.1 200") == 3


def test_requests_at_once_beyond_the_limit_are_not_looked_at(client: socket.socket) -> None:
    client.sendall(GET * 1000)
    received, seconds = _until_closed(client)
    assert received.count(b"HTTP/1.1 200") == MOST_PIPELINED + 1
    assert seconds < 5


def test_refused_connections_are_counted_and_logged(server: Server, client: socket.socket) -> None:
    client.sendall(b"nonsense\r\n\r\n")
    _until_closed(client)
    assert 'digits_refused_requests_total{problem="not-http"}' in server.get("/metrics").text
    assert '"message":"connection refused"' in server.log


def test_client_that_leaves_with_requests_waiting_is_no_fault(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for _ in range(10):
        with closing(socket.create_connection((host, int(port)), timeout=5)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves by a reset
            client.sendall((POST % len(PNG) + PNG) * 50)
            client.recv(100)
    server.wait_until(lambda: server.get("/health").json()["queued_images"] == 0)
    assert "unexpected fault" not in server.log
    assert '"level":"error"' not in server.log
