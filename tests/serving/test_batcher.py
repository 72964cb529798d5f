from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from app.digits.errors import DeadlineExceeded, ModelBroken, ShuttingDown
from app.digits.session import Images, Output
from app.serving.batcher import Answer, Batcher
from tests.fakes import FakeSession

pytestmark = pytest.mark.anyio

MAX_BATCH_IMAGES = 4


@pytest.fixture
async def batcher(session: FakeSession) -> AsyncIterator[Batcher]:
    batcher = Batcher(session.run, name="test", max_batch_images=MAX_BATCH_IMAGES)
    yield batcher
    session.gate.set()
    await asyncio.to_thread(batcher.close)


def _images(count: int, seed: int = 0) -> Images:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 28, 28)).astype(np.uint8)


def _submit(batcher: Batcher, images: Images, *, within_s: float = 5) -> asyncio.Task[Answer]:
    return asyncio.create_task(batcher.submit(images, time.monotonic() + within_s))


async def _occupy(batcher: Batcher, session: FakeSession) -> asyncio.Task[Answer]:
    """Hold the session with a lone image until ``session.gate`` is set."""
    session.gate.clear()
    session.entered.clear()
    task = _submit(batcher, _images(1, seed=99))
    await asyncio.sleep(0)
    assert await asyncio.to_thread(session.entered.wait, 5)
    return task


def _assert_answers(answer: Answer, images: Images) -> None:
    np.testing.assert_allclose(answer.output.probabilities, FakeSession().run(images).probabilities, rtol=1e-5)


async def test_submit_lone_request_does_not_wait(batcher: Batcher) -> None:
    waits = [(await _submit(batcher, _images(1))).queue_s for _ in range(20)]
    assert sorted(waits)[10] < 0.005  # a timer for company would show in every one


async def test_submit_while_session_is_busy_merges_what_queued(batcher: Batcher, session: FakeSession) -> None:
    tasks = [await _occupy(batcher, session), *(_submit(batcher, _images(1, seed)) for seed in range(3))]
    await asyncio.sleep(0)
    session.gate.set()
    answers = await asyncio.gather(*tasks)
    assert session.sizes == [1, 3]
    for seed, answer in enumerate(answers[1:]):
        _assert_answers(answer, _images(1, seed))


async def test_submit_one_after_another_merges_nothing(batcher: Batcher, session: FakeSession) -> None:
    for seed in range(3):
        await _submit(batcher, _images(2, seed))
    assert session.sizes == [2, 2, 2]


