"""An open loop of requests, on plain asyncio streams: they come when they are due, whatever becomes of those before."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from app.logs import new_request_id
from tests.server import Server
from training.strokes import as_png, draw_digit

LABELS: Final = tuple("0123456789")
# A 28×28 frame for each label, which the shipped model reads rightly: the body of each request.
PICTURES: Final = tuple(as_png(draw_digit(label, size=28)) for label in LABELS)
MOST_CONNECTIONS: Final = 800
ANSWER_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request.

    Attributes:
        request_id: its X-Request-ID.
        due: when it was to be sent, on the monotonic clock.
        seconds: from then to its whole answer.
        status: of the answer; 0 where none came though all was sent, -1 where it could not be sent.
        right: whether a 200 has the label of the picture that was sent, and a 503 its Retry-After.
    """

    request_id: str
    due: float
    seconds: float
    status: int
    right: bool


@dataclass
class Load:
    """What was sent so far.

    Attributes:
        url: of the service.
        pictures: of the digits from 0 to 9.
        request_of: makes a whole request of a picture and an id.
        outcomes: of all requests, in the order of their ends.
    """

    url: str
    pictures: Sequence[bytes] = PICTURES
    request_of: Callable[[bytes, str], bytes] = field(default_factory=lambda: request_of)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        host, _, port = self.url.removeprefix("http://").partition(":")
        self._address = host, int(port)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._random = random.Random(0)  # noqa: S311 - no secret
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, per_second: float, seconds: float) -> list[Outcome]:
        """Send requests at random intervals (a Poisson process) for a while, and wait for their answers."""
        before, due = len(self.outcomes), time.monotonic()
        end = due + seconds
        while (due := due + self._random.expovariate(per_second)) < end:
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            if len(self._under_way) >= MOST_CONNECTIONS:
                await asyncio.sleep(0)
                continue
            task = asyncio.create_task(self._request(due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if self._under_way:
            await asyncio.wait(self._under_way)
        return self.outcomes[before:]

    @asynccontextmanager
    async def beside(self, per_second: float) -> AsyncIterator[None]:
        """Send while the block runs."""
        sending = asyncio.create_task(self.send(per_second, 3600))
        try:
            yield
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            if self._under_way:
                await asyncio.wait(self._under_way)

    def close(self) -> None:
        """Close what is open."""
        while self._idle:
            self._idle.pop()[1].close()

    def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection that the server has not closed meanwhile; a server may keep idle ones for a few seconds only."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _request(self, due: float) -> None:
        number = self._random.randrange(len(LABELS))
        request_id = f"load-{new_request_id()}"  # not of the seed: several loads' requests are looked for in one log
        status, right = -1, False
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = self._open() or await asyncio.open_connection(*self._address)
                writer.write(self.request_of(self.pictures[number], request_id))
                status = 0
                head, body = await read_answer(reader)
            status = int(head[9:12])
            right = _label_of(body) == LABELS[number] if status == 200 else b"\r\nretry-after: " in head.lower()
            if b"\r\nconnection: close" in head.lower():
                writer.close()
            else:
                self._idle.append((reader, writer))
        except (OSError, EOFError, TimeoutError):
            if status == 0:
                writer.close()
        self.outcomes.append(Outcome(request_id, due, time.monotonic() - due, status, right))


def request_of(picture: bytes, request_id: str = "one") -> bytes:
    """A whole request for /v1/predict."""
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: digits\r\nX-Request-ID: {request_id}\r\n"
        f"Content-Type: image/png\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    return head.encode() + picture


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One answer's head and body; raises EOFError where the connection ends before."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


def _label_of(body: bytes) -> str:
    answer = json.loads(body)
    return str(answer.get("predictions", [answer])[0]["label"])


def p99_ms(outcomes: Sequence[Outcome]) -> float:
    """Of the answers with 200; NaN without any."""
    answered = [outcome.seconds * 1000 for outcome in outcomes if outcome.status == 200]
    return float(np.percentile(answered, 99)) if answered else float("nan")


def lost(outcomes: Sequence[Outcome], log: str) -> int:
    """Requests that the server had accepted and did not answer: an error, or no answer though its log has a line of them."""
    failed = Counter(outcome.status for outcome in outcomes if outcome.status >= 500 and outcome.status != 503)
    return failed.total() + sum(outcome.status == 0 and f'"{outcome.request_id}"' in log for outcome in outcomes)


def wrong(outcomes: Sequence[Outcome]) -> int:
    """Answers with another label than the picture's, and refusals without Retry-After."""
    return sum(outcome.status in (200, 503) and not outcome.right for outcome in outcomes)


def memory_mb(server: Server) -> float:
    """Resident memory of the process (Linux)."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
