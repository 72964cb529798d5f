"""What a step is scored against: targets as probabilities, and the weighted cross entropy to them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

NO_DIGIT = -1  # the label of a picture that belongs to no class


def targets_of(labels: Tensor, classes: int, *, smoothing: float) -> Tensor:
    """Float (N, C) target probabilities: smoothed one-hot rows, and even ones for ``NO_DIGIT``.

    Args:
        labels: int64 (N,), positions of classes or ``NO_DIGIT``.
        classes: C.
        smoothing: probability mass that is spread over all classes (Szegedy et al. 2016).
    """
    one_hot = F.one_hot(labels.clamp(min=0), classes).float()
    share = torch.where(labels == NO_DIGIT, 1.0, smoothing)[:, None]
    return one_hot * (1 - share) + share / classes


def soft_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean weighted cross entropy.

    Args:
        logits: float (N, C), or (N, C, M) for M answers to each picture, which count alike.
        targets: float (N, C).
        weights: float (N,).
    """
    log_probabilities = torch.log_softmax(logits.float().reshape(*targets.shape, -1), dim=1)
    losses = -(targets[:, :, None] * log_probabilities).sum(dim=1).mean(dim=1)
    return (losses * weights).sum() / weights.sum()
