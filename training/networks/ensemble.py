"""Several networks that vote, as one network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Each member learns by itself; together they answer with the mean of their probabilities.

    While it trains, ``forward`` gives each member's logits, (N, C, M), and each is scored. In evaluation it gives (N, C): the
    logarithm of the members' mean probability, so that a softmax over it is that mean.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        """Float (N, 1, 28, 28) → logits, (N, C, M) in training and (N, C) in evaluation."""
        logits = torch.stack([member(images) for member in self.members], dim=2)
        if self.training:
            return logits
        return torch.log_softmax(logits, dim=1).logsumexp(dim=2)
