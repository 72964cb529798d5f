"""The outermost layer: request id in and out, security headers, one log line and one count for each request.

Pure ASGI: ``BaseHTTPMiddleware`` would cost a task group and a stream for each request (FACTS.md).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.api.connections import ARRIVED, SEND_WHOLE
from app.api.guard import client_of
from app.api.problems import INTERNAL, problem_of, response_for
from app.metrics import Metrics

log = logging.getLogger(__name__)

# Whatever a client sends ends in logs and headers, so only what cannot break either is taken over.
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        b"frame-ancestors 'none'; form-action 'self'",
    ),
)
# A label takes no text of the client's: each new one would live in memory for ever.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Probes and scrapes come every few seconds and would drown the rest.
QUIET_ROUTES: Final = ("/livez", "/readyz", "/health", "/metrics", "/v2/health/live", "/v2/health/ready")


class RequestContext:
    """Wraps the whole app."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the request's id, pass on, then log and count what was answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        token = logs.request_id.set(request_id)
        status = 0
        held: Message | None = None

        async def send_with_headers(message: Message) -> None:
            """Hold the start back until the body's first part comes, as it does at once: most have but that."""
            nonlocal status, held
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_ours(message.get("headers", ()), request_id)
                held = message
                return
            start, held = held, None
            if start is not None:
                if _sent_whole(scope, start, message):
                    return
                await send(start)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as exc:
            log.exception("unexpected fault")
            scope["state"]["problem"] = INTERNAL.slug
            if status == 0 or held is not None:
                await response_for(scope, problem_of(exc))(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - started)
            logs.request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.count_request(route, method, status, seconds, scope["state"].get("problem"))
        level = logging.DEBUG if route in QUIET_ROUTES else logging.INFO
        if log.isEnabledFor(level):
            logs.write(
                log,
                level,
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 2),
                client=client_of(scope),
            )


def _route(scope: Scope) -> str:
    """The path as it was declared: few, whatever clients ask for. FastAPI names its own routes only, not Starlette's."""
    if "route" in scope:
        return str(scope["route"].path)
    if "endpoint" not in scope:
        return "unmatched"
    return str(scope.get("root_path") or scope["path"])  # a folder, or a route without parameters


def _with_ours(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """A route's own security headers stay."""
    answer = [*headers, (b"x-request-id", request_id.encode())]
    whole = [*answer, *SECURITY_HEADERS]
    if len(dict(whole)) == len(whole):
        return whole
    names = {name for name, _ in answer}
    return answer + [header for header in SECURITY_HEADERS if header[0] not in names]


def _sent_whole(scope: Scope, start: Message, body: Message) -> bool:
    """Whether the server took head and body in one go."""
    extension = scope.get("extensions", {}).get(ARRIVED)
    if extension is None or body.get("more_body", False):
        return False
    return bool(extension[SEND_WHOLE](start["status"], start["headers"], body.get("body", b"")))


def _request_id(scope: Scope) -> str:
    asked = dict(scope["headers"]).get(b"x-request-id")
    return str(asked, "ascii") if asked and REQUEST_ID.fullmatch(asked) else logs.new_request_id()
