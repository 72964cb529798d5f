"""The model's files and its graph go wrong while the service is in use."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from app.settings import PROJECT
from tests.fakes import change_one_byte, read_manifest, write_manifest
from tests.reliability.flood import SLOWED
from tests.reliability.load import Load, Outcome, lost, p99_ms, wrong
from tests.reliability.rows import Row
from tests.reliability.service import service
from tests.server import Server

PER_S: Final = 40
MODEL: Final = PROJECT / "models/cnn"
RUN_TIMEOUT_S: Final = 1.0


def _truncate(folder: Path) -> None:
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:1000])


def _replace(folder: Path) -> None:
    version = str(int(read_manifest(folder)["version"]) + 1)
    write_manifest(folder, read_manifest(folder) | {"version": version})


# What becomes of the folder, and what SIGHUP then makes of it: whether anything is served, and what /health tells.
DAMAGES: Final[dict[str, tuple[Callable[[Path], None], bool, str]]] = {
    "altered": (lambda folder: change_one_byte(folder / "model.onnx"), True, "was altered"),
    "truncated": (_truncate, True, "was altered"),
    "half deleted": (lambda folder: (folder / "model.onnx").unlink(), True, "is missing"),
    "replaced by a good one": (_replace, True, ""),
    "deleted": (shutil.rmtree, False, "is gone"),
}
# The fault of each run, and the statuses that its callers may see.
FAULTS: Final = {"raise": {500}, "nan": {500}, "shape": {500}, "hang": {503, 504}}


async def damaged_files(folder: Path, *, seconds: float, kinds: Iterable[str] = DAMAGES) -> list[Row]:
    """Files change under load, then SIGHUP: what was loaded answers on, and /health says what is wrong."""
    return [await _damaged(folder / kind, kind, seconds) for kind in kinds]


async def _damaged(folder: Path, kind: str, seconds: float) -> Row:
    damage, serves, told = DAMAGES[kind]
    shutil.copytree(MODEL, folder / "cnn")
    with service(folder / "log", models_dir=str(folder)) as server:
        load = Load(server.url)
        async with load.beside(PER_S):
            await asyncio.sleep(seconds)
            damage(folder / "cnn")
            await asyncio.sleep(seconds / 2)
            server.send(signal.SIGHUP)
            await asyncio.to_thread(server.wait_until, lambda: _has_noticed(server, told))
            await asyncio.sleep(seconds / 2)
        load.close()
        status = 200 if serves else 503
        kept = {f"/readyz {status}": server.get("/readyz").status_code == status}
        return Row.of(f"model {kind} while it serves, SIGHUP", [load.outcomes], server.log, kept=kept)


def _has_noticed(server: Server, told: str) -> bool:
    health = server.get("/health").json()
    if not told:
        return bool(health["models"][0]["version"] != read_manifest(MODEL)["version"])
    return told in health["failed_models"].get("cnn", "")


async def faulty_graphs(folder: Path, *, seconds: float, kinds: Iterable[str] = FAULTS) -> list[Row]:
    """Runs fail for a while: callers get an error that says so, and then their answers again."""
    fault = folder / "fault"
    fault.touch()
    with service(folder / "faults.log", module=SLOWED, test_fault=str(fault), run_timeout_s=str(RUN_TIMEOUT_S)) as server:
        load = Load(server.url)
        return [await _faulty(server, load, fault, kind, seconds) for kind in kinds]


async def _faulty(server: Server, load: Load, fault: Path, kind: str, seconds: float) -> Row:
    statuses = FAULTS[kind]
    before = await load.send(PER_S, seconds)
    fault.write_text(kind)
    await asyncio.sleep(0.1)
    sending = asyncio.create_task(load.send(PER_S, seconds))
    await asyncio.sleep(RUN_TIMEOUT_S * 1.5)
    alive = (await asyncio.to_thread(server.get, "/livez")).status_code
    during = await sending
    fault.write_text("")
    await asyncio.sleep(0.5)
    after = await load.send(PER_S, seconds)
    load.close()
    kept = {
        f"callers get {' or '.join(map(str, sorted(statuses)))}": {outcome.status for outcome in during} <= statuses,
        f"/livez {'fails' if kind == 'hang' else 'is well'}": alive == (503 if kind == "hang" else 200),
        "all well after": all(outcome.status == 200 for outcome in after),
    }
    quiet: list[Outcome] = [*before, *after]
    accepted = sum(outcome.status == 200 for outcome in quiet)
    times = (p99_ms(before), float("nan"), p99_ms(after))
    name = f"a graph that {'answers ' if kind in ('nan', 'shape') else ''}{NAMES[kind]}"
    return Row(name, len(quiet) + len(during), accepted, lost(quiet, server.log), wrong(quiet), times, kept=kept)


NAMES: Final = {"raise": "fails", "nan": "NaN", "shape": "another shape", "hang": "hangs"}


async def reload_in_a_flood(folder: Path, *, seconds: float, swaps: int) -> Row:
    """New versions take over while more comes than can be answered."""
    shutil.copytree(MODEL, folder / "models/cnn")
    fault = folder / "slow"
    fault.write_text("slow 5")
    settings = {"models_dir": str(folder / "models"), "test_fault": str(fault), "max_queued_images": "16"}
    settings["request_timeout_ms"] = "10000"  # a machine that stands still for two seconds is no fault of a swap's
    with service(folder / "reload.log", module=SLOWED, **settings) as server:
        load = Load(server.url)
        async with load.beside(400):
            for _ in range(swaps):
                await asyncio.sleep(seconds / swaps)
                _replace(folder / "models/cnn")
                server.send(signal.SIGHUP)
            wanted = f'"model_version":"{read_manifest(folder / "models/cnn")["version"]}"'
            await asyncio.to_thread(server.wait_until, lambda: wanted in server.log)
        load.close()
        return Row.of(f"{swaps} reloads in a flood", [load.outcomes], server.log)
