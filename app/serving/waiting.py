"""Requests that wait for a run: a run takes one image of each in turn, so a large upload delays nobody else's."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.digits.session import Images

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Waiting(Generic[T]):
    """One caller's images on their way through one or several runs.

    Attributes:
        images: uint8 (N, 1, 28, 28).
        deadline: on ``time.monotonic``'s clock; what was not taken by then never will be.
        submitted: when it came, on the same clock.
        future: what the caller waits for.
        taken: images that runs took so far, the first ones first.
        answered: the answers so far, each of some images, in their order.
    """

    images: Images
    deadline: float
    submitted: float
    future: asyncio.Future[T]
    taken: int = 0
    answered: list[T] = field(default_factory=list)


class Line(Generic[T]):
    """The waiting requests, in the order of their turns."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting[T]] = deque()
        self._images = 0

    def __len__(self) -> int:
        """Images that wait."""
        return self._images

    def join(self, request: Waiting[T]) -> None:
        """Wait for the first turn, behind all others."""
        self._waiting.append(request)
        self._images += len(request.images) - request.taken

    def leave(self, request: Waiting[T]) -> None:
        """Take the rest of a request's images out, if any wait."""
        if request in self._waiting:
            self._waiting.remove(request)
            self._images -= len(request.images) - request.taken

    def take(self, most: int, now: float) -> dict[Waiting[T], int]:
        """Fill a run: one image of each request in turn, until ``most`` are taken or none waits.

        Args:
            most: images of the run.
            now: requests whose deadline has passed by then are dropped.

        Returns:
            How many images of each request; they follow those that earlier runs took.
        """
        run: dict[Waiting[T], int] = {}
        while most and self._waiting:
            request = self._waiting.popleft()
            if request.deadline <= now:
                self._images -= len(request.images) - request.taken
                continue
            self._images -= 1
            request.taken += 1
            run[request] = run.get(request, 0) + 1
            most -= 1
            if request.taken < len(request.images):
                self._waiting.append(request)
        return run
