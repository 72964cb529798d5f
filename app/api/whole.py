"""An answer's head and body in one go."""

from __future__ import annotations

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


def send_whole(cycle: RequestResponseCycle, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
    """Send an answer that is here as a whole, as ``cycle.send`` would in two parts.

    uvicorn looks at each header by itself and writes head and body apart: two system calls through the whole network stack, and
    two packets for the client to read, 15 µs of CPU together.

    Returns:
        False, with nothing sent, if it is left to uvicorn: whatever does not simply go on after it, or has another length.
    """
    fields = [*cycle.default_headers, *headers]
    head = b"\r\n".join(map(b": ".join, fields))
    if (
        (b"content-length", b"%d" % len(body)) not in headers
        or b"\r\nconnection: " in head
        or head.count(b"\n") >= len(fields)  # a header that holds another
        or not cycle.keep_alive
        or cycle.scope["method"] == "HEAD"
        or cycle.flow.write_paused
        or cycle.disconnected
        or cycle.response_started
    ):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join([STATUS_LINE[status], head, b"\r\n\r\n", body]))
    cycle.message_event.set()
    cycle.on_response()
    return True
