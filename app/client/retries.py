"""When a request is tried again: the one decision for both clients, without a transport.

Tried again are 429, 502, 503, 504 and whatever breaks or times out on the way: no route that the client calls changes
anything, so a second try does no harm. 504 too: the service was too busy to come to the request in time, and passes over
what is late, so that trying later costs it nothing. Any other status would be the same the next time.

The pauses follow ``Retry-After``, else exponential backoff, with full jitter either way (M. Brooker, "Exponential Backoff
And Jitter", AWS Architecture Blog, 2015): clients that were refused together do not come back together.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from app.client.errors import ClientError, of_httpx

# A small model answers in milliseconds, so the first pause may be short; the last ones leave a busy service alone.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0


class Attempts:
    """The tries of one request, all within its deadline."""

    def __init__(
        self,
        *,
        timeout_s: float,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Start the clock.

        Args:
            timeout_s: how long a try may wait for the connection, and for each next piece of the answer.
            deadline_s: from now; no try begins later, and none waits past it.
            clock: seconds, monotonic.
            jitter: uniform in 0–1.
        """
        self._timeout_s = timeout_s
        self._clock = clock
        self._jitter = jitter
        self._ends = clock() + deadline_s
        self._backoff_s = FIRST_PAUSE_S

    def prepare(self, request: httpx.Request) -> httpx.Request:
        """Tell httpx, and the service, how long this try may take: what nobody waits for need not be computed."""
        seconds = max(0.001, min(self._timeout_s, self._ends - self._clock()))
        request.extensions["timeout"] = httpx.Timeout(seconds).as_dict()
        request.headers["X-Request-Timeout-Ms"] = str(max(1, round(seconds * 1000)))
        return request

    def pause_s(self, error: httpx.RequestError | ClientError) -> float:
        """Seconds to wait before the next try.

        Raises:
            ClientError: there is none: the failure would stay, or the pause would end after the deadline.
        """
        failure = of_httpx(error) if isinstance(error, httpx.RequestError) else error
        pause_s = self._next_pause_s(failure.retry_after_s)
        if failure.transient and self._clock() + pause_s < self._ends:
            return pause_s
        if failure is error:
            raise failure
        raise failure from error

    def _next_pause_s(self, retry_after_s: float | None) -> float:
        pause_s = (retry_after_s or 0.0) + self._backoff_s * self._jitter()
        self._backoff_s = min(LONGEST_PAUSE_S, 2 * self._backoff_s)
        return pause_s


def retry_after_s(response: httpx.Response) -> float | None:
    """``Retry-After`` in seconds from now; None without one that can be read (RFC 9110, 10.2.3: seconds, or a date)."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
