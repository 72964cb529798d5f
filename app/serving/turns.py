"""One picture in each turn of the event loop, so that between two of them the loop serves everyone else."""

from __future__ import annotations

import asyncio
import math
import time

from app.digits.errors import DeadlineExceeded


class Turns:
    """Work that is short enough for the event loop, though not all of it in a row.

    Without it the loop would decode an upload of 64 pictures, or the pictures of 256 requests that came together, before
    it read another request: a lone one would wait, and a full service would not say so in time.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taken = asyncio.Lock()

    async def take(self, until: float = math.inf) -> None:
        """Go on at once if nobody else did in this turn of the loop; else wait, first come first served.

        Raises:
            DeadlineExceeded: it is past ``until`` on ``time.monotonic``'s clock by then; the picture stays undecoded.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the last turn of a loop that ended was not given back
            self._loop, self._taken = loop, asyncio.Lock()
        await self._taken.acquire()
        loop.call_soon(self._taken.release)
        if time.monotonic() > until:
            raise DeadlineExceeded("The pictures could not be decoded in time.")
