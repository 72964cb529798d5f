"""``digits classify-many``: from what a person typed to a run, and what it tells them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import typer
from rich.console import Console

from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier
from app.digits.errors import DigitsError
from app.digits.session import ProviderName
from app.digits.threads import available_cpus
from app.many.engines import Engine, local
from app.many.errors import CannotBegin, RunFailed
from app.many.run import Run, shown
from app.many.work import Job
from app.settings import Settings

EngineName = Literal["local", "ray"]
INTERRUPTED: Final = 130  # as shells say of Ctrl-C


@dataclass(frozen=True, slots=True)
class Wish:
    """The command's arguments; ``None`` is the default."""

    source: str
    out: Path
    engine: EngineName = "local"
    model: str | None = None
    workers: int | None = None
    resume: bool = False
    overwrite: bool = False
    device: ProviderName = "auto"


def classify_many(wish: Wish, settings: Settings) -> int:
    """Do it, with progress on stderr: the exit code.

    Raises:
        CannotBegin: with what is asked for, or what is there, nothing can be done.
        RunFailed: it stopped on the way; ``resume`` goes on.
    """
    run = _run_of(wish, settings)
    console = Console(stderr=True)
    try:
        with shown(console) as progress:
            tally = run.start(progress, resume=wish.resume, overwrite=wish.overwrite)
    except RunFailed as exc:
        raise RunFailed(f"{exc} What was read is kept: --resume goes on.") from exc
    except KeyboardInterrupt:
        typer.echo(f"{wish.out} is not finished; --resume goes on.", err=True)
        return INTERRUPTED
    typer.echo(f"{wish.out}: {tally}." if tally else f"{wish.out} was finished already; --overwrite makes it anew.")
    return 0


def _run_of(wish: Wish, settings: Settings) -> Run:
    folder = (settings.models_dir / (wish.model or settings.default_model)).absolute()
    try:
        # Once here, so that a bad model is one sentence before anything is written; each worker loads it again.
        DigitClassifier.load(folder, provider=wish.device, intra_op_threads=1).self_test(folder)
    except DigitsError as exc:
        raise CannotBegin(str(exc)) from exc
    job = Job(wish.source, wish.out.suffix, folder, wish.device, settings.picture_limits)
    return Run(job, wish.out, manifests.read(folder), _engine(wish.engine), wish.workers or available_cpus())


def _engine(name: EngineName) -> Engine:
    if name == "local":
        return local
    try:
        from app.many.cluster import on_ray
    except ModuleNotFoundError as exc:
        raise CannotBegin("--engine ray needs Ray: pip install 'digits[ray]'.") from exc
    return on_ray
