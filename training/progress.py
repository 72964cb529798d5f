"""Who is told how a run goes: the terminal's bar, TensorBoard, or nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console

from training.board import Board
from training.console import Bar
from training.runs import Epoch, RunFolder


class Progress(Protocol):
    """Is told how the run goes."""

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None:
        """A part of an epoch is done: its share, and the means so far."""

    def epoch(self, row: Epoch) -> None:
        """An epoch is done, measured and saved."""


class Silent:
    """Tells nobody."""

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None:
        pass

    def epoch(self, row: Epoch) -> None:
        pass


class Told:
    """Tells several."""

    def __init__(self, *listeners: Progress) -> None:
        self._listeners = listeners

    def step(self, epoch: int, share: float, loss: float, accuracy: float) -> None:
        for listener in self._listeners:
            listener.step(epoch, share, loss, accuracy)

    def epoch(self, row: Epoch) -> None:
        for listener in self._listeners:
            listener.epoch(row)


@contextmanager
def shown(console: Console, run: RunFolder, epochs: int) -> Iterator[Progress]:
    """A bar on the terminal and TensorBoard's curves in the run's folder."""
    done = len(run.load_record().history) if run.has_checkpoint() else 0
    with Bar(console, epochs) as bar, Board(run.path, epochs_done=done) as board:
        yield Told(bar, board)
