"""How often one client may ask, by throttled-py's GCRA: one number a client, no thread, the oldest forgotten first.

A client may send its whole quota at once; then it is refilled evenly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from throttled import MemoryStore, Quota, Rate, RateLimiterType, Throttled
from throttled.exceptions import DataError
from throttled.rate_limiter.quota_parser import parse

# About 300 bytes each: 20 MB when somebody asks from everywhere.
MAX_CLIENTS: Final = 65_536


class ClientQuota:
    """Counts requests by client. Holds at most ``MAX_CLIENTS`` clients; the one longest silent starts anew."""

    def __init__(self, quota: Quota) -> None:
        self._throttled = Throttled(
            using=RateLimiterType.GCRA.value, quota=quota, store=MemoryStore(options={"MAX_SIZE": MAX_CLIENTS})
        )

    def take(self, client: str) -> float | None:
        """Count one request: None if it may pass, otherwise the seconds after which the next one may."""
        result = self._throttled.limit(client)
        return result.state.retry_after if result.limited else None


def parse_quota(text: str) -> Quota:
    """``"100/second"`` or ``"600/minute burst 50"``, where the burst is what may come at once: all of it if absent.

    Raises:
        ValueError: it is not one such quota; the message says what can be read.
    """
    try:
        (quota,) = parse(text)
    except DataError as exc:
        raise ValueError(str(exc)) from exc
    if quota.burst < 1:
        raise ValueError("A burst below 1 would let nobody in.")
    return quota


def share_of(quota: Quota, workers: int) -> Quota:
    """One worker's share. The period grows instead of the count shrinking, so that 1/second has a quarter, too."""
    rate = Rate(period=quota.rate.period * workers, limit=quota.rate.limit)
    return replace(quota, rate=rate, burst=max(1, quota.burst // workers))
