"""The results as Markdown: medians of the rounds, and how many times ours."""

from __future__ import annotations

import platform
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.digits.threads import available_cpus
from benchmarks.cell import Cell
from benchmarks.peers.catalogue import OURS, Peer
from benchmarks.peers.environments import versions
from benchmarks.peers.measure import CLIENTS, MANY, Turn

LIBRARIES: Final = ("onnxruntime", "numpy", "pillow")
NOTHING: Final = "–"
CPUINFO: Final = Path("/proc/cpuinfo")
INTRODUCTION: Final = """\
One work for all: a PNG of 28×28 by HTTP, decoded by Pillow as PNG only, the shipped default model by ONNX Runtime on the CPU
with one thread, label and top 3 as JSON. Before each measurement the labels were compared with ONNX Runtime's own. `wrk`
loads the server from the same machine, so server and client share the cores. *CPU* is user and system milliseconds of all the
server's processes for each picture: the figure that other work on the machine touches least. 64 pictures a request come from
four clients. Memory is the sum over processes, shared pages counted in each."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the results.

    Attributes:
        title: with the unit.
        shape: of each figure, as ``format`` takes it.
        figures: those of one turn, separated by slashes in the table; none where it has none.
    """

    title: str
    shape: str
    figures: Callable[[Turn], Sequence[float]]


def _at(clients: int | str, figure: Callable[[Cell], Sequence[float]]) -> Callable[[Turn], Sequence[float]]:
    return lambda turn: figure(turn.cells[clients]) if clients in turn.cells else ()


COLUMNS: Final = (
    Column("req/s at 1 / 16 / 64 clients", ",.0f", lambda turn: [turn.cells[clients].pictures_per_s for clients in CLIENTS]),
    Column("CPU ms at 1 / 16 / 64", ".3f", lambda turn: [turn.cells[clients].cpu_ms for clients in CLIENTS]),
    Column("p50 / p99 ms at 1", ".2f", _at(1, lambda cell: [cell.load.p50_ms, cell.load.p99_ms])),
    Column("p50 / p99 / p99.9 ms at 64", ".1f", _at(64, lambda cell: [cell.load.p50_ms, cell.load.p99_ms, cell.load.p999_ms])),
    Column("64 a request: pictures/s", ",.0f", _at(MANY, lambda cell: [cell.pictures_per_s])),
    Column("CPU ms each", ".3f", _at(MANY, lambda cell: [cell.cpu_ms])),
    Column("first answer, s", ".1f", lambda turn: [turn.first_answer_s]),
    Column("memory, MB", ",.0f", lambda turn: [turn.memory_mb]),
)
# The figures that are compared with ours, round by round.
COMPARED: Final[Mapping[str, Callable[[Turn], float]]] = {
    "CPU at 64 clients": lambda turn: turn.cells[64].cpu_ms,
    "p99 at 64 clients": lambda turn: turn.cells[64].load.p99_ms,
    "p50 of a lone request": lambda turn: turn.cells[1].load.p50_ms,
}

Turns = Mapping[str, Mapping[int, Turn]]


def page(peers: Sequence[Peer], turns: Turns, failures: Mapping[str, str], heading: Mapping[str, str]) -> str:
    """The whole of ``RESULTS.md``.

    Args:
        peers: in the order of the rows.
        turns: of each server, by name and round; none where it failed.
        failures: why it failed, by name.
        heading: facts about the run, by name.
    """
    facts = "\n".join(f"- {name}: {value}" for name, value in heading.items())
    parts = [
        "# Peers, side by side",
        INTRODUCTION,
        facts,
        results(peers, turns, failures),
        "## Times ours\n\nMedian of the rounds' ratios, and the lowest and highest of them.",
        ratios(peers, turns),
        "## What ran",
        settings(peers),
    ]
    return "\n\n".join(parts) + "\n"


def results(peers: Iterable[Peer], turns: Turns, failures: Mapping[str, str]) -> str:
    """A row for each server."""
    rows = []
    for peer in peers:
        if mine := list(turns.get(peer.name, {}).values()):
            rows.append([peer.name, *[_medians(column, mine) for column in COLUMNS], _errors(mine)])
        else:
            rows.append([peer.name, *[NOTHING] * len(COLUMNS), failures.get(peer.name, "Not measured.")])
    return _markdown(("server", *[column.title for column in COLUMNS], "errors"), rows)


def ratios(peers: Iterable[Peer], turns: Turns) -> str:
    """How many times ours each server takes, round by round."""
    ours = turns.get(OURS, {})
    rows = []
    for peer in peers:
        pairs = [(turn, ours[number]) for number, turn in turns.get(peer.name, {}).items() if number in ours]
        if pairs and peer.name != OURS:
            rows.append([peer.name, *[_spread([figure(a) / figure(b) for a, b in pairs]) for figure in COMPARED.values()]])
    return _markdown(("server", *COMPARED), rows)


def settings(peers: Iterable[Peer]) -> str:
    """Versions and settings of each server."""
    rows = []
    for peer in peers:
        found = versions(peer.prefix, (*peer.packages, *LIBRARIES))
        rows.append([peer.name, ", ".join(f"{name} {version}" for name, version in found.items()) or NOTHING, peer.setting])
    return _markdown(("server", "versions", "setting"), rows)


def machine() -> str:
    """Processor, cores and system, as Linux tells them."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {available_cpus()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _medians(column: Column, turns: Sequence[Turn]) -> str:
    rounds = zip(*[column.figures(turn) for turn in turns], strict=True)
    return " / ".join(format(statistics.median(figures), column.shape) for figures in rounds) or NOTHING


def _errors(turns: Iterable[Turn]) -> str:
    counts: Counter[int | str] = Counter()
    for turn in turns:
        counts.update({clients: cell.load.errors for clients, cell in turn.cells.items() if cell.load.errors})
    return ", ".join(f"{count:,} at {clients}" for clients, count in counts.items()) or "0"


def _spread(values: Sequence[float]) -> str:
    middle = f"{statistics.median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} – {max(values):.2f})"


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