@pytest.mark.parametrize(
    ("is_bounded", "is_alone", "brief_s", "images", "on_loop"),
    [
        (True, True, 60.0, 1, [False, True, True]),  # of the first run nobody knows yet how long it takes
        (True, True, 60.0, 2, [False, False, False]),
        (True, True, 0.0, 1, [False, False, False]),
        (True, False, 60.0, 1, [False, False, False]),
        (False, True, 60.0, 1, [False, False, False]),
    ],
)
async def test_submit_the_event_loop_runs_only_a_lone_image_that_is_sure_to_be_brief(
    is_bounded: bool, is_alone: bool, brief_s: float, images: int, on_loop: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.serving.batcher.BRIEF_S", brief_s)
    here = threading.get_ident()
    ran_here: list[bool] = []
    told: list[int] = []

    def infer(images: Images) -> Output:
        ran_here.append(threading.get_ident() == here)
        return FakeSession().run(images)

    options = {"is_bounded": is_bounded, "is_alone": lambda: is_alone, "on_batch": told.append}
    batcher = Batcher(infer, name="brief", max_batch_images=MAX_BATCH_IMAGES, **options)  # type: ignore[arg-type]
    for seed in range(3):
        _assert_answers(await _submit(batcher, _images(images, seed)), _images(images, seed))
    assert ran_here == on_loop
    assert told == [images] * 3
    await asyncio.to_thread(batcher.close)
    assert batcher.ended


async def test_submit_on_the_event_loop_keeps_deadlines_faults_and_a_busy_session_apart(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.serving.batcher.BRIEF_S", 60.0)
    batcher = Batcher(session.run, name="brief", max_batch_images=MAX_BATCH_IMAGES, is_bounded=True, is_alone=lambda: True)
    occupant = await _occupy(batcher, session)
    queued = _submit(batcher, _images(1))
    await asyncio.sleep(0)
    session.gate.set()
    await asyncio.gather(occupant, queued)
    with pytest.raises(DeadlineExceeded):
        await _submit(batcher, _images(1), within_s=-1)
    session.fault = RuntimeError("The graph failed.")
    with pytest.raises(ModelBroken):
        await _submit(batcher, _images(1))
    session.fault = None
    _assert_answers(await _submit(batcher, _images(1)), _images(1))
    await asyncio.to_thread(batcher.close)


async def test_submit_what_does_not_fit_into_a_run_goes_on_in_the_next(batcher: Batcher, session: FakeSession) -> None:
    tasks = [await _occupy(batcher, session), *(_submit(batcher, _images(3, seed)) for seed in range(2))]
    await asyncio.sleep(0)
    session.gate.set()
    for seed, answer in enumerate((await asyncio.gather(*tasks))[1:]):
        _assert_answers(answer, _images(3, seed))
    assert session.sizes == [1, 4, 2]


async def test_submit_more_than_a_batch_is_split_in_order(batcher: Batcher, session: FakeSession) -> None:
    images = _images(2 * MAX_BATCH_IMAGES + 1)
    answer = await _submit(batcher, images)
    _assert_answers(answer, images)
    assert sum(session.sizes) == len(images)
    assert max(session.sizes) <= MAX_BATCH_IMAGES


async def test_submit_many_at_once_each_gets_its_own_answer(batcher: Batcher, session: FakeSession) -> None:
    requests = [_images(1 + seed % 6, seed) for seed in range(60)]
    answers = await asyncio.gather(*(_submit(batcher, images) for images in requests))
    for images, answer in zip(requests, answers, strict=True):
        _assert_answers(answer, images)
    assert sum(session.sizes) == sum(map(len, requests))
    assert max(session.sizes) <= MAX_BATCH_IMAGES


async def test_submit_session_fails_fails_this_batch_only(batcher: Batcher, session: FakeSession) -> None:
    session.fault = RuntimeError("a secret of the inside")
    tasks = [_submit(batcher, _images(1)), _submit(batcher, _images(2))]
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, ModelBroken)
        assert "secret" not in str(result)
    session.fault = None
    _assert_answers(await _submit(batcher, _images(1)), _images(1))


async def test_submit_known_error_reaches_the_caller_as_it_is(batcher: Batcher, session: FakeSession) -> None:
    session.fault = ModelBroken("The graph failed.")
    with pytest.raises(ModelBroken, match="The graph failed"):
        await _submit(batcher, _images(1))


async def test_submit_deadline_passed_raises_and_never_runs(batcher: Batcher, session: FakeSession) -> None:
    occupant = await _occupy(batcher, session)
    late = _submit(batcher, _images(2), within_s=0.02)
    with pytest.raises(DeadlineExceeded):
        await late
    session.gate.set()
    await occupant
    _assert_answers(await _submit(batcher, _images(3)), _images(3))
    assert session.sizes == [1, 3]


async def test_submit_deadline_passed_while_the_loop_is_busy_never_runs(batcher: Batcher, session: FakeSession) -> None:
    occupant = await _occupy(batcher, session)
    late = _submit(batcher, _images(2), within_s=0.01)
    await asyncio.sleep(0)
    time.sleep(0.02)  # noqa: ASYNC251 - the loop must not see the deadline before the batcher's thread does
    session.gate.set()
    time.sleep(0.05)  # noqa: ASYNC251
    assert session.sizes == [1]
    with pytest.raises(DeadlineExceeded):
        await late
    await occupant


async def test_submit_lone_request_behind_a_large_upload_is_in_the_next_run(session: FakeSession) -> None:
    runs: list[Images] = []

    def infer(images: Images) -> Output:
        runs.append(images)
        return session.run(images)

    batcher = Batcher(infer, name="fair", max_batch_images=MAX_BATCH_IMAGES)
    session.gate.clear()
    large = _submit(batcher, _images(64))
    await asyncio.to_thread(session.entered.wait, 5)
    lone = _submit(batcher, _images(1, seed=1))
    await asyncio.sleep(0)
    session.gate.set()
    _assert_answers(await lone, _images(1, seed=1))
    _assert_answers(await large, _images(64))
    assert (runs[1] == _images(1, seed=1)).all(axis=(1, 2, 3)).any()
    await asyncio.to_thread(batcher.close)


async def test_submit_deadline_passed_in_the_middle_of_an_upload_runs_no_more(batcher: Batcher, session: FakeSession) -> None:
    await asyncio.sleep(0)
    session.gate.clear()
    late = _submit(batcher, _images(3 * MAX_BATCH_IMAGES), within_s=0.02)
    with pytest.raises(DeadlineExceeded):
        await late
    assert batcher.queued_images == 0
    session.gate.set()
    await _submit(batcher, _images(1))
    assert session.sizes == [MAX_BATCH_IMAGES, 1]


async def test_submit_caller_leaves_in_the_middle_of_an_upload_frees_its_places(batcher: Batcher, session: FakeSession) -> None:
    occupant = await _occupy(batcher, session)
    left = _submit(batcher, _images(3 * MAX_BATCH_IMAGES))
    await asyncio.sleep(0)
    assert batcher.queued_images == 3 * MAX_BATCH_IMAGES
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert batcher.queued_images == 0
    session.gate.set()
    await occupant


async def test_submit_one_run_fails_spares_the_callers_of_the_next(session: FakeSession) -> None:
    def infer(images: Images) -> Output:
        output = session.run(images)
        if not images[:, 0].any():
            raise ModelBroken("The graph failed.")
        return output

    batcher = Batcher(infer, name="fails", max_batch_images=MAX_BATCH_IMAGES)
    session.gate.clear()
    unlucky = _submit(batcher, np.zeros((MAX_BATCH_IMAGES, 1, 28, 28), np.uint8))
    await asyncio.to_thread(session.entered.wait, 5)
    lucky = _submit(batcher, _images(2))
    await asyncio.sleep(0)
    session.gate.set()
    _assert_answers(await lucky, _images(2))
    with pytest.raises(ModelBroken):
        await unlucky
    await asyncio.to_thread(batcher.close)


async def test_submit_caller_leaves_its_images_never_run(batcher: Batcher, session: FakeSession) -> None:
    occupant = await _occupy(batcher, session)
    left, stayed = _submit(batcher, _images(2)), _submit(batcher, _images(1))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    session.gate.set()
    await asyncio.gather(occupant, stayed)
    assert left.cancelled()
    assert session.sizes == [1, 1]


async def test_close_finishes_what_is_queued_then_refuses(batcher: Batcher, session: FakeSession) -> None:
    tasks = [await _occupy(batcher, session), _submit(batcher, _images(1)), _submit(batcher, _images(4))]
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(batcher.close))
    session.gate.set()
    _assert_answers((await asyncio.gather(*tasks))[2], _images(4))
    await closing
    with pytest.raises(ShuttingDown):
        await _submit(batcher, _images(1))


