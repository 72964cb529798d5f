"""A little work in each turn of the event loop, so that between two turns the loop serves everyone else."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Collection
from typing import Final

from app.digits.errors import DeadlineExceeded

# Pictures are decoded for about so long in one turn.
SLICE_S: Final = 0.001
MOST: Final = 16  # of those who wait


class Turns:
    """Work that is short enough for the event loop, though not all of it in a row.

    Without it the loop would decode an upload of 64 pictures, or the pictures of 256 requests that came together, before
    it read another request: a lone one would wait, and a full service would not say so in time. One picture a turn would do,
    too; but a turn of the loop costs as much as decoding a small one, and what is decoded in one turn runs together.

    Attributes:
        requests: those that the server has begun and not ended, where it tells.
    """

    def __init__(self) -> None:
        self.requests: Collection[object] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reset()

    async def take(self, until: float = math.inf) -> None:
        """Go on at once if there is time left in this turn of the loop; else wait, first come first served.

        Raises:
            DeadlineExceeded: it is past ``until`` on ``time.monotonic``'s clock by then; the picture stays undecoded.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the last turn of a loop that ended was not closed
            self._loop = loop
            self._reset()
        now = time.monotonic()
        if self._opened is None:
            self._open(loop, now)
        elif self._waiting or now > self._opened + SLICE_S:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
            now = time.monotonic()
        if now > until:
            raise DeadlineExceeded("The pictures could not be decoded in time.")

    def are_awaited(self) -> bool:
        """Whether anybody waits for one."""
        return bool(self._waiting)

    def are_for_one(self) -> bool:
        """Whether the server has a single request, the one that asks."""
        return len(self.requests) == 1

    def _reset(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._opened: float | None = None
        self._fit = 1

    def _open(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        self._opened = now
        loop.call_soon(self._close, loop, now)

    def _close(self, loop: asyncio.AbstractEventLoop, opened: float) -> None:
        """End this turn; the next is for as many of those who wait as will fit: twice or half as many as had this one."""
        now = time.monotonic()
        self._opened = None
        self._fit = min(2 * self._fit, MOST) if now <= opened + SLICE_S else max(self._fit // 2, 1)
        if self._waiting:
            for _ in range(min(self._fit, len(self._waiting))):
                turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
            self._open(loop, now)
