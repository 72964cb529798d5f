from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.waiting import Line, Waiting

MOST = 4
NEVER = float("inf")


@pytest.fixture(scope="module", autouse=True)
def _loop() -> Iterator[None]:
    """Futures belong to a loop; it need not run."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def _request(count: int, deadline: float = NEVER) -> Waiting[None]:
    future: asyncio.Future[None] = asyncio.get_event_loop_policy().get_event_loop().create_future()
    return Waiting(np.zeros((count, 1, 28, 28), np.uint8), deadline, 0.0, future)


@given(st.lists(st.lists(st.integers(1, 9), max_size=4), min_size=1, max_size=5))
def test_line_any_requests_are_taken_whole_and_fairly(arrivals: list[list[int]]) -> None:
    line: Line[None] = Line()
    took: Counter[Waiting[None]] = Counter()
    requests: list[Waiting[None]] = []
    while arrivals or len(line):
        for count in arrivals.pop(0) if arrivals else ():
            requests.append(_request(count))
            line.join(requests[-1])
        waiting, before = [request for request in requests if took[request] < len(request.images)], len(line)
        run = line.take(MOST, now=0)
        assert sum(run.values()) == min(MOST, before)
        if len(waiting) <= MOST:  # nobody is left out of a run that has a place for each
            assert set(run) == set(waiting)
        shares = [run[request] for request in run if request.taken < len(request.images)]
        assert not shares or max(run.values()) <= min(shares) + 1  # none that still waits got less than another's share
        took.update(run)
    assert all(took[request] == len(request.images) for request in requests)


def test_line_lone_request_behind_a_large_upload_is_in_the_next_run() -> None:
    line: Line[None] = Line()
    large, lone = _request(64), _request(1)
    line.join(large)
    assert line.take(MOST, now=0) == {large: MOST}
    line.join(lone)
    assert line.take(MOST, now=0) == {large: MOST - 1, lone: 1}


def test_line_who_left_or_is_late_is_not_taken() -> None:
    line: Line[None] = Line()
    left, late, stays = _request(3), _request(3, deadline=1.0), _request(3)
    for request in (left, late, stays):
        line.join(request)
    line.leave(left)
    line.leave(left)  # it may have been taken whole, or left before
    assert len(line) == 6
    assert line.take(MOST, now=1.0) == {stays: 3}
    assert len(line) == 0
