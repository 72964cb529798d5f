"""Bounded room: what the service has accepted and not yet answered, counted in images and in bytes of bodies.

Used on the event loop only, so plain numbers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.digits.errors import QueueFull


class Room:
    """Places that are taken and given back; nobody waits for one."""

    def __init__(self, capacity: int, unit: str) -> None:
        self.capacity = capacity
        self.taken = 0
        self.unit = unit

    @contextmanager
    def ticket(self) -> Iterator[Ticket]:
        """A ticket whose places are given back when the block ends."""
        ticket = Ticket(self)
        try:
            yield ticket
        finally:
            self.taken -= ticket.amount


class Ticket:
    """The places that one request holds; it may take more while it goes on."""

    def __init__(self, room: Room) -> None:
        self.amount = 0
        self._room = room

    def take(self, amount: int) -> None:
        """Take places.

        Raises:
            QueueFull: they are not free now.
        """
        if self._room.taken + amount > self._room.capacity:
            raise QueueFull(f"The service holds all the {self._room.unit} that it can; try again in a moment.")
        self._room.taken += amount
        self.amount += amount
