"""Files, forms, tables and tensors that are nearly right, over HTTP to the real server."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from tests import pictures
from tests.reliability.load import memory_mb, read_answer
from tests.reliability.mutate import SEEDS, mutated
from tests.reliability.rows import Row
from tests.reliability.service import service

CLIENTS: Final = 4
HANG_S: Final = 1.0
GIVEN_UP: Final = 504  # the deadline of the service's own
HEAD: Final = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
FORM: Final = HEAD + pictures.FILES["png"] + b"\r\n" + HEAD + pictures.FILES["csv"] + b"\r\n--b--\r\n"
# The protocol's inputs by data type: name, shape, and binary data.
TENSORS: Final[dict[str, tuple[str, list[int], bytes]]] = {
    "UINT8": ("images", [1, 1, 28, 28], pictures.SEVEN.tobytes()),
    "FP32": ("images", [1, 1, 28, 28], (pictures.SEVEN / np.float32(255)).tobytes()),
    "BYTES": ("encoded_images", [2], b"".join(struct.pack("<I", len(SEEDS[name])) + SEEDS[name] for name in ("png", "csv"))),
}


@dataclass
class Tally:
    """What came of the inputs.

    Attributes:
        faults: those that got a 5xx or no answer.
        slow: those whose answer took longer than ``HANG_S``, also without company.
    """

    answered: int = 0
    faults: list[bytes] = field(default_factory=list)
    slow: list[bytes] = field(default_factory=list)


async def mutants(folder: Path, *, inputs: int, seed: int = 0) -> Row:
    """Send so many; those that broke something are left in the working directory as ``fuzz-*.bin``."""
    with service(folder / "fuzz.log", max_image_pixels="250000") as server:
        requests = itertools.islice(_requests(random.Random(seed)), inputs)  # noqa: S311 - no secret
        memory = memory_mb(server)
        tally = await tallied(server.url, requests)
        for number, request in enumerate(tally.faults + tally.slow):
            Path(f"fuzz-{number}.bin").write_bytes(request)
        after = memory_mb(server)
        kept = {
            "no 5xx and no silence": not tally.faults,
            "memory is bounded": after < memory + 100,
            "every log line is JSON": all(_is_json(line) for line in server.log.splitlines()),
        }
        in_time = {f"no answer above {HANG_S:g} s": not tally.slow}
    name = "mutated files, forms, tables and tensors"
    return Row(name, inputs, tally.answered, len(tally.faults), 0, memory_mb=(memory, after), kept=kept, in_time=in_time)


def _requests(chance: random.Random) -> Iterator[bytes]:
    """Without end; nine in ten are files."""
    seeds = list(SEEDS.values())
    while True:
        route = chance.choice(("predict", "predict", "predict", "read", "explain"))
        match chance.randrange(20):
            case 0:
                yield _request("/v1/predict", b"multipart/form-data; boundary=b", mutated(FORM, chance))
            case 1:
                body, length = hurt_inference(chance.choice(sorted(TENSORS)), chance)
                size = b"Inference-Header-Content-Length: %d\r\n" % length
                yield _request("/v2/models/cnn/infer", b"application/octet-stream", body, size)
            case _:
                kind = chance.choice((b"image/png", b"image/png", b"text/csv"))
                yield _request(f"/v1/{route}", kind, mutated(chance.choice(seeds), chance))


def hurt_inference(datatype: str, chance: random.Random) -> tuple[bytes, int]:
    """An inference request and its header's length: its binary data hurt and announced rightly, or all of it hurt."""
    name, shape, data = TENSORS[datatype]
    rightly = chance.random() < 0.5
    data = mutated(data, chance) if rightly else data
    tensor = {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    return (head + data, len(head)) if rightly else (mutated(head + data, chance), len(head) - chance.choice((0, 0, 1)))


def _request(path: str, kind: bytes, body: bytes, more: bytes = b"") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: digits\r\nContent-Length: {len(body)}\r\nContent-Type: ".encode()
    return head + kind + b"\r\n" + more + b"\r\n" + body


async def tallied(url: str, requests: Iterator[bytes]) -> Tally:
    """Send them from several clients. What was slow is sent again alone: on a busy machine anything is slow once."""
    host, _, port = url.removeprefix("http://").partition(":")
    tally, again = Tally(), Tally()
    await asyncio.gather(*(_client((host, int(port)), requests, tally) for _ in range(CLIENTS)))
    await _client((host, int(port)), iter(tally.slow), again)
    return Tally(tally.answered, tally.faults + again.faults, again.slow)


async def _client(address: tuple[str, int], requests: Iterator[bytes], tally: Tally) -> None:
    """Send them one after the other on one connection, and count what became of them."""
    reader, writer = await asyncio.open_connection(*address)
    for request in requests:
        started = time.monotonic()
        writer.write(request)
        try:
            async with asyncio.timeout(20):
                head, body = await read_answer(reader)
        except (OSError, EOFError) as exc:
            (tally.slow if isinstance(exc, TimeoutError) else tally.faults).append(request)
            writer.close()
            reader, writer = await asyncio.open_connection(*address)
            continue
        tally.answered += 1
        status = int(head[9:12])
        if status == GIVEN_UP or time.monotonic() - started > HANG_S:
            tally.slow.append(request)
        elif status >= 500 or not _is_json(body):
            tally.faults.append(request)
    writer.close()


def _is_json(text: str | bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
