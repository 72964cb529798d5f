from __future__ import annotations

import hashlib

import pytest

from app.api.keys import holder

HASHES = tuple(hashlib.sha256(key).hexdigest() for key in (b"first", "zwölf".encode(), b"third"))


@pytest.mark.parametrize(
    ("headers", "place"),
    [
        ({"authorization": "Bearer first"}, 0),
        ({"authorization": "bearer  third "}, 2),
        ({"x-api-key": "third"}, 2),
        ({"x-api-key": "zwölf".encode().decode("latin-1")}, 1),
        ({"authorization": "Basic first", "x-api-key": "first"}, 0),
        ({"authorization": "Bearer wrong", "x-api-key": "first"}, 0),
        ({"authorization": "Basic first"}, None),
        ({"authorization": "Bearer"}, None),
        ({"x-api-key": ""}, None),
        ({"x-api-key": HASHES[0]}, None),
        ({}, None),
    ],
)
def test_holder_is_the_hash_of_the_key_that_was_sent(headers: dict[str, str], place: int | None) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    assert holder(raw, HASHES) == (None if place is None else HASHES[place])
    assert holder(raw, ()) is None
