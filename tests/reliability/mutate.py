"""Files that are nearly right: real ones of every format with a few bytes changed, cut, doubled or taken from another."""

from __future__ import annotations

import random
from typing import Final

from app.serving.samples import Samples
from tests import pictures

# Strokes that our code draws, in every format and mode, and digits that people wrote.
SEEDS: Final[dict[str, bytes]] = pictures.FILES | {
    f"handwritten {label}": data for label, data in Samples.shipped().pick(10, seed=0)
}
# Where lengths, sizes and offsets lie, these do the most harm.
EDGES: Final = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x01",
    b"\x80\0\0\0",
    b"\xff\xff",
    b"\0",
)
MOST_STEPS: Final = 6
HEADER_BYTES: Final = 200


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The file after one to six steps; half of them in its header, where formats are most easily hurt."""
    for _ in range(chance.randint(1, MOST_STEPS)):
        place = chance.randrange(min(len(data), HEADER_BYTES) if chance.random() < 0.5 else len(data)) if data else 0
        data = _step(data, place, chance)
    return data


def _step(data: bytes, place: int, chance: random.Random) -> bytes:
    other = chance.choice(list(SEEDS.values()))
    length = chance.randint(1, 64)
    match chance.randrange(7):
        case 0:
            return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
        case 1:
            edge = chance.choice(EDGES)
            return data[:place] + edge + data[place + len(edge) :]
        case 2:
            return data[:place]
        case 3:
            return data[:place] + data[place + length :]
        case 4:
            return data[:place] + data[place : place + length] * chance.randint(2, 50) + data[place + length :]
        case 5:
            start = chance.randrange(len(other))
            return data[:place] + other[start : start + length] + data[place:]
        case _:
            flipped = data[place] ^ (1 << chance.randrange(8)) if data else 0
            return data[:place] + bytes([flipped]) + data[place + 1 :]
