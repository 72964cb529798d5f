"""Whether the client is still there while its request waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from starlette.requests import Request

from app.api.connections import ARRIVED, WHEN_LOST
from app.api.problems import ClientLeft

# For servers that tell only who asks: most requests are answered sooner and pay for a timer; listening costs a task.
LISTEN_AFTER_S: Final = 0.05


class WhileConnected:
    """An ``async with`` block that ends with ``ClientLeft`` as soon as the client closes its connection.

    Works like ``asyncio.timeout``, for a request whose body has been read: by then the server has nothing to say but that.
    Our own connections tell by themselves, others are asked.
    """

    def __init__(self, request: Request) -> None:
        self._connection: dict[str, Callable[[], None]] | None = request.scope.get("extensions", {}).get(ARRIVED)
        self._receive = request.receive
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self._left = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        if self._connection is not None:
            self._connection[WHEN_LOST] = self._leave
        else:
            self._timer = asyncio.get_running_loop().call_later(LISTEN_AFTER_S, self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.pop(WHEN_LOST, None)
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()
        if self._left and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise ClientLeft("The client closed the connection before its answer was ready.") from error

    def _start(self) -> None:
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self._left = True
        self._task.cancel()
