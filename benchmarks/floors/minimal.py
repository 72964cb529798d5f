"""The least that answers a picture: bare ASGI, Pillow, the model on the event loop; no limit, no metric, no log, no deadline.

What our service costs beyond it is what its guards cost.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

import numpy as np
from numpy.typing import NDArray
from starlette.types import Receive, Scope, Send

from benchmarks.peers.work import Model, answer, decode

MOST: Final = 32


class App:
    """Pictures of one turn of the loop are run together."""

    def __init__(self) -> None:
        self._model = Model()
        self._waiting: list[tuple[NDArray[np.uint8], asyncio.Future[NDArray[np.float32]]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        start = body.index(b"\r\n\r\n") + 4
        row = await self._probabilities(decode(body[start : body.rindex(b"\r\n--", start)]))
        content = json.dumps({"predictions": [answer(row)]}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _probabilities(self, frame: NDArray[np.uint8]) -> asyncio.Future[NDArray[np.float32]]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._run)
        self._waiting.append((frame, future := loop.create_future()))
        return future

    def _run(self) -> None:
        now, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        for row, (_, future) in zip(self._model.probabilities([frame for frame, _ in now]), now, strict=True):
            if not future.done():
                future.set_result(row)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run)


app = App()
