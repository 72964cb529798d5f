"""API keys: the service knows their SHA-256 only, so neither its settings nor its memory give one away."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Iterator

BEARER = b"bearer "


def holder(headers: Iterable[tuple[bytes, bytes]], hashes: Collection[str]) -> str | None:
    """Whose key the request carries, in ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.

    Every hash is compared, each in constant time: how long it takes tells nothing of the keys.

    Args:
        headers: raw ASGI headers, names in lower case.
        hashes: SHA-256 of the known keys, lower-case hex.

    Returns:
        The known hash, or None if there is no key or it is unknown.
    """
    found = None
    for key in _keys(headers):
        digest = hashlib.sha256(key).hexdigest()
        for known in hashes:
            if hmac.compare_digest(digest, known):
                found = known
    return found


def _keys(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The keys sent: at most one of each form, so that nobody buys much hashing with one request."""
    sent = {name: value for name, value in headers if name in (b"authorization", b"x-api-key")}
    bearer = sent.get(b"authorization", b"")
    if bearer[: len(BEARER)].lower() == BEARER:
        yield bearer[len(BEARER) :].strip()
    if b"x-api-key" in sent:
        yield sent[b"x-api-key"].strip()
