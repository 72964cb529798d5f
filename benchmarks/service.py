"""The service beside what no service can be below, in one run: ``python -m benchmarks.service``, ``make benchmark``.

Every server is up from the start and loaded in turn, round after round, so that what else the machine does meets all alike.
Linux only; ``wrk`` where it is installed, else httpx, which is itself the limit then.
"""

from __future__ import annotations

import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from app.digits.image import decode
from app.settings import PROJECT
from benchmarks import limit, wrk
from benchmarks.cell import Cell, loaded, pictures
from benchmarks.contender import Contender, Job, Running, running
from benchmarks.peers.catalogue import multipart
from benchmarks.peers.table import machine

MANY: Final = 64
STARTS: Final = 5
WIDTH: Final = 150
IMPORTS: Final = "import onnxruntime, numpy, PIL.Image, fastapi"
OURS, ALONE, UNGUARDED = "Digits, 2 processes", "Digits, 1 process", "Digits, 1 process, no guards"
BARE, UPLOAD, MINIMAL = "bare ASGI, a constant", "FastAPI UploadFile, a constant", "minimal ASGI with the model"
ONE, RAW, JSON, BINARY, BATCH = "multipart", "image/png", "v2 JSON tensor", "v2 binary tensor", f"multipart, {MANY} pictures"
# What is measured: server, request, clients.
CELLS: Final = (
    (OURS, ONE, 1),
    (OURS, ONE, 16),
    (OURS, ONE, 64),
    (OURS, BATCH, 4),
    (OURS, RAW, 64),
    (OURS, JSON, 64),
    (OURS, BINARY, 64),
    (ALONE, ONE, 64),
    (UNGUARDED, ONE, 64),
    (MINIMAL, ONE, 1),
    (MINIMAL, ONE, 64),
    (UPLOAD, ONE, 1),
    (UPLOAD, ONE, 64),
    (BARE, ONE, 64),
)
Key = tuple[str, str, int]


def jobs() -> dict[str, Job]:
    """Each kind of request; all of one picture, the digit 7."""
    png = pictures()[7]
    pixels = decode(png)
    tensor = {"name": "images", "shape": [1, 1, 28, 28], "datatype": "UINT8"}
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": pixels.size}}]}).encode()
    sizes = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    text = json.dumps({"inputs": [tensor | {"data": pixels.ravel().tolist()}]}).encode()
    infer, upload = "/v2/models/cnn/infer", multipart("/v1/predict", "files")
    return {
        ONE: upload([png]),
        BATCH: upload([png] * MANY),
        RAW: Job(RAW, "/v1/predict", png, {"Content-Type": "image/png"}),
        JSON: Job(JSON, infer, text, {"Content-Type": "application/json"}),
        BINARY: Job(BINARY, infer, head + struct.pack(f"{pixels.size}B", *pixels.ravel()), sizes),
    }


def contenders() -> list[Contender]:
    """Ours as a user gets it, in two processes and in one, and the floors in two each."""
    settings = {"DIGITS_PORT": "{port}", "DIGITS_MODELS": "cnn"}
    serve = (sys.executable, "-m", "app.cli", "serve")
    quiet = ("--no-access-log", "--log-level", "warning", "--workers", "2", "--host", "127.0.0.1", "--port", "{port}")
    uvicorn = (sys.executable, "-m", "uvicorn", *quiet)
    floors = {BARE: "bare", UPLOAD: "fastapi_upload", MINIMAL: "minimal"}
    return [
        Contender(OURS, serve, settings | {"DIGITS_WORKERS": "2"}, PROJECT),
        Contender(ALONE, serve, settings, PROJECT),
        Contender(UNGUARDED, (sys.executable, "-m", "benchmarks.floors.unguarded"), settings, PROJECT),
        *(Contender(name, (*uvicorn, f"benchmarks.floors.{file}:app"), folder=PROJECT) for name, file in floors.items()),
    ]


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Loads of each cell; the table has their medians.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, help="Of each load.")] = 2.0,
) -> None:
    """Measure CPU per picture, latency, throughput, start and memory, over the limit."""
    console = Console(width=WIDTH)
    console.print(f"{machine()}; medians of {rounds} rounds of {seconds:g} s, {'wrk' if wrk.installed() else 'httpx'}")
    parts = limit.measured()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digits-benchmark-")))
        kinds = jobs()
        servers = {
            contender.name: stack.enter_context(running(contender, kinds[ONE], folder / f"{number}.log"))
            for number, contender in enumerate(contenders())
        }
        cells = measured(servers, kinds, rounds, seconds)
        memory = servers[ALONE].memory_mb()[0]
        alone = next(contender for contender in contenders() if contender.name == ALONE)
        starts = [_start_s(alone, kinds[ONE], folder / "start.log") for _ in range(STARTS)]
    bare = median(cells[BARE, ONE, 64], lambda cell: cell.cpu_ms)
    lowest = bare + parts.decoding + parts.model
    console.print(table_of(cells, lowest))
    console.print(
        f"limit {lowest:.3f} ms = bare ASGI {bare:.3f} + decoding {parts.decoding:.3f} + model in a batch {parts.model:.3f}"
    )
    for name, value in ratios(cells, lowest, parts).items():
        console.print(f"{name}: {value:.2f}")
    first = statistics.median(first for first, _ in starts)
    over = statistics.median(first / imports for first, imports in starts)
    console.print(f"first answer over importing its libraries: {over:.2f} ({first:.2f} s)")
    console.print(f"memory of one process after these requests: {memory:.0f} MB")


