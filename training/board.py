"""The curves of a run for TensorBoard: ``tensorboard --logdir runs``."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from training.runs import Epoch


class Board:
    """Writes each epoch's row of ``history.csv`` as scalars into the run's ``tensorboard/``."""

    def __init__(self, run: Path, *, epochs_done: int) -> None:
        """Go on after that many epochs; what was written of later ones, before a kill, no longer counts."""
        self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=epochs_done + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None:
        """Nothing: a point an epoch is what the curves show."""

    def epoch(self, row: Epoch) -> None:
        """Write one point of each curve."""
        for name, value in row.model_dump(exclude={"epoch"}).items():
            self._writer.add_scalar(name.replace("_", "/", 1), value, row.epoch)
