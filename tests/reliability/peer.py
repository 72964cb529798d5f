"""LitServe with the same model in our flood and among our mutated files: ``python -m tests.reliability.peer``.

One process for HTTP and one for the model, in the environment that ``benchmarks/peers`` describes.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app.digits.image import decode
from app.digits.preprocessing import mnist_frame
from app.settings import PROJECT
from benchmarks.contender import Contender, Job, Running, running
from tests.reliability.flood import CAPACITY, TIMES, Phases
from tests.reliability.fuzz import HANG_S, tallied
from tests.reliability.load import PICTURES, Load
from tests.reliability.mutate import SEEDS, mutated
from tests.reliability.rows import Row, table_of
from training.strokes import as_png

PYTHON: Final = PROJECT / ".venv-peers/litserve/bin/python"
FORM: Final = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n%s\r\n--b--\r\n'
HEADERS: Final = {"Content-Type": "multipart/form-data; boundary=b"}
# It frames nothing, so it gets what our service makes of the pictures that ours gets.
FRAMES: Final = tuple(as_png(mnist_frame(decode(picture)).image[0]) for picture in PICTURES)


def litserve(python: Path, ms_a_picture: float, log: Path) -> AbstractContextManager[Running]:
    """The peer, started and answering."""
    command = (str(python), "-m", "tests.reliability.slowed_litserve", "{port}", str(ms_a_picture))
    contender = Contender("LitServe", command, {"OMP_NUM_THREADS": "1"}, PROJECT)
    return running(contender, Job("one", "/predict", FORM % FRAMES[7], HEADERS), log)


async def flood(python: Path, folder: Path, *, seconds: float, capacity: float = CAPACITY, times: float = TIMES) -> Row:
    """What ``tests.reliability.flood`` does to our service."""
    with litserve(python, 1000 / capacity, folder / "flood.log") as server:
        load = Load(server.url, FRAMES, _request)
        phases = await Phases.of(
            load, lambda: sum(server.memory_mb()), health_path="/health", seconds=seconds, capacity=capacity, times=times
        )
    every_id = " ".join(
        f'"{outcome.request_id}"' for outcome in load.outcomes
    )  # its log has none: what was sent counts as read
    return phases.row(f"LitServe: flood, {times:g} × what the slowed model can do", every_id, {})


async def mutants(python: Path, folder: Path, *, inputs: int) -> Row:
    """The files of ``tests.reliability.fuzz``, as it takes no others' tables and tensors."""
    with litserve(python, 0, folder / "fuzz.log") as server:
        requests = itertools.islice(_mutants(random.Random(0)), inputs)  # noqa: S311 - no secret
        memory = sum(server.memory_mb())
        tally = await tallied(server.url, requests)
        after = sum(server.memory_mb())
    kept = {"no 5xx and no silence": not tally.faults, "memory is bounded": after < memory + 100}
    in_time = {f"no answer above {HANG_S:g} s ({len(tally.slow)} are)": not tally.slow}
    name = "LitServe: mutated files"
    return Row(name, inputs, tally.answered, len(tally.faults), 0, memory_mb=(memory, after), kept=kept, in_time=in_time)


def _mutants(chance: random.Random) -> Iterator[bytes]:
    files = [data for name, data in SEEDS.items() if not name.startswith("csv")]
    while True:
        yield _request(mutated(chance.choice(files), chance), "one")


def _request(picture: bytes, request_id: str) -> bytes:
    body = FORM % picture
    head = f"POST /predict HTTP/1.1\r\nHost: peer\r\nX-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + body


def main(
    python: Annotated[Path, typer.Option(help="Of the environment with LitServe.")] = PYTHON,
    seconds: Annotated[float, typer.Option(help="Of each part of the flood.")] = 60,
    inputs: Annotated[int, typer.Option(help="Mutated files.")] = 100_000,
) -> None:
    """Print its rows, in the form of ours."""
    with tempfile.TemporaryDirectory(prefix="digits-") as folder:
        rows = [
            asyncio.run(flood(python, Path(folder), seconds=seconds)),
            asyncio.run(mutants(python, Path(folder), inputs=inputs)),
        ]
    Console(width=220).print(table_of(rows))


if __name__ == "__main__":
    typer.run(main)
