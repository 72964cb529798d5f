"""What runs the parts: this machine's processors. ``app.many.cluster`` has the other engine, Ray's."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from app.many.errors import RunFailed
from app.many.work import Job, Part, Task, read_part

# Parts in any order, as they are finished; how many workers.
Engine = Callable[[Job, Iterable[Task], int], Iterator[Part]]


def local(job: Job, tasks: Iterable[Task], workers: int) -> Iterator[Part]:
    """Read the parts in ``workers`` processes, or in this one if one is enough.

    Each process goes all the way from the file to the answer: pixels never cross from one to another.

    Raises:
        RunFailed: a process was killed, or the source failed.
    """
    if workers == 1:
        yield from (read_part(job, task) for task in tasks)
        return
    # Spawned: ONNX Runtime's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        yield from _read_in(pool, job, tasks, most_pending=2 * workers)
    except BrokenProcessPool as exc:
        raise RunFailed("A worker was killed, perhaps for its memory; fewer --workers need less.") from exc
    finally:
        pool.shutdown(cancel_futures=True)


def _read_in(pool: ProcessPoolExecutor, job: Job, tasks: Iterable[Task], most_pending: int) -> Iterator[Part]:
    pending: set[Future[Part]] = set()
    for task in tasks:
        pending.add(pool.submit(read_part, job, task))
        if len(pending) == most_pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


def _begin() -> None:
    """In a worker: Ctrl-C is for the parent, and without a parent there is nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
