"""Training as one of several processes that ``torchrun`` started, or alone.

Each process computes its share of every batch; gradients are averaged. Only the leader measures, reports and writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")

LOCAL_RANK = "LOCAL_RANK"  # set by torchrun


@dataclass(frozen=True)
class Team:
    """The processes of one run, and this one's place among them."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process measures, reports and writes."""
        return self.rank == 0

    def share(self, network: nn.Module) -> nn.Module:
        """The network whose backward pass averages the gradients over all processes."""
        return network if self.size == 1 else DistributedDataParallel(network)

    def hear(self, said: T | None) -> T:
        """What the leader says; the others' word is ignored."""
        words: list[T | None] = [said]
        if self.size > 1:
            dist.broadcast_object_list(words)
        assert words[0] is not None
        return words[0]


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """This process's team, as torchrun's environment says; a team of one without it."""
    if LOCAL_RANK not in os.environ:
        yield Team()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def own_device(name: str) -> torch.device:
    """The device of that kind that belongs to this process."""
    if name == "cuda":
        torch.cuda.set_device(int(os.environ.get(LOCAL_RANK, "0")))
    return torch.device(name)
