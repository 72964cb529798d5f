"""How weights move: the optimiser, its learning rate over time, and the average of the weights over steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

from training.recipe import Recipe

# The share of the steps in which OneCycle's rate rises; chosen on validation (LOG.md).
WARM_UP = 0.2


def optimizer_of(network: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser over all weights."""
    groups = _parameter_groups(network, recipe.weight_decay)
    if recipe.optimizer == "adam":
        return Adam(groups, lr=recipe.learning_rate)
    return AdamW(groups, lr=recipe.learning_rate)


def schedule_of(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """The learning rate over that many steps.

    OneCycleLR divides by the length of its warm-up less one step, so a toy run gets a schedule longer than itself.
    """
    if recipe.schedule == "onecycle":
        return OneCycleLR(optimizer, recipe.learning_rate, total_steps=max(steps, 10), pct_start=WARM_UP)
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


def average_of(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of the weights and of batch norm's statistics; with decay 0 their copy."""
    return AveragedModel(network, avg_fn=_moving_average(decay), use_buffers=True)


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Forgets faster at first, so that the random start does not linger in it."""

    def update(averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
        keep = min(decay, (1 + int(steps)) / (10 + int(steps)))
        return averaged * keep + current * (1 - keep)

    return update


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and the scales of normalisation do not."""
    decaying = [weight for weight in network.parameters() if weight.ndim > 1]
    free = [weight for weight in network.parameters() if weight.ndim <= 1]
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
