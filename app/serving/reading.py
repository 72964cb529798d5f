"""One picture of several digits → its reading: the pixels on a thread, the model's runs through the batcher."""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import Executor
from dataclasses import dataclass

from app.digits.errors import DeadlineExceeded
from app.digits.image import Decoded, Picture
from app.digits.reader import Reader, Reading, Rounds
from app.digits.session import Images, Output
from app.serving.admission import Ticket
from app.serving.batcher import Batcher


@dataclass(frozen=True, slots=True)
class Read:
    """A reading of a picture's pixels, and the seconds that its stages took; ``preprocess_s`` is finding and framing."""

    reading: Reading
    pixels: Decoded
    decode_s: float
    preprocess_s: float
    queue_s: float
    inference_s: float


async def read_picture(
    picture: Picture, reader: Reader, batcher: Batcher, threads: Executor, places: Ticket, until: float, *, top_k: int
) -> Read:
    """Read one picture.

    Args:
        picture: not decoded yet.
        reader: finds and frames the digits.
        batcher: runs the reader's model.
        threads: where pixels are worked on: a page takes tens of milliseconds, too many for the event loop.
        places: takes as many in all as the largest batch has images: a page of fifty digits costs what fifty pictures do.
        until: the deadline on ``time.monotonic``'s clock.
        top_k: labels to rank for each digit.

    Raises:
        PictureError, QueueFull, DeadlineExceeded, ShuttingDown: see ``app.digits.errors``.
    """
    loop, work = asyncio.get_running_loop(), _Work(picture, reader, until, top_k)
    queue_s = inference_s = 0.0
    step: Images | Reading = await loop.run_in_executor(threads, work.begin)
    while not isinstance(step, Reading):
        places.take(max(0, len(step) - places.amount))
        answer = await batcher.submit(step, until)
        queue_s, inference_s = queue_s + answer.queue_s, inference_s + answer.inference_s
        step = await loop.run_in_executor(threads, functools.partial(work.go_on, answer.output))
    return Read(step, work.pixels, work.decode_s, work.preprocess_s, queue_s, inference_s)


class _Work:
    """What is done on a thread: each call gives the next images to run, or the reading.

    Attributes:
        pixels: once they are decoded.
        decode_s, preprocess_s: seconds so far.
    """

    pixels: Decoded
    _rounds: Rounds

    def __init__(self, picture: Picture, reader: Reader, until: float, top_k: int) -> None:
        self.decode_s = self.preprocess_s = 0.0
        self._picture = picture
        self._reader = reader
        self._until = until
        self._top_k = top_k

    def begin(self) -> Images:
        self._check_time()
        started = time.perf_counter()
        self.pixels = self._picture.decode()
        self.decode_s = time.perf_counter() - started
        self._rounds = self._reader.rounds(self.pixels.grey, top_k=self._top_k)
        images = next(self._rounds)
        self.preprocess_s = time.perf_counter() - started - self.decode_s
        return images

    def go_on(self, output: Output) -> Images | Reading:
        self._check_time()
        started = time.perf_counter()
        try:
            return self._rounds.send(output)
        except StopIteration as end:  # which no future can carry
            reading: Reading = end.value
            return reading
        finally:
            self.preprocess_s += time.perf_counter() - started

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise DeadlineExceeded("The picture could not be read in time.")
