from __future__ import annotations

import asyncio
import time

import pytest

from app.serving.turns import MOST, SLICE_S, Turns

pytestmark = pytest.mark.anyio


def _work() -> None:
    """Take longer than a turn has."""
    time.sleep(2 * SLICE_S)


async def test_take_lone_worker_goes_on_at_once() -> None:
    turns = Turns()
    called: list[str] = []
    asyncio.get_running_loop().call_soon(called.append, "the loop turned")
    await turns.take()
    assert called == []


async def test_take_many_pieces_let_the_loop_and_others_in_between() -> None:
    turns = Turns()
    order: list[str] = []

    async def work(name: str, pieces: int) -> None:
        for _ in range(pieces):
            await turns.take()
            _work()
            order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(work("large", 5))
        group.create_task(work("lone", 1))
    assert order.index("lone") == 2  # the large one had asked for its second turn before


async def test_take_small_pieces_share_a_turn() -> None:
    turns = Turns()
    running = most = 0

    def end_of_turn() -> None:
        nonlocal running
        running = 0

    async def work() -> None:
        nonlocal running, most
        await turns.take()
        running += 1
        most = max(most, running)
        asyncio.get_running_loop().call_soon(end_of_turn)

    async with asyncio.TaskGroup() as group:
        for _ in range(8 * MOST):
            group.create_task(work())
    assert most >= MOST


async def test_take_waiter_that_is_cancelled_keeps_nobody_from_the_next_turn() -> None:
    turns = Turns()
    await turns.take()
    _work()
    leaver, stayer = (asyncio.create_task(turns.take()) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.wait_for(stayer, 1)


async def test_take_after_a_loop_that_ended_in_its_turn_goes_on() -> None:
    turns = Turns()

    def end_a_loop_at_once() -> None:
        loop = asyncio.new_event_loop()
        turn = turns.take()
        loop.call_soon(loop.stop)
        task = loop.create_task(turn)
        loop.run_forever()
        assert task.done()
        loop.close()

    await asyncio.to_thread(end_a_loop_at_once)
    await asyncio.wait_for(turns.take(), 1)
