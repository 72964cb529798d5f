"""An answer's head and body in one packet."""

from __future__ import annotations

from asyncio import Transport
from typing import Any, Final

ANSWER: Final = b"HTTP/1.1 "
INTERIM: Final = b"HTTP/1.1 1"  # 100 Continue has no body


class Joined:
    """A transport that holds an answer's head back until the body's first part comes, as it does at once.

    uvicorn writes them apart; each write is a system call through the whole network stack and a packet for the client to
    read: together 10 µs of CPU on either side.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing  # asked for with each request

    def write(self, data: bytes) -> None:
        """Write, or hold a head."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(ANSWER) and not data.startswith(INTERIM) and data.endswith(b"\r\n\r\n"):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write what is held: an answer to HEAD has no body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Write what is held, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
