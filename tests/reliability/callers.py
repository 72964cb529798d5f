"""Clients of ours, which try again, as the callers of a service that ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from app.client import AsyncDigitsClient, Result
from tests.reliability.load import LABELS, PICTURES


class Callers:
    """They ask until they are told to stop."""

    def __init__(self, url: str, count: int = 4) -> None:
        self._going_on = True
        self._tasks = [asyncio.create_task(self._ask(url, number)) for number in range(count)]

    def stop(self) -> None:
        self._going_on = False

    async def answers(self) -> list[bool]:
        """Whether each answer was right; raises what a client raised."""
        return [right for task in self._tasks for right in await task]

    async def _ask(self, url: str, number: int) -> list[bool]:
        rights = []
        async with AsyncDigitsClient(url) as client:
            while self._going_on:
                number = (number + 1) % len(LABELS)
                (result,) = await client.predict([PICTURES[number]])
                rights.append(_label_of(result) == LABELS[number])
                await asyncio.sleep(0.05)
        return rights


@contextmanager
def callers(url: str) -> Iterator[Callers]:
    """They ask while the block runs; their answers are there after it."""
    asking = Callers(url)
    try:
        yield asking
    finally:
        asking.stop()


def _label_of(result: Result) -> str | None:
    return result.label if result.status == "ok" else None
