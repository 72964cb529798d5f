"""Bounded room: what the service has accepted and not yet answered, counted in images and in bytes of bodies.

Used on the event loop only, so plain numbers do.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from app.digits.errors import QueueFull, ShuttingDown


class Room:
    """Places that are taken and given back; nobody waits for one."""

    def __init__(self, capacity: int, unit: str) -> None:
        self.capacity = capacity
        self.taken = 0
        self.unit = unit
        self.closed = False

    def close(self) -> None:
        """Let nobody in any more; who is in may stay and take more."""
        self.closed = True

    def ticket(self) -> Ticket:
        """A ticket for a ``with`` block, whose places are given back when that ends."""
        return Ticket(self)


class Ticket:
    """The places that one request holds; it may take more while it goes on."""

    __slots__ = ("_room", "amount")

    def __init__(self, room: Room) -> None:
        self.amount = 0
        self._room = room

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._room.taken -= self.amount

    def take(self, amount: int) -> None:
        """Take places.

        Raises:
            QueueFull: they are not free now.
            ShuttingDown: the room was closed before the ticket's first place was taken.
        """
        if self._room.closed and not self.amount:
            raise ShuttingDown("The service is stopping and takes no new work.")
        if self._room.taken + amount > self._room.capacity:
            raise QueueFull(f"The service holds all the {self._room.unit} that it can; try again in a moment.")
        self._room.taken += amount
        self.amount += amount
