"""Merges what queued while the session was busy, and nothing else: a lone request is dispatched at once.

Whose images a run takes is decided on the event loop; a thread does nothing but run the session (ONNX Runtime releases the GIL
meanwhile). The picture of a lone request does not even go there, if its run is sure to end soon: to wake a thread and to be
woken by it, with the turns of the loop in between, takes longer than the shipped model does. There is no timer: waiting for
company would add latency. But a run takes all that one turn of the loop brought: in runs of many a picture costs a third less
CPU than alone, as the model and the interpreter drive each other out of the caches (benchmarks/README.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from app.digits.errors import DeadlineExceeded, DigitsError, ModelBroken, ShuttingDown
from app.digits.session import Images, Output
from app.serving.waiting import Line, Waiting

log = logging.getLogger(__name__)

# Turns of the event loop, each about a millisecond of decoding at most.
PATIENCE: Final = 4
# The event loop may run what takes no longer than one of its turns decodes.
BRIEF_S: Final = 1e-3


class Answer(NamedTuple):
    """What a caller gets for its images.

    Attributes:
        output: logits and probabilities, float32 (N, C), in the order of the images.
        queue_s: from submission to the start of the first run, in seconds.
        inference_s: the runs that its images were part of, in seconds.
    """

    output: Output
    queue_s: float
    inference_s: float


Request: TypeAlias = Waiting[Answer]
Run: TypeAlias = Mapping[Request, int]


class _Batch(NamedTuple):
    """A run, and its images as the session takes them."""

    run: Run
    images: Images


class Batcher:
    """Runs one model's images, at most ``max_batch_images`` at a time; ``Line`` says whose come next."""

    def __init__(
        self,
        infer: Callable[[Images], Output],
        *,
        name: str,
        max_batch_images: int,
        is_bounded: bool = False,
        padded_sizes: Sequence[int] = (),
        more_to_come: Callable[[], bool] = lambda: False,
        is_alone: Callable[[], bool] = lambda: False,
        on_batch: Callable[[int], None] = lambda _images: None,
    ) -> None:
        """Start the thread.

        Args:
            infer: runs uint8 (N, 1, 28, 28); blocks.
            name: of the thread, for debuggers.
            max_batch_images: images in one run.
            is_bounded: whether each run is sure to end (see ``ModelSession``); only then may the event loop do it.
            padded_sizes: runs are filled up with blank images to one of these, ascending up to ``max_batch_images``,
                where hardware wants few different shapes; as they come if empty.
            more_to_come: whether pictures are about to be decoded; a run that is not full waits for them, ``PATIENCE`` turns
                of the event loop at most.
            is_alone: whether the service has no other request than the one that submits.
            on_batch: told how many images each run had, on the event loop.
        """
        self.name = name
        self._infer = infer
        self._max_batch_images = max_batch_images
        self._is_bounded = is_bounded
        self._padded_sizes = padded_sizes
        self._more_to_come = more_to_come
        self._is_alone = is_alone
        self._on_batch = on_batch
        self._line: Line[Answer] = Line()
        self._runs: SimpleQueue[_Batch | None] = SimpleQueue()
        self._busy = self._closed = self._retired = False
        self._running_since: float | None = None
        self._last_s = BRIEF_S  # of an image in the last run; the first one goes to the thread
        self._thread: threading.Thread | None = None
        self._ending = threading.Lock()
        self._start()

    @property
    def stalled_s(self) -> float:
        """Seconds that the current run has been running; 0 when idle. A run cannot be interrupted."""
        since = self._running_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def queued_images(self) -> int:
        """Images that wait for a run."""
        return len(self._line)

    @property
    def ended(self) -> bool:
        """Whether its thread has ended, after ``close`` or ``retire``."""
        return self._thread is None

    async def submit(self, images: Images, deadline: float) -> Answer:
        """Wait for the answer to uint8 (N, 1, 28, 28), N at least 1.

        A caller that is cancelled takes the images that no run took yet out of the queue.

        Args:
            images: more than a batch holds are split over several runs.
            deadline: on ``time.monotonic``'s clock; work that has not begun by then never will.

        Raises:
            DeadlineExceeded: no answer by then.
            ModelBroken: the graph failed on a batch that held one of these images.
            ShuttingDown: ``close`` was called.
        """
        if self._closed:
            raise ShuttingDown("The service is stopping.")
        loop, now = asyncio.get_running_loop(), time.monotonic()
        if self._may_run_here(images) and now < deadline:
            return self._answer_here(images)
        request: Request = Waiting(images, deadline, now, loop.create_future())
        self._line.join(request)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._dispatch)
        timer = loop.call_later(deadline - now, _expire, request.future)  # asyncio.timeout takes four times as long
        try:
            return await request.future
        finally:
            timer.cancel()
            if request.taken < len(images):
                self._line.leave(request)

    def _may_run_here(self, images: Images) -> bool:
        """Whether the event loop may wait for this run: one picture, nobody else, a model that is sure to be quick again."""
        return len(images) == 1 and self._is_bounded and self._last_s < BRIEF_S and not self._busy and self._is_alone()

    def _answer_here(self, images: Images) -> Answer:
        result, _, inference_s = self._run(images)
        self._on_batch(len(images))
        if isinstance(result, Exception):
            raise result
        return Answer(result, 0.0, inference_s)

    def retire(self) -> None:
        """Let the thread end whenever nothing waits; for a model that another one has replaced.

        Whoever found this batcher before is answered all the same: ``submit`` starts the thread again for a while.
        """
        self._retired = True
        self._end_if_idle()

    def close(self, timeout_s: float = 5.0) -> None:
        """Take no more, finish what is queued, end the thread; one whose run hangs is left behind after ``timeout_s``.

        Not on the event loop, which finishes the rest meanwhile.
        """
        self._closed = True
        thread = self._thread
        self._end_if_idle()
        if thread is None:
            return
        thread.join(timeout_s)
        if thread.is_alive():
            log.error("a run of the model did not end", extra={"model": self.name, "seconds": round(self.stalled_s, 1)})

    def _end_if_idle(self) -> None:
        """Tell the thread to end; a busy one is told by ``_dispatch``, once nothing waits."""
        if not self._busy:
            self._runs.put(None)

    def _dispatch(self, turns: int = 0) -> None:
        """Give the thread its next run, if anything waits; on the event loop, as all that decides."""
        if turns < PATIENCE and 0 < len(self._line) < self._max_batch_images and self._more_to_come():
            asyncio.get_running_loop().call_soon(self._dispatch, turns + 1)
            return
        run = self._line.take(self._max_batch_images, now := time.monotonic())
        self._busy = bool(run)
        if run:
            try:
                batch = _Batch(run, self._padded(_images(run)))
            except MemoryError as exc:
                asyncio.get_running_loop().call_soon(self._finish, run, exc, now, 0.0)
            else:
                self._hand_over(batch)
        elif self._closed or self._retired:
            self._runs.put(None)

    def _hand_over(self, batch: _Batch) -> None:
        with self._ending:
            self._runs.put(batch)
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        # A daemon: a run that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"batcher-{self.name}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while True:
            batch = self._runs.get()
            if batch is not None:
                outcome = self._run(batch.images)
                # All futures of a service live on one loop; one call wakes it for the whole run. After a run that hung through
                # the service's end that loop is closed, and nobody waits.
                with contextlib.suppress(RuntimeError):
                    next(iter(batch.run)).future.get_loop().call_soon_threadsafe(self._finish, batch.run, *outcome)
                continue
            with self._ending:
                if self._runs.empty():
                    self._thread = None
                    return

    def _run(self, images: Images) -> tuple[Output | Exception, float, float]:
        """The session's answer or its fault; when the run began, and how long it took."""
        started = self._running_since = time.monotonic()
        result: Output | Exception
        try:
            result = self._infer(images)
        except (DigitsError, MemoryError) as exc:
            result = exc
        except Exception as exc:  # noqa: BLE001 - the outermost edge of a run: the thread and the loop must outlive any fault
            result = ModelBroken(f"The model failed: {type(exc).__name__}.")
            result.__cause__ = exc
        self._running_since = None
        inference_s = time.monotonic() - started
        self._last_s = inference_s / len(images)
        return result, started, inference_s

    def _finish(self, run: Run, result: Output | Exception, started: float, inference_s: float) -> None:
        self._dispatch()  # first: the session is idle
        self._deliver(run, result, started, inference_s)

    def _deliver(self, run: Run, result: Output | Exception, started: float, inference_s: float) -> None:
        """Give each caller its rows; padding, if any, is behind them all."""
        offset = 0
        for request, count in run.items():
            rows = slice(offset, offset + count)
            offset += count
            if request.future.done():
                continue
            if isinstance(result, Exception):
                request.future.set_exception(result)
                continue
            output = Output(result.logits[rows], result.probabilities[rows])
            answer = Answer(output, started - request.submitted, inference_s)
            if count == len(request.images):
                request.future.set_result(answer)
                continue
            request.answered.append(answer)
            if sum(len(answer.output.probabilities) for answer in request.answered) == len(request.images):
                request.future.set_result(_joined(request.answered))
        self._on_batch(offset)

    def _padded(self, images: Images) -> Images:
        size = next((size for size in self._padded_sizes if size >= len(images)), len(images))
        if size == len(images):
            return images
        return np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), images.dtype)])


def _images(run: Run) -> Images:
    parts = [request.images[request.taken - count : request.taken] for request, count in run.items()]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _expire(future: asyncio.Future[Answer]) -> None:
    if not future.done():
        future.set_exception(DeadlineExceeded("The answer was not ready in time."))


def _joined(answers: Sequence[Answer]) -> Answer:
    logits = np.concatenate([answer.output.logits for answer in answers])
    probabilities = np.concatenate([answer.output.probabilities for answer in answers])
    return Answer(Output(logits, probabilities), answers[0].queue_s, sum(answer.inference_s for answer in answers))