def measured(servers: Mapping[str, Running], kinds: Mapping[str, Job], rounds: int, seconds: float) -> dict[Key, list[Cell]]:
    """Each cell once a round."""
    found: dict[Key, list[Cell]] = defaultdict(list)
    for _ in range(rounds):
        for server, kind, clients in CELLS:
            found[server, kind, clients].append(loaded(servers[server], kinds[kind], clients, seconds))
    return found


def table_of(cells: Mapping[Key, list[Cell]], lowest: float) -> Table:
    """A row for each cell, in Markdown."""
    names = ("server", "request", "clients", "pictures/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU ms", "× limit", "errors")
    table = Table(*names, box=box.MARKDOWN)
    for (server, kind, clients), found in cells.items():
        cpu_ms = median(found, lambda cell: cell.cpu_ms)
        figures = (
            f"{median(found, lambda cell: cell.pictures_per_s):,.0f}",
            f"{median(found, lambda cell: cell.load.p50_ms):.2f}",
            f"{median(found, lambda cell: cell.load.p99_ms):.1f}",
            f"{median(found, lambda cell: cell.load.p999_ms):.1f}",
            f"{cpu_ms:.3f}",
            f"{cpu_ms / lowest:.2f}",
            f"{sum(cell.load.errors for cell in found):,}",
        )
        table.add_row(server, kind, str(clients), *figures)
    return table


def ratios(cells: Mapping[Key, list[Cell]], lowest: float, parts: limit.Parts) -> dict[str, float]:
    """The figures that are compared, by name: medians of the rounds."""

    def cpu(server: str, kind: str, clients: int) -> float:
        return median(cells[server, kind, clients], lambda cell: cell.cpu_ms)

    def answered(server: str) -> float:
        return median(cells[server, ONE, 64], lambda cell: cell.pictures_per_s)

    return {
        "CPU of an upload at 64 clients over the limit": cpu(OURS, ONE, 64) / lowest,
        "CPU of an upload at 64 clients over the minimal server's": cpu(OURS, ONE, 64) / cpu(MINIMAL, ONE, 64),
        f"CPU of a picture among {MANY} over model and decoding": cpu(OURS, BATCH, 4) / (parts.model + parts.decoding),
        "CPU of image/png over multipart": cpu(OURS, RAW, 64) / cpu(OURS, ONE, 64),
        "CPU of an upload at 64 clients with all guards over without them": cpu(ALONE, ONE, 64) / cpu(UNGUARDED, ONE, 64),
        "throughput of two processes over one": answered(OURS) / answered(ALONE),
    }


def median(cells: list[Cell], figure: Callable[[Cell], float]) -> float:
    """Of one figure over the rounds."""
    return statistics.median(map(figure, cells))


def _start_s(contender: Contender, job: Job, log: Path) -> tuple[float, float]:
    """Seconds from a process's start to its first answer, and what importing its libraries takes just then."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, cwd=PROJECT)
    imports = time.monotonic() - started
    with running(contender, job, log) as server:
        return server.first_answer_s, imports


if __name__ == "__main__":
    typer.run(main)
