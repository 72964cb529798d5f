"""The pictures of one data set, in three splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from training.data import Split, SplitName
from training.datasets import DataSet


@dataclass(frozen=True)
class Material:
    """Pictures in three splits.

    Attributes:
        name: for people.
        labels: names of the classes, by position.
        splits: ``train``, ``validation`` and ``test``; pictures uint8 (N, 28, 28).
    """

    name: str
    labels: tuple[str, ...]
    splits: Mapping[SplitName, Split]


def read_material(dataset: DataSet) -> Material:
    """Read all three splits of a data set."""
    name = "MNIST" if dataset.origin.is_mnist else Path(dataset.origin.name).name
    return Material(name, dataset.origin.labels, {split: dataset.split(split) for split in get_args(SplitName)})
