"""The server as the scenarios start it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.server import Server


def service(log: Path, **options: Any) -> Server:
    """``Server`` with the default model only: others would load beside the first requests."""
    return Server(log, **({"models": "cnn"} | options))
