"""What can go wrong while training, said in one sentence for the person at the terminal."""

from __future__ import annotations


class TrainingError(Exception):
    """A fault of the command line, the data or the run folder; its text is the whole message."""
