"""The terminal's progress bar: live loss, accuracy and time left."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.runs import Epoch


class Bar:
    """A bar over the epochs, and a line for each that is done."""

    def __init__(self, console: Console, epochs: int) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("train", total=epochs, status="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None:
        self._progress.update(self._task, completed=epoch + share, status=f"loss {loss:.4f} accuracy {accuracy:.2%}")

    def epoch(self, row: Epoch) -> None:
        self._progress.update(self._task, completed=row.epoch)
        self._console.print(
            f"epoch {row.epoch:3d}  train loss {row.train_loss:.4f} accuracy {row.train_accuracy:.2%}  "
            f"validation loss {row.validation_loss:.4f} accuracy {row.validation_accuracy:.2%}  {row.seconds:.1f} s"
        )
