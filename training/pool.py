"""The pictures that a run trains on: the real ones, and what our own code draws beside them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data import LABELS, Split, drawn_split
from training.errors import TrainingError
from training.letters import letter_frames
from training.losses import NO_DIGIT
from training.nondigits import nondigit_frames
from training.recipe import Recipe

# How many different ones there are to choose from, at most.
DRAWN = 6000
NONDIGITS = 10_000
LETTERS = 10_000
NONDIGIT_SEED = 0


class Pool:
    """Real pictures first, then drawn digits of rare forms, then made-up non-digits and foreign letters; all on the device.

    Attributes:
        images: uint8 (N, 1, 28, 28).
        labels: int64 (N,), positions of classes, or ``NO_DIGIT``.
        an_epoch: how many pictures an epoch shows.
    """

    def __init__(self, train: Split, labels: tuple[str, ...], recipe: Recipe, device: torch.device) -> None:
        """Draw what the recipe asks for.

        Raises:
            TrainingError: it asks for drawn digits, and the classes are not the ten digits.
        """
        if recipe.drawn_share and labels != LABELS:
            raise TrainingError("--drawn-share draws digits; leave it at 0 for other classes.")
        real = len(train)
        parts = [train, *_made(train, recipe)]
        self.images = torch.from_numpy(np.concatenate([part.images for part in parts])).unsqueeze(1).to(device)
        self.labels = torch.from_numpy(np.concatenate([part.labels for part in parts])).to(device)
        bounds = np.cumsum([len(part) for part in parts]).tolist()
        shares = [share for share in (recipe.drawn_share, recipe.nondigit_share, recipe.letter_share) if share]
        self._extra = [(low, high, round(share * real)) for (low, high), share in zip(pairwise(bounds), shares, strict=True)]
        self._real = real
        self.an_epoch = real + sum(count for _, _, count in self._extra)

    def order(self) -> Tensor:
        """Positions int64 (an_epoch,) of one epoch, mixed: every real picture once, the others at random by their share."""
        extra = [torch.randint(low, high, (count,)) for low, high, count in self._extra]
        positions = torch.cat([torch.arange(self._real), *extra])
        return positions[torch.randperm(len(positions))]


def _made(train: Split, recipe: Recipe) -> list[Split]:
    made = []
    if recipe.drawn_share:
        made.append(drawn_split(min(DRAWN, len(train))))
    if recipe.nondigit_share:
        frames, _ = nondigit_frames(min(NONDIGITS, len(train)), train, seed=NONDIGIT_SEED)
        made.append(_no_digits(frames))
    if recipe.letter_share:
        made.append(_no_digits(letter_frames(min(LETTERS, len(train)), seed=NONDIGIT_SEED)))
    return made


def _no_digits(frames: NDArray[np.uint8]) -> Split:
    return Split(frames, np.full(len(frames), NO_DIGIT, np.int64))
