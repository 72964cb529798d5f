"""Clients that dawdle, lie, leave or never end: ``python -m tests.reliability.rude NAME HOST PORT CLIENTS SECONDS``.

A process of their own, so that what they do to the service is measured, and not what they do to who measures.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from tests.reliability.load import PICTURES, request_of

Address = tuple[str, int]
Rude = Callable[[Address], Awaitable[None]]

MANY: Final = 20
GET: Final = b"GET /livez HTTP/1.1\r\nHost: digits\r\n\r\n"
POST: Final = b"POST /v1/predict HTTP/1.1\r\nHost: digits\r\nContent-Type: image/png\r\n"
FORM: Final = b"POST /v1/predict HTTP/1.1\r\nHost: digits\r\nContent-Type: multipart/form-data; boundary=b\r\n"
PICTURE: Final = request_of(PICTURES[7])


async def slow_header(address: Address) -> None:
    """A byte now and then."""
    await _drip(address, b"GET / HTTP/1.1\r\nHost: digits\r\nX: ", b"a", every_s=0.1)


async def slow_body(address: Address) -> None:
    """A byte of a megabyte now and then."""
    await _drip(address, POST + b"Content-Length: 1000000\r\n\r\n", b"a", every_s=0.1)


async def endless_header(address: Address) -> None:
    """Fields without end, as fast as they go."""
    await _drip(address, b"GET / HTTP/1.1\r\n", b"X-Field: value\r\n" * 500, every_s=0)


async def chunked_bomb(address: Address) -> None:
    """A body in chunks that never end."""
    await _drip(address, POST + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(0x10000) + b"\r\n", every_s=0)


async def tiny_chunks(address: Address) -> None:
    """A body of 20,000 chunks of one byte."""
    await _say(
        address, POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n"
    )


async def half_an_upload(address: Address) -> None:
    """Half of the picture, and away."""
    await _leave(address, PICTURE[:-100], reset=False)


async def leave_in_the_header(address: Address) -> None:
    """Half of the header, and a reset."""
    await _leave(address, PICTURE[:40], reset=True)


async def leave_before_the_answer(address: Address) -> None:
    """The whole request, and a reset."""
    await _leave(address, PICTURE, reset=True)


async def leave_amid_the_answer(address: Address) -> None:
    """A large answer begins, and the client resets."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: digits\r\n\r\n")
    await reader.read(1000)
    _reset(writer)


async def too_short_a_length(address: Address) -> None:
    """The length is too small: what follows is no request."""
    await _say(address, POST + b"Content-Length: 10\r\n\r\n" + PICTURES[7])


async def two_lengths(address: Address) -> None:
    """Length and chunks contradict each other."""
    await _say(address, POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


async def pipelining(address: Address) -> None:
    """A hundred requests in one write."""
    await _say(address, GET * 99 + GET[:-2] + b"Connection: close\r\n\r\n")


async def unread_answers(address: Address) -> None:
    """Answers are asked for and never read."""
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        narrow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(narrow, address)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await loop.sock_sendall(narrow, b"GET /openapi.json HTTP/1.1\r\nHost: digits\r\n\r\n" * 2000)
                await asyncio.sleep(1)


async def endless_part_headers(address: Address) -> None:
    """A multipart body of nothing but header fields."""
    await _form(address, b"--b\r\n" + b"X-Field: value\r\n" * 60_000)


async def tiny_parts(address: Address) -> None:
    """A multipart body of 100,000 parts."""
    await _form(address, b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 100_000 + b"--b--\r\n")


async def nothing_at_all(address: Address) -> None:
    """A connection without a byte."""
    _, writer = await asyncio.open_connection(*address)
    try:
        await asyncio.sleep(60)
    finally:
        writer.close()


# How many of each at a time, again and again: a few that cost much, many that cost nothing.
EACH: Final[dict[Rude, int]] = {
    slow_header: MANY,
    slow_body: MANY,
    endless_header: 2,
    chunked_bomb: 1,
    tiny_chunks: 1,
    half_an_upload: 2,
    leave_in_the_header: 2,
    leave_before_the_answer: 2,
    leave_amid_the_answer: 2,
    too_short_a_length: 2,
    two_lengths: 2,
    pipelining: 1,
    unread_answers: 4,
    endless_part_headers: 1,
    tiny_parts: 1,
}
PAUSE_S: Final = 0.05


async def _again_and_again(rude: Rude, address: Address, at_a_time: int, seconds: float) -> None:
    async def one() -> None:
        while True:
            with suppress(OSError, EOFError):
                await rude(address)
            await asyncio.sleep(PAUSE_S)

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(one() for _ in range(at_a_time)))


async def _drip(address: Address, begun: bytes, drop: bytes, *, every_s: float) -> None:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(begun)
        while not reader.at_eof():
            writer.write(drop)
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s or 0.001):
                    await reader.read(65536)
    finally:
        writer.close()


async def _say(address: Address, everything: bytes) -> None:
    """Send it all and read until the server closes, or for a second."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(everything)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                while await reader.read(65536):
                    pass
    finally:
        writer.close()


async def _form(address: Address, body: bytes) -> None:
    await _say(address, FORM + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def _leave(address: Address, said: bytes, *, reset: bool) -> None:
    _, writer = await asyncio.open_connection(*address)
    writer.write(said)
    await writer.drain()
    if reset:
        _reset(writer)
    else:
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of a polite end."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def main(name: str, host: str, port: str, clients: str, seconds: str) -> None:
    """Say that it begins, do it, and end."""
    (rude,) = (rude for rude in (*EACH, nothing_at_all) if rude.__name__ == name)
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    asyncio.run(_again_and_again(rude, (host, int(port)), int(clients), float(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
