"""By when a request must be answered: the service's limit, which a client may lower and never raise."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Header

HEADER: Final = "X-Request-Timeout-Ms"

TimeoutMs = Annotated[
    int | None,
    Header(
        alias=HEADER,
        ge=1,
        description="Milliseconds from the complete body to the answer; lowers the service's limit, never raises it.",
    ),
]


def deadline(limit_ms: int, asked_ms: int | None, *, started: float) -> float:
    """When the time is out, on the clock of ``started`` in seconds.

    Args:
        limit_ms: DIGITS_REQUEST_TIMEOUT_MS.
        asked_ms: the client's X-Request-Timeout-Ms; more than the limit changes nothing.
        started: when the body was complete.
    """
    return started + (limit_ms if asked_ms is None else min(limit_ms, asked_ms)) / 1000
