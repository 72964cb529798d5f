"""While the service drains: no answer is lost because its request was not read to the end."""

from __future__ import annotations

from collections.abc import Awaitable
from threading import Event

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ReadToTheEnd:
    """Wraps the whole app, and does nothing until ``draining`` is set.

    From then on each answer closes its connection, and TCP resets a connection that is closed with bytes unread: a client whose
    request was refused by its header alone would not see the refusal. So the rest of the body is read first.
    """

    def __init__(self, app: ASGIApp, draining: Event) -> None:
        self.app = app
        self._draining = draining

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on; while the service drains, hold the answer's end back until the request has ended."""
        drains = self._draining.is_set() and scope["type"] == "http"
        return (self._drain if drains else self.app)(scope, receive, send)

    async def _drain(self, scope: Scope, receive: Receive, send: Send) -> None:
        more = True

        async def noting_receive() -> Message:
            nonlocal more
            message = await receive()
            more = message.get("more_body", False)
            return message

        async def late_send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                while more:
                    await noting_receive()
            await send(message)

        await self.app(scope, noting_receive, late_send)
