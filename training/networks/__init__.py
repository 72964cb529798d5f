"""Networks by name. Each takes float (N, 1, 28, 28), ink 1 on paper 0, and gives logits (N, C)."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from training.errors import TrainingError
from training.networks.cnn import cnn

NETWORKS: dict[str, Callable[[int], nn.Module]] = {"cnn": cnn}


def build(name: str, classes: int) -> nn.Module:
    """A fresh network of that name for that many classes.

    Raises:
        TrainingError: no network has that name.
    """
    if name not in NETWORKS:
        raise TrainingError(f"There is no network named {name!r}; there are: {', '.join(sorted(NETWORKS))}.")
    return NETWORKS[name](classes)
