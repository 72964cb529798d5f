"""FastAPI whose own layers lie inside ours."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class Layered(FastAPI):
    """Puts what ``add_middleware`` is given around FastAPI's own layers instead of between them.

    Those four (telemetry, page of a fault, telemetry of a fault, limit of a body) take 15 µs of CPU and an upload needs none:
    ``Direct`` answers it outside of them.
    """

    _outermost: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to our outermost layer; the first one builds them."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if self._outermost is None:
            self._outermost = self._wrapped()
        scope["app"] = self
        await self._outermost(scope, receive, send)

    def _wrapped(self) -> ASGIApp:
        ours, self.user_middleware = self.user_middleware, []
        app: ASGIApp = super().__call__
        for layer, args, options in reversed(ours):
            app = layer(app, *args, **options)
        return app
