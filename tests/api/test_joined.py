"""Answers in as few packets as they can be, and none held back."""

from __future__ import annotations

from asyncio import Transport

import pytest

from app.api.joined import Joined

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire(Transport):
    """Remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.sent.append(b"closed")

    def is_closing(self) -> bool:
        return self.sent[-1:] == [b"closed"]


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_head_and_body_go_out_together(wire: Wire) -> None:
    joined = Joined(wire)
    joined.write(HEAD)
    assert wire.sent == []
    joined.write(b"ok")
    joined.write(b"more")
    assert wire.sent == [HEAD + b"ok", b"more"]


def test_head_whose_body_is_empty_goes_out(wire: Wire) -> None:
    joined = Joined(wire)
    joined.write(HEAD)
    joined.write(b"")
    assert wire.sent == [HEAD]


def test_head_without_a_body_goes_out_at_the_answers_end(wire: Wire) -> None:
    joined = Joined(wire)
    joined.write(HEAD)
    joined.flush()
    joined.flush()
    assert wire.sent == [HEAD]


def test_interim_answer_is_not_held(wire: Wire) -> None:
    joined = Joined(wire)
    joined.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(wire.sent) == 1


def test_close_writes_what_is_held_first(wire: Wire) -> None:
    joined = Joined(wire)
    joined.write(HEAD)
    joined.close()
    assert wire.sent == [HEAD, b"closed"]
    assert joined.is_closing()
