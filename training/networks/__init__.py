"""Networks by name. Each takes float (N, 1, 28, 28), ink 1 on paper 0, and gives logits (N, C)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from training.errors import TrainingError
from training.networks.cnn import cnn, teacher
from training.networks.mlp import mlp
from training.networks.vit import vit

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "cnn": cnn,
    "cnn-teacher": teacher,
    "mlp-128": partial(mlp, hidden=(128,)),
    "mlp-512-256": partial(mlp, hidden=(512, 256)),
    "mlp-512-256-128": partial(mlp, hidden=(512, 256, 128)),
    "mlp-1024-512-256-128": partial(mlp, hidden=(1024, 512, 256, 128), batch_norm=True),
    "vit": vit,
}


def build(name: str, classes: int, *, dropout: float) -> nn.Module:
    """A fresh network of that name for that many classes.

    Raises:
        TrainingError: no network has that name.
    """
    if name not in NETWORKS:
        raise TrainingError(f"There is no network named {name!r}; there are: {', '.join(sorted(NETWORKS))}.")
    return NETWORKS[name](classes, dropout=dropout)