async def test_on_batch_is_told_the_size_of_each_run(session: FakeSession) -> None:
    told: list[int] = []
    batcher = Batcher(session.run, name="told", max_batch_images=MAX_BATCH_IMAGES, on_batch=told.append)
    await _submit(batcher, _images(6))
    await asyncio.to_thread(batcher.close)
    assert sorted(told) == sorted(session.sizes) == [2, 4]


@pytest.mark.parametrize(("count", "shape"), [(1, 1), (2, 2), (3, 4), (5, 8), (6, 8), (8, 8)])
async def test_submit_padded_sizes_fill_the_run_and_cut_the_answer(session: FakeSession, count: int, shape: int) -> None:
    told: list[int] = []
    batcher = Batcher(session.run, name="padded", max_batch_images=8, padded_sizes=(1, 2, 4, 8), on_batch=told.append)
    answer = await _submit(batcher, _images(count))
    await asyncio.to_thread(batcher.close)
    _assert_answers(answer, _images(count))
    assert (session.sizes, told) == ([shape], [count])


async def test_stalled_s_is_the_time_of_the_current_run(batcher: Batcher, session: FakeSession) -> None:
    assert batcher.stalled_s == 0
    occupant = await _occupy(batcher, session)
    await asyncio.sleep(0.02)
    assert 0.02 <= batcher.stalled_s < 5
    session.gate.set()
    await occupant
    assert batcher.stalled_s == 0


async def test_retire_ends_the_thread_and_a_late_caller_is_answered(batcher: Batcher, session: FakeSession) -> None:
    occupant = await _occupy(batcher, session)
    queued = _submit(batcher, _images(2))
    await asyncio.sleep(0)
    batcher.retire()
    session.gate.set()
    _assert_answers(await queued, _images(2))
    await occupant
    for seed in range(3):
        await asyncio.to_thread(_wait_for_no_thread, "batcher-test")
        _assert_answers(await _submit(batcher, _images(1, seed)), _images(1, seed))


async def test_close_run_that_hangs_is_left_behind(session: FakeSession, caplog: pytest.LogCaptureFixture) -> None:
    batcher = Batcher(session.run, name="hangs", max_batch_images=MAX_BATCH_IMAGES)
    occupant = await _occupy(batcher, session)
    await asyncio.to_thread(batcher.close, timeout_s=0.02)
    assert "did not end" in caplog.text
    session.gate.set()
    await occupant


def _wait_for_no_thread(name: str) -> None:
    until = time.monotonic() + 5
    while any(thread.name == name for thread in threading.enumerate()):
        assert time.monotonic() < until, "the thread did not end"
        time.sleep(0.001)


class _NoRoomOnce(tuple[int, ...]):
    """Padding that the first run finds no memory for."""

    full = True

    def __iter__(self) -> Iterator[int]:
        if self.full:
            self.full = False
            raise MemoryError
        return iter(())


async def test_run_that_memory_has_no_room_for_fails_alone(session: FakeSession) -> None:
    batcher = Batcher(session.run, name="full", max_batch_images=MAX_BATCH_IMAGES, padded_sizes=_NoRoomOnce())
    with pytest.raises(MemoryError):
        await _submit(batcher, _images(1))
    _assert_answers(await _submit(batcher, images := _images(1)), images)
    await asyncio.to_thread(batcher.close)


async def test_run_waits_some_turns_for_what_is_about_to_come(session: FakeSession) -> None:
    told: list[int] = []
    awaited = [True]
    batcher = Batcher(session.run, name="patient", max_batch_images=4, more_to_come=lambda: awaited[0], on_batch=told.append)
    first = _submit(batcher, _images(1))
    await asyncio.sleep(0)
    second = _submit(batcher, _images(1, seed=1))
    await asyncio.gather(first, second)
    assert told == [2]
    await asyncio.wait_for(_submit(batcher, _images(1)), 5)  # not for ever, though nothing comes
    await asyncio.to_thread(batcher.close)
