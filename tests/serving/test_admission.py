from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.digits.errors import QueueFull, ShuttingDown
from app.serving.admission import Room


def test_ticket_places_are_given_back_after_the_block() -> None:
    room = Room(3, "images")
    with room.ticket() as ticket:
        ticket.take(2)
        assert (room.taken, ticket.amount) == (2, 2)
    assert room.taken == 0


def test_ticket_places_are_given_back_after_an_error() -> None:
    room = Room(3, "images")
    with contextlib.suppress(RuntimeError), room.ticket() as ticket:
        ticket.take(3)
        raise RuntimeError
    assert room.taken == 0


def test_ticket_room_is_full_refuses_and_takes_nothing() -> None:
    room = Room(3, "images")
    with room.ticket() as first, room.ticket() as second:
        first.take(2)
        with pytest.raises(QueueFull, match="images"):
            second.take(2)
        second.take(1)
        assert room.taken == 3


def test_room_closed_lets_nobody_in_but_those_inside_take_more() -> None:
    room = Room(3, "images")
    with room.ticket() as inside, room.ticket() as late:
        inside.take(1)
        room.close()
        inside.take(1)
        with pytest.raises(ShuttingDown):
            late.take(1)
        assert room.taken == 2


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=6), st.integers(0, 20))
def test_room_any_takers_never_pass_its_capacity(takers: list[list[int]], capacity: int) -> None:
    room = Room(capacity, "images")
    for amounts in takers:
        with room.ticket() as ticket:
            for amount in amounts:
                free = capacity - room.taken
                try:
                    ticket.take(amount)
                except QueueFull:
                    assert amount > free
                assert 0 <= room.taken <= capacity
    assert room.taken == 0
