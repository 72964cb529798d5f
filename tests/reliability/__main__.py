"""Every scenario in its long form, as one table: ``python -m tests.reliability``; exit code 1 if a promise was not kept."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from tests.container.engine import FINISHED_IMAGE, run_docker
from tests.reliability import contained, machine, models, stops
from tests.reliability.flood import crowd, flood
from tests.reliability.fuzz import mutants
from tests.reliability.manners import rudeness
from tests.reliability.rows import Row, table_of
from tests.reliability.soak import soak

Scenario = Callable[[Path, float], Awaitable[Row | list[Row]]]

WIDTH: Final = 220
SCENARIOS: Final[dict[str, Scenario]] = {
    "flood": lambda folder, scale: flood(folder, seconds=60 * scale),
    "crowd": lambda folder, scale: crowd(folder, seconds=60 * scale),
    "rude": lambda folder, scale: rudeness(folder, seconds=max(2, 10 * scale), idle=round(5000 * scale)),
    "sigterm": lambda folder, scale: stops.terminations(folder, times=round(20 * scale) or 1, seconds=2),
    "kill": lambda folder, scale: stops.killed_workers(folder, times=round(5 * scale) or 1, seconds=3),
    "rolling": lambda folder, scale: stops.rolling_restart(folder, seconds=max(2, 5 * scale)),
    "files": lambda folder, scale: models.damaged_files(folder, seconds=max(1, 5 * scale)),
    "graphs": lambda folder, scale: models.faulty_graphs(folder, seconds=max(2, 5 * scale)),
    "reload": lambda folder, scale: models.reload_in_a_flood(folder, seconds=20 * scale, swaps=round(10 * scale) or 1),
    "descriptors": lambda folder, scale: machine.no_file_descriptors(folder, seconds=max(2, 5 * scale)),
    "disk": lambda folder, scale: machine.full_disk(folder, seconds=max(2, 5 * scale)),
    "memory": lambda folder, scale: machine.no_memory(folder, seconds=max(1, 5 * scale)),
    "container": lambda _, scale: contained.out_of_memory(
        run_docker, str(FINISHED_IMAGE), times=round(5 * scale) or 1, seconds=max(1, 5 * scale)
    ),
    "names": lambda folder, scale: machine.no_names(folder, seconds=max(1, 5 * scale)),
    "clock": lambda folder, scale: machine.clock_jumps(folder, seconds=max(1, 5 * scale)),
    "home": lambda folder, scale: machine.no_home(folder, seconds=max(1, 5 * scale)),
    "fuzz": lambda folder, scale: mutants(folder, inputs=round(100_000 * scale)),
    "soak": lambda folder, scale: soak(folder, requests=round(1_000_000 * scale)),
}


def main(
    only: Annotated[list[str] | None, typer.Argument(help=f"Scenarios: {', '.join(SCENARIOS)}; all by default.")] = None,
    scale: Annotated[float, typer.Option(min=0.001, max=10, help="Times and numbers; 1 is the whole.")] = 1.0,
) -> None:
    """Run scenarios against servers of their own, one after the other."""
    console = Console(width=WIDTH)
    rows: list[Row] = []
    for name in only or SCENARIOS:
        if missing := _missing(name):
            console.print(f"{name}: left out, {missing}")
            continue
        with tempfile.TemporaryDirectory(prefix="digits-") as folder:
            found = asyncio.run(_run(SCENARIOS[name], Path(folder), scale))
        rows += found
        console.print(table_of(found))
    console.print(table_of(rows))
    sys.exit(any(row.broken or row.late for row in rows))


def _missing(name: str) -> str | None:
    """What a scenario needs and this machine has not got."""
    if name == "rolling" and shutil.which("nginx") is None:
        return "nginx is not installed"
    if name == "container" and FINISHED_IMAGE is None:
        return "DIGITS_TEST_IMAGE names no image"
    if name == "names" and not machine.can_hide_names():
        return "no namespace of mounts can be made here"
    if name == "clock" and machine.FAKETIME is None:
        return "libfaketime is not installed"
    return None


async def _run(scenario: Scenario, folder: Path, scale: float) -> list[Row]:
    found = await scenario(folder, scale)
    return [found] if isinstance(found, Row) else found


if __name__ == "__main__":
    typer.run(main)
