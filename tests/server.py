"""The real server in a process of its own, on a port that the system chose."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx

START_TIMEOUT_S = 30.0


class Server:
    """``digits serve``, behind the words of ``prefix``, between ``with`` and its end; ``stop`` gives the exit code.

    Attributes:
        url: where it listens.
    """

    def __init__(self, log: Path, *, prefix: Sequence[str] = (), **settings: str) -> None:
        self._log = log
        self._prefix = prefix
        self._settings = {f"DIGITS_{name.upper()}": value for name, value in settings.items()}

    def __enter__(self) -> Self:
        environment = os.environ | {"DIGITS_PORT": "0"} | self._settings
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "app.cli", "serve"], env=environment, stderr=log
            )
        self.url = self._address()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Send SIGTERM and wait for the end."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=START_TIMEOUT_S)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _address(self) -> str:
        """Wait for the log line that tells the port."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", self.log):
                return found[1]
            if self._process.poll() is not None:
                raise RuntimeError(f"The server ended with {self._process.returncode}:\n{self.log}")
            time.sleep(0.02)
        raise RuntimeError(f"The server did not start:\n{self.log}")
