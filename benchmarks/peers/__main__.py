"""The same work on our service and on its peers, side by side, as ``benchmarks/RESULTS.md``.

    python -m benchmarks.peers --rounds 3 --seconds 5

Every round starts each server in turn, so that what else the machine does meets all of them alike. Environments that are
missing are made in ``.venv-peers``. Linux and ``wrk`` only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from app.settings import PROJECT
from benchmarks import wrk
from benchmarks.contender import ContenderError
from benchmarks.peers import table
from benchmarks.peers.catalogue import OURS, PEERS, Peer
from benchmarks.peers.environments import ensure
from benchmarks.peers.measure import Turn, take_turn

RESULTS: Final = PROJECT / "benchmarks" / "RESULTS.md"
LOGS: Final = Path(tempfile.gettempdir()) / "digits-peers"


def main(
    only: Annotated[list[str] | None, typer.Option(help="Peers to measure beside ours, by name; the table is printed.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each server; the table has their medians.")] = 3,
    seconds: Annotated[float, typer.Option(min=1.0, help="Of each load.")] = 5.0,
    out: Annotated[
        Path | None, typer.Option(help="Where the table goes.", show_default="RESULTS.md, nowhere with --only")
    ] = None,
) -> None:
    """Measure our service and its peers."""
    if not wrk.installed():
        raise typer.BadParameter("wrk is not installed; it is the load generator.")
    peers = chosen(only)
    heading = {
        "machine": table.machine(),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average {os.getloadavg()[0]:.1f} at the start",
        "commit": _commit(),
        "command": f"`python -m benchmarks.peers {' '.join(sys.argv[1:])}`".replace(" `", "`"),
        "n": f"medians of {rounds} rounds, {seconds:g} s each load",
    }
    turns, failures = measured(peers, rounds, seconds)
    page = table.page(peers, turns, failures, heading)
    print(page)
    target = out or (None if only else RESULTS)
    if target is not None:
        target.write_text(page)


def chosen(only: Sequence[str] | None) -> list[Peer]:
    """Ours and the named ones, or all; raises ``typer.BadParameter`` for a name that is not there."""
    names = {peer.name.lower(): peer.name for peer in PEERS}
    if unknown := [name for name in only or () if name.lower() not in names]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(names.values())}.")
    wanted = {names[name.lower()] for name in only} | {OURS} if only else set(names.values())
    return [peer for peer in PEERS if peer.name in wanted]


def measured(peers: Sequence[Peer], rounds: int, seconds: float) -> tuple[dict[str, dict[int, Turn]], dict[str, str]]:
    """Turns of each server by name and round, and by name why one failed."""
    turns: dict[str, dict[int, Turn]] = defaultdict(dict)
    failures: dict[str, str] = {}
    LOGS.mkdir(parents=True, exist_ok=True)
    for number in range(1, rounds + 1):
        for peer in peers:
            print(f"Round {number}: {peer.name}", file=sys.stderr, flush=True)
            try:
                if peer.requirements:
                    ensure(peer.prefix, peer.requirements)
                turns[peer.name][number] = take_turn(peer, seconds, LOGS / f"{peer.name}.log")
            except ContenderError as exc:
                failures[peer.name] = f"Round {number}: {exc}"
                print(exc, file=sys.stderr)
    return turns, failures


def _commit() -> str:
    words = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--exclude", "*"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    typer.run(main)
