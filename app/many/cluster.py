"""The engine on Ray Data: actors on all machines of a cluster, or of one that is started here (extra ``ray``).

The actors read the pictures where they run, so SOURCE and the models must be there too: ``s3://``, or a shared folder. What
they answer comes back here; only this process writes.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from app.many.errors import RunFailed
from app.many.work import Job, Part, Task, read_part, split

# Nobody is told what runs here.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray
import ray.data
from ray.exceptions import RayError

# Parts of one data set; their names are all held in Ray's object store.
WAVE: Final = 1000


class ReadPart:
    """What an actor does with a row of the data set: a task in, a part out."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        part = read_part(self._job, Task(row["index"], tuple(json.loads(row["names"]))))
        counts = {"pictures": part.pictures, "abstained": part.abstained, "refused": part.refused}
        return {"index": part.index, "content": part.content} | counts


def on_ray(job: Job, tasks: Iterable[Task], workers: int) -> Iterator[Part]:
    """Read the parts with up to ``workers`` actors of one CPU each, which Ray adds as there is work.

    Raises:
        RunFailed: Ray failed, or the source did.
    """
    try:
        if not ray.is_initialized():
            ray.init(log_to_driver=False, logging_level="error")  # RAY_ADDRESS names a cluster, else one begins here
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        for wave in split(iter(tasks), WAVE):
            rows = [{"index": task.index, "names": json.dumps(task.names)} for task in wave]
            actors = ray.data.ActorPoolStrategy(min_size=1, max_size=workers)
            todo = ray.data.from_items(rows, override_num_blocks=len(rows))
            for row in todo.map(ReadPart, fn_constructor_args=(job,), compute=actors, num_cpus=1).iter_rows():
                yield Part(**row)
    except RayError as exc:
        raise RunFailed(f"Ray stopped: {str(exc).strip().splitlines()[-1]}") from exc
