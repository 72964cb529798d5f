"""Connections that cannot be kept busy with nothing: uvicorn's protocol, with limits in time and bytes.

uvicorn itself times only the pause between two requests (FACTS.md). Here a request's header must be whole in time and not
too long, its body must end, and what a client still sends after its answer is thrown away for a while only: closing at once
would reset the connection, and the client might not read that answer. Answers that nobody reads are kept for a while only too.
"""

from __future__ import annotations

import logging
import sys
from asyncio import TimerHandle, Transport
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, ClassVar, Final

from starlette.responses import Response
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.problems import HEADER_TOO_LARGE, NO_MEMORY, NOT_HTTP, SLOW_HEADER, Kind, kind_of, problem, problem_response
from app.api.whole import send_whole
from app.logs import new_request_id
from app.metrics import Metrics
from app.settings import Settings

log = logging.getLogger(__name__)

# Requests that wait for the answers before theirs. No browser sends a second one; 64 KiB of them are 1,400, which took 50 ms
# to take apart in one go.
MOST_PIPELINED: Final = 100


# In the scope's extensions of a request whose body has arrived: nothing needs to time the reading of it. Its answer may go out
# whole by what is there under ``SEND_WHOLE``; what is put there under ``WHEN_LOST`` is called if the client leaves before.
ARRIVED: Final = "digits.arrived"
SEND_WHOLE: Final = "send_whole"
WHEN_LOST: Final = "when_lost"


class Part(Enum):
    """What the client has to send next."""

    HEADER = auto()
    BODY = auto()
    NOTHING = auto()


class _HeaderTooLarge(Exception):
    """Ends the parsing."""


class _TooManyRequests(Exception):
    """Ends the parsing; those before it are answered."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. ``of`` gives it its limits."""

    settings: ClassVar[Settings]
    metrics: ClassVar[Metrics]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._awaited = Part.HEADER
        self._header_bytes = 0
        self._refused = False
        self._timer: TimerHandle | None = None
        self._unread_timer: TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        # One for all requests of the connection, of which one at a time is answered. It holds no request: one that held itself
        # would stay until the garbage collector finds it, which takes milliseconds.
        self._extensions: dict[str, dict[object, Any]] = {ARRIVED: {SEND_WHOLE: self._send_whole}}

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._arm(self.settings.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._forget_unread()
        super().connection_lost(exc)
        self._stop_answering()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._awaited is Part.NOTHING:
            self._await_header()
        self._header_bytes += len(data)  # of a body too, but only a header's are looked at
        super().data_received(data)
        if self._awaited is Part.HEADER and self._header_bytes > self.settings.max_header_bytes:
            self._refuse(HEADER_TOO_LARGE, f"A header may have {self.settings.max_header_bytes:,} bytes.")
        elif not self.transport.is_closing():
            self._watch()

    def on_message_begin(self) -> None:
        if self._awaited is Part.NOTHING:  # it came with the end of the request before
            self._await_header()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        limit = self.settings.max_header_bytes
        if self._header_bytes > limit and self._size_of_header() > limit:
            raise _HeaderTooLarge
        if len(self.pipeline) >= MOST_PIPELINED:
            raise _TooManyRequests
        if self._timer is not None:
            self._disarm()
        self._awaited = Part.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._timer is not None:
            self._disarm()
        self._awaited = Part.NOTHING
        self.scope["extensions"] = self._extensions
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._give_up_if_unread()
        if self._awaited is Part.BODY and self._is_answered() and not self.transport.is_closing():
            self._disarm()
            self._watch()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered: it gets as long for a buffer full as for sending a body."""
        super().pause_writing()
        self._give_up_if_unread()

    def resume_writing(self) -> None:
        self._forget_unread()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # not closed: that would wait for a client who has not read its answer by now

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the parser gives up."""
        if self._awaited is Part.HEADER and self._size_of_header() > self.settings.max_header_bytes:
            self._refuse(HEADER_TOO_LARGE, f"A header may have {self.settings.max_header_bytes:,} bytes.")
        elif (error := sys.exception()) and isinstance(error.__context__, MemoryError):
            self._refuse(kind_of(error.__context__), NO_MEMORY)
        else:
            self._refuse(NOT_HTTP, msg)

    def _await_header(self) -> None:
        self._disarm()
        self._awaited = Part.HEADER
        self._header_bytes = 0

    def _watch(self) -> None:
        """See that a timer runs, whatever is awaited."""
        settings = self.settings
        if self._awaited is Part.NOTHING:
            if self._is_answered() and self.timeout_keep_alive_task is None:  # uvicorn drops it where a body ends late
                self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        elif self._timer is None:
            # The route times its body and answers 408; this is for routes that read none, and for what follows an answer.
            late = self._awaited is Part.BODY and not self._is_answered()
            self._arm(settings.header_timeout_s + (settings.body_timeout_s if late else 0))

    def _arm(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._expired)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        if self._awaited is Part.BODY:
            self.transport.close()
        elif self._header_bytes:
            self._refuse(SLOW_HEADER, f"The header did not arrive within {self.settings.header_timeout_s:g} s.")
        else:
            self.shutdown()

    def _refuse(self, kind: Kind, detail: str) -> None:
        """Answer and close, unless an answer is on its way: to it the client would take ours for a part."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        extra = {"problem": kind.slug, "client": self.client[0] if self.client else "unknown"}
        log.info("connection refused", extra=extra)
        self.metrics.refused_requests.labels(kind.slug).inc()
        begun = self._awaited is Part.BODY and not self.pipeline and not self.cycle.response_started
        if begun or self._is_answered():
            self.transport.write(_bytes_of(problem_response(problem(kind, detail), new_request_id())))
            self.transport.close()
        else:
            self.shutdown()  # uvicorn's: when the answer is done

    def _give_up_if_unread(self) -> None:
        self._forget_unread()
        self._unread_timer = self.loop.call_later(self.settings.body_timeout_s, self.transport.abort)

    def _forget_unread(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _stop_answering(self) -> None:
        """Nobody listens any more. uvicorn tells only the last request that came in, and others may wait before it."""
        cycle = self._answering
        if cycle is None or cycle.response_complete:
            return
        cycle.disconnected = True
        cycle.message_event.set()
        if WHEN_LOST in self._extensions[ARRIVED]:
            self._extensions[ARRIVED][WHEN_LOST]()

    def _send_whole(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        return self._answering is not None and send_whole(self._answering, status, headers, body)

    def _size_of_header(self) -> int:
        # ": " and the line's end are four bytes; so are the spaces and the end of the request line, less the method.
        return len(self.url) + 4 + sum(len(name) + len(value) + 4 for name, value in self.headers)


def of(settings: Settings, metrics: Metrics) -> type[LimitedProtocol]:
    """The protocol of one service: what uvicorn takes as ``http=``."""
    return type("ServiceProtocol", (LimitedProtocol,), {"settings": settings, "metrics": metrics})


def _bytes_of(response: Response) -> bytes:
    fields = [*response.raw_headers, (b"connection", b"close"), (b"x-content-type-options", b"nosniff")]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    return b"".join([STATUS_LINE[response.status_code], head, b"\r\n", bytes(response.body)])
