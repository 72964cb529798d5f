"""One peer's turn: start it, check what it says, load it, end it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from benchmarks.cell import Cell, loaded, pictures
from benchmarks.contender import ContenderError, running
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.work import LABELS, MAX_BATCH, TOP_K, Model, decode

CLIENTS: Final = (1, 16, 64)
MANY_CLIENTS: Final = 4
MANY: Final = "64 a request"
CHECK_TIMEOUT_S: Final = 30.0


@dataclass(slots=True)
class Turn:
    """What one start of one server showed.

    Attributes:
        cells: by number of clients, and by ``MANY`` where 64 pictures went with each request.
        first_answer_s: from the start of its process.
        memory_mb: resident, of all its processes together after the loads; shared pages count in each.
    """

    first_answer_s: float
    cells: dict[int | str, Cell] = field(default_factory=dict)
    memory_mb: float = float("nan")


def take_turn(peer: Peer, seconds: float, log: Path) -> Turn:
    """Measure it once; raises ContenderError where it does not start, or answers wrongly."""
    files = pictures()
    one, many = peer.make(files[7:8]), peer.make((files * MAX_BATCH)[:MAX_BATCH])
    with running(peer.contender, one, log) as server:
        turn = Turn(server.first_answer_s)
        check(peer, server.url, files)
        for clients in CLIENTS:
            turn.cells[clients] = loaded(server, one, clients, seconds)
        if peer.many:
            turn.cells[MANY] = loaded(server, many, MANY_CLIENTS, seconds)
        turn.memory_mb = sum(server.memory_mb())
    return turn


def check(peer: Peer, url: str, files: Sequence[bytes]) -> None:
    """Raise ContenderError unless every file's label is ONNX Runtime's, sent alone and with others."""
    model = Model()
    expected = {data: LABELS[int(np.argmax(model.probabilities([decode(data)])))] for data in files}
    batches = [[data] for data in files] + ([list(files) * 6] if peer.many else [])
    with httpx.Client(trust_env=False, timeout=CHECK_TIMEOUT_S) as client:
        for batch in batches:
            found = _answer(client, peer, url, batch)
            if [ranking[0] for ranking in found] != [expected[data] for data in batch] or _short(found):
                raise ContenderError(f"{peer.name}: its labels are not the model's.")


def _answer(client: httpx.Client, peer: Peer, url: str, batch: Sequence[bytes]) -> list[list[str]]:
    job = peer.make(batch)
    answer = client.post(url + job.path, content=job.body, headers=dict(job.headers))
    if answer.status_code != httpx.codes.OK:
        raise ContenderError(f"{peer.name}: it answered {answer.status_code} to {len(batch)} pictures.")
    return peer.read(answer.json())


def _short(rankings: Iterable[Sequence[str]]) -> bool:
    return any(len(ranking) != TOP_K for ranking in rankings)
