"""A whole run: begin or go on, work through the parts, join them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.digits.manifest import ModelManifest
from app.many.engines import Engine
from app.many.errors import CannotBegin, RunFailed
from app.many.formats import format_of
from app.many.parts import PART_PICTURES, Parts, Plan
from app.many.rows import columns
from app.many.sources import open_source
from app.many.work import Job

NAMES_A_REFRESH: Final = 1000


@dataclass(slots=True)
class Tally:
    """What a run has done.

    Attributes:
        pictures: in the whole result.
        before: of them, those that an earlier run had read.
        abstained: by the model, in this run.
        refused: could not be read, in this run.
    """

    pictures: int = 0
    before: int = 0
    abstained: int = 0
    refused: int = 0

    def __str__(self) -> str:
        before = f", {self.before:,} of them by an earlier run" if self.before else ""
        rest = "of the others" if self.before else "of these"
        return (
            f"{self.pictures:,} pictures{before}; {rest} the model declined {self.abstained:,} "
            f"and {self.refused:,} could not be read"
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One call of ``digits classify-many``.

    Attributes:
        job: what each worker needs to know.
        out: the result's file.
        manifest: of the model.
        engine: what runs the parts.
        workers: how many at most.
        part_pictures: pictures of one part.
    """

    job: Job
    out: Path
    manifest: ModelManifest
    engine: Engine
    workers: int
    part_pictures: int = PART_PICTURES

    def start(self, progress: Progress, *, resume: bool = False, overwrite: bool = False) -> Tally | None:
        """Read every picture once and write the result; None if an earlier run had finished it.

        Raises:
            CannotBegin: see ``app.many.errors``; also if there is a result and neither flag says what to do about it.
            RunFailed: it stopped on the way.
        """
        if resume and overwrite:
            raise CannotBegin("--resume keeps what is there and --overwrite does not: take one of them.")
        if self.out.exists() and not (resume or overwrite):
            raise CannotBegin(f"{self.out} is there already; --overwrite replaces it.")
        if self.out.is_dir():
            raise CannotBegin(f"{self.out} is a folder.")
        source = open_source(self.job.source)
        with Parts(self.out, format_of(self.out.suffix, columns(self.manifest))) as parts:
            begun = None if overwrite else parts.plan
            if begun is not None:
                self._check(begun, resume=resume)
            elif resume and self.out.exists():
                parts.discard()
                return None
            else:
                parts.begin(self._plan(), _counted(source.names(), progress))
            return self._finish(parts, progress)

    def _plan(self) -> Plan:
        limits, manifest = self.job.limits, self.manifest
        return Plan(
            source=self.job.source,
            model=manifest.name,
            version=manifest.version,
            sha256=manifest.sha256,
            max_file_bytes=limits.max_file_bytes,
            max_image_pixels=limits.max_image_pixels,
            part_pictures=self.part_pictures,
        )

    def _check(self, begun: Plan, *, resume: bool) -> None:
        if not resume:
            raise CannotBegin(f"{self.out} was begun and not finished; --resume goes on, --overwrite begins anew.")
        if difference := self._plan().difference(begun):
            raise CannotBegin(f"{self.out} was begun otherwise ({difference}); --overwrite begins anew.")

    def _finish(self, parts: Parts, progress: Progress) -> Tally:
        """Read the parts that are missing, then join them all."""
        plan = self._plan()
        tally, count, missing = Tally(), 0, 0
        for task in parts.tasks(plan):
            done = parts.has(task.index)
            count, missing = count + 1, missing + (not done)
            tally.pictures += len(task.names)
            tally.before += len(task.names) * done
        if missing:
            self._read(parts, plan, min(missing, self.workers), tally, progress)
        with _told(self.out):
            parts.join(count, plan)
        return tally

    def _read(self, parts: Parts, plan: Plan, workers: int, tally: Tally, progress: Progress) -> None:
        bar = progress.add_task("reading", total=tally.pictures, completed=tally.before, rate="")
        started, read = time.monotonic(), 0
        tasks = (task for task in parts.tasks(plan) if not parts.has(task.index))
        for part in self.engine(self.job, tasks, workers):
            with _told(self.out):
                parts.write(part)
            read += part.pictures
            tally.abstained += part.abstained
            tally.refused += part.refused
            progress.update(bar, advance=part.pictures, rate=f"{read / (time.monotonic() - started):,.0f}/s")


def shown(console: Console) -> Progress:
    """What a person watches; where nobody does, Rich prints its end only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )


def _counted(names: Iterator[str], progress: Progress) -> Iterator[str]:
    """The names, while a person sees that they are being listed."""
    bar = progress.add_task("listing", total=None, rate="")
    for count, name in enumerate(names, 1):
        if count % NAMES_A_REFRESH == 0:
            progress.update(bar, completed=count)
        yield name
    progress.remove_task(bar)


@contextlib.contextmanager
def _told(out: Path) -> Iterator[None]:
    """A full disk is no fault of ours, and no end of what is done already."""
    try:
        yield
    except OSError as exc:
        raise RunFailed(f"{out} cannot be written: {exc.strerror}.") from exc
