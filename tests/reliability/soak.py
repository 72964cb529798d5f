"""Very many requests of mixed kinds: nothing grows, and the answers at the end are those of the start."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests import pictures
from tests.reliability.load import memory_mb, read_answer
from tests.reliability.rows import Row
from tests.reliability.service import service
from tests.server import Server

CLIENTS: Final = 8
# To one of each other kind, which cost up to 500 times as much: with 80 of them a million requests would take hours.
FRAMES: Final = 800
WARM_SHARE: Final = 0.05
MOST_GROWTH: Final = 0.05
# Until the server has seen that the last connections were closed.
SETTLED_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One request as bytes, and what its answer says once ids and times are left out."""

    request: bytes
    status: int
    content: Any


def _requests() -> list[httpx.Request]:
    url = "http://digits/v1/predict"
    files = [("files", (f"{name}.png", data)) for name, data in pictures.FILES.items()]
    frame = pictures.FILES["png"]
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 28, 28], "data": pictures.SEVEN.ravel().tolist()}
    return [
        *(httpx.Request("POST", url, content=frame, headers={"content-type": "image/png"}) for _ in range(FRAMES)),
        *(
            httpx.Request("POST", url, content=pictures.png(digit), headers={"content-type": "image/png"})
            for digit in "0123456789"
        ),
        *(httpx.Request("POST", url, files=files[start : start + 3]) for start in range(0, len(files), 3)),
        httpx.Request("POST", url, content=pictures.csv(), headers={"content-type": "text/csv"}),
        httpx.Request("POST", url, content=frame[:60], headers={"content-type": "image/png"}),
        httpx.Request("POST", url, content=pictures.bomb(), headers={"content-type": "image/png"}),
        httpx.Request("POST", url + "?top_k=11", files=files[:1]),
        httpx.Request("POST", url + "?preview=true", files=files[:1]),
        httpx.Request("POST", "http://digits/v1/explain", content=frame, headers={"content-type": "image/png"}),
        httpx.Request("POST", "http://digits/v1/read", content=pictures.png(), headers={"content-type": "image/png"}),
        httpx.Request("POST", "http://digits/v2/models/cnn/infer", json={"inputs": [tensor]}),
        httpx.Request("GET", "http://digits/v1/models"),
        httpx.Request("GET", "http://digits/nowhere"),
    ]


async def soak(folder: Path, *, requests: int) -> Row:
    """Send so many, in turn; memory is compared with that after the first twentieth."""
    with service(folder / "soak.log", request_timeout_ms="600000") as server:
        kinds = [await _known(server, request) for request in _requests()]
        turns = itertools.cycle(kinds)
        other = await _ask(server, turns, int(requests * WARM_SHARE))
        await asyncio.sleep(SETTLED_S)
        memory, files, threads = memory_mb(server), _count(server, "fd"), _count(server, "task")
        other += await _ask(server, turns, requests - int(requests * WARM_SHARE))
        after = memory_mb(server)
        changed = [kind for kind in kinds if await _asked(server, kind.request) != (kind.status, kind.content)]
        await asyncio.sleep(SETTLED_S)
        kept = {
            "memory within 5 %": after <= memory * (1 + MOST_GROWTH),
            "no file more": _count(server, "fd") <= files,
            "no thread more": _count(server, "task") <= threads,
            "same answers at the end": not changed,
            f"no other answer on the way {dict(other) or ''}".rstrip(): not other,
        }
    name = f"soak, {len({kind.request for kind in kinds})} kinds of requests"
    return Row(name, requests, requests, 0, other.total(), memory_mb=(memory, after), kept=kept)


async def _ask(server: Server, turns: itertools.cycle[Kind], requests: int) -> Counter[str]:
    """Send; the answers that were other than the first of their kind."""
    left = itertools.repeat(None, requests)
    host, _, port = server.url.removeprefix("http://").partition(":")

    async def client() -> Counter[str]:
        reader, writer = await asyncio.open_connection(host, int(port))
        other = Counter[str]()
        for _, kind in zip(left, turns, strict=False):
            writer.write(kind.request)
            head, body = await read_answer(reader)
            status = int(head[9:12])
            if (status, _content(body)) != (kind.status, kind.content):
                other[f"{status} for {kind.status}"] += 1
            if b"\r\nconnection: close" in head.lower():
                writer.close()
                reader, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        return other

    return sum(await asyncio.gather(*(client() for _ in range(CLIENTS))), Counter[str]())


async def _known(server: Server, request: httpx.Request) -> Kind:
    head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n".encode()
    head += b"".join(name + b": " + value + b"\r\n" for name, value in request.headers.raw)
    data = head + b"\r\n" + request.read()
    return Kind(data, *await _asked(server, data))


async def _asked(server: Server, request: bytes) -> tuple[int, Any]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    head, body = await read_answer(reader)
    writer.close()
    return int(head[9:12]), _content(body)


def _content(body: bytes) -> Any:
    """The answer without ids and times; probabilities to four places, as a run's company may change the sixth."""

    def plain(value: Any) -> Any:
        match value:
            case dict():
                return {key: plain(item) for key, item in value.items() if key not in ("request_id", "timings_ms", "outputs")}
            case list():
                return [plain(item) for item in value]
            case float():
                return round(value, 3)
        return value

    return plain(json.loads(body))


def _count(server: Server, what: str) -> int:
    return len(os.listdir(f"/proc/{server.pid}/{what}"))  # noqa: PTH208 - names are all that is wanted
