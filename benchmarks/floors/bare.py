"""Bare ASGI: reads the body, answers a constant."""

from __future__ import annotations

from typing import Final

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
