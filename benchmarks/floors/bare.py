"""Bare ASGI: reads the body, answers a constant. ``python -m benchmarks.floors.bare PORT``."""

from __future__ import annotations

import sys
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send

ANSWER: Final = b'{"predictions": [{"label": "7", "probability": 0.99}]}'
HEADERS: Final = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Any request."""
    if scope["type"] == "lifespan":
        return
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off", workers=1)
