"""Merges what queued while the session was busy, and nothing else: a lone request is dispatched at once.

One thread runs the session (ONNX Runtime releases the GIL meanwhile). There is no timer: waiting for company would add
latency and on a CPU saves no arithmetic (PEERS.md).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

import numpy as np

from app.digits.errors import DeadlineExceeded, DigitsError, ModelBroken, ShuttingDown
from app.digits.session import Images, Output

_STOP: Final = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller gets for its images.

    Attributes:
        output: logits and probabilities, float32 (N, C), in the order of the images.
        queue_s: from submission to the start of the first run, in seconds.
        inference_s: the runs that its images were part of, in seconds.
    """

    output: Output
    queue_s: float
    inference_s: float


@dataclass(slots=True)
class _Job:
    images: Images
    deadline: float
    future: asyncio.Future[Answer]
    submitted: float


class Batcher:
    """Runs one model's images in the order of their arrival, at most ``max_batch_images`` at a time."""

    def __init__(
        self,
        infer: Callable[[Images], Output],
        *,
        name: str,
        max_batch_images: int,
        on_batch: Callable[[int], None] = lambda _images: None,
    ) -> None:
        """Start the thread.

        Args:
            infer: runs uint8 (N, 1, 28, 28); blocks.
            name: of the thread, for debuggers.
            max_batch_images: images in one run.
            on_batch: told the size of each run, from the thread.
        """
        self._infer = infer
        self._max_batch_images = max_batch_images
        self._on_batch = on_batch
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"batcher-{name}", daemon=True)
        self._thread.start()

    async def submit(self, images: Images, deadline: float) -> Answer:
        """Wait for the answer to uint8 (N, 1, 28, 28), N at least 1.

        Args:
            images: more than a batch holds are split over several runs.
            deadline: on ``time.monotonic``'s clock; work that has not begun by then never will.

        Raises:
            DeadlineExceeded: no answer by then.
            ModelBroken: the graph failed on this batch.
            ShuttingDown: ``close`` was called.
        """
        if self._closed:
            raise ShuttingDown("The service is stopping.")
        size = self._max_batch_images
        jobs = [self._job(images[start : start + size], deadline) for start in range(0, len(images), size)]
        for job in jobs:
            self._queue.put(job)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                # Cancels every part when the time is out or the caller leaves, and the thread skips those.
                return _joined(await asyncio.gather(*(job.future for job in jobs)))
        except TimeoutError as exc:
            raise DeadlineExceeded("The answer was not ready in time.") from exc

    def close(self) -> None:
        """Finish what is queued, then end the thread."""
        self._closed = True
        self._queue.put(_STOP)
        self._thread.join()

    @staticmethod
    def _job(images: Images, deadline: float) -> _Job:
        return _Job(images, deadline, asyncio.get_running_loop().create_future(), time.monotonic())

    def _work(self) -> None:
        held: _Job | None = None
        while True:
            first = held or self._queue.get()
            held = None
            if first is _STOP:
                return
            batch, held, stop = self._merge(first)
            self._run(batch)
            if stop:
                return

    def _merge(self, first: _Job) -> tuple[list[_Job], _Job | None, bool]:
        """What fits into one run, the job that no longer did, and whether the queue ended."""
        batch, count = [first], len(first.images)
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return batch, None, False
            if job is _STOP:
                return batch, None, True
            if count + len(job.images) > self._max_batch_images:
                return batch, job, False
            batch.append(job)
            count += len(job.images)

    def _run(self, batch: Sequence[_Job]) -> None:
        started = time.monotonic()
        # A cancelled future is a caller that left or ran out of time.
        live = [job for job in batch if job.deadline > started and not job.future.cancelled()]
        if not live:
            return
        result: Output | DigitsError
        try:
            images = np.concatenate([job.images for job in live]) if len(live) > 1 else live[0].images
            result = self._infer(images)
        except DigitsError as exc:
            result = exc
        except Exception as exc:  # noqa: BLE001 - this thread's outermost edge: it must outlive any fault of a run
            result = ModelBroken(f"The model failed: {type(exc).__name__}.")
            result.__cause__ = exc
        inference_s = time.monotonic() - started
        self._on_batch(sum(len(job.images) for job in live))
        # All futures of a service live on one loop; one call wakes it for the whole batch.
        loop = live[0].future.get_loop()
        loop.call_soon_threadsafe(_deliver, live, result, started, inference_s)


def _deliver(jobs: Sequence[_Job], result: Output | DigitsError, started: float, inference_s: float) -> None:
    offset = 0
    for job in jobs:
        rows = slice(offset, offset + len(job.images))
        offset += len(job.images)
        if job.future.done():
            continue
        if isinstance(result, DigitsError):
            job.future.set_exception(result)
        else:
            output = Output(result.logits[rows], result.probabilities[rows])
            job.future.set_result(Answer(output, started - job.submitted, inference_s))


def _joined(answers: Sequence[Answer]) -> Answer:
    if len(answers) == 1:
        return answers[0]
    logits = np.concatenate([answer.output.logits for answer in answers])
    probabilities = np.concatenate([answer.output.probabilities for answer in answers])
    return Answer(Output(logits, probabilities), answers[0].queue_s, sum(answer.inference_s for answer in answers))
