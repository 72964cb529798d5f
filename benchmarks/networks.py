"""How many times the pictures a second of a reference network each shipped model answers, by ONNX Runtime on one thread.

    python -m benchmarks.networks

The reference is the six 3×3 convolutions with batch norm and average pooling that many projects use: 288,170 parameters, 29 M
multiply-adds. Other work on the machine shares its caches: so networks take turns, and each one's shortest round counts.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn
from torchvision.ops import Conv2dNormActivation

from app.digits.manifest import MODEL_FILE
from app.digits.session import OrtSession
from app.settings import PROJECT
from benchmarks.framing import cheapest_ms
from training.export import InferenceGraph, write_graph

BATCHES: Final = {1: 50, 32: 5}  # pictures, and runs in each round
REFERENCE: Final = "reference"


def reference() -> nn.Module:
    """Convolutions of 32, 32, 64, 64, 128, 128 channels, halved after each pair, pooled, and one linear layer."""
    widths = (1, 32, 32, 64, 64, 128, 128)
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(itertools.pairwise(widths)):
        layers.append(Conv2dNormActivation(before, after, 3))
        if index in (1, 3):
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def sessions(models: Path) -> dict[str, OrtSession]:
    """The reference first, then every model of the folder; on the CPU, one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / MODEL_FILE
        write_graph(InferenceGraph(reference(), temperature=1.0).eval(), graph)
        graphs = {REFERENCE: graph} | {path.parent.name: path for path in sorted(models.glob(f"*/{MODEL_FILE}"))}
        return {name: OrtSession(path, provider="cpu", intra_op_threads=1) for name, path in graphs.items()}


def render(answering: Mapping[str, OrtSession], rounds: int) -> Table:
    """A row for each model."""
    costs = {batch: _costs(answering, batch, rounds) for batch in BATCHES}
    table = Table(
        "network", *[f"batch {batch}: CPU ms a picture" for batch in BATCHES], *[f"× at {batch}" for batch in BATCHES]
    )
    table.box = box.MARKDOWN
    for name in answering:
        spent = [f"{costs[batch][name]:.4f}" for batch in BATCHES]
        table.add_row(name, *spent, *[f"{costs[batch][REFERENCE] / costs[batch][name]:.2f}" for batch in BATCHES])
    return table


def _costs(answering: Mapping[str, OrtSession], batch: int, rounds: int) -> dict[str, float]:
    images = np.random.default_rng(0).integers(0, 256, (batch, 1, 28, 28), dtype=np.uint8)
    works = {name: functools.partial(_run, session, images) for name, session in answering.items()}
    cheapest = cheapest_ms(works, dict.fromkeys(works, BATCHES[batch]), rounds)
    return {name: spent / batch for name, spent in cheapest.items()}


def _run(session: OrtSession, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    session.run(images)


def main(
    models: Annotated[Path, typer.Option(help="Folder of model folders.")] = PROJECT / "models",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, of which the shortest counts.")] = 30,
) -> None:
    """Print the table."""
    Console(width=120).print(render(sessions(models), rounds))


if __name__ == "__main__":
    typer.run(main)
