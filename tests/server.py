"""The real server in a process of its own, or in several, on a port that the system chose."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import httpx

START_TIMEOUT_S = 30.0


class Server:
    """``digits serve`` or another ``module``, behind the words of ``prefix``, between ``with`` and its end.

    It stops without a drain delay unless ``drain_delay_s`` is set.

    Attributes:
        url: where it listens.
        pid: of the process, or of the workers' parent.
        http: a client that sends each request on a new connection.
    """

    def __init__(
        self, log: Path, *, prefix: Sequence[str] = (), module: Sequence[str] = ("app.cli", "serve"), **settings: str
    ) -> None:
        self._log = log
        self._module = module
        # Every request is a connection of its own, as each reaches one worker for good.
        self.http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._prefix = prefix
        self._settings = {f"DIGITS_{name.upper()}": value for name, value in settings.items()}

    def __enter__(self) -> Self:
        environment = os.environ | {"DIGITS_PORT": "0", "DIGITS_DRAIN_DELAY_S": "0"} | self._settings
        with self._log.open("wb") as log:
            command = [*self._prefix, sys.executable, "-m", *self._module]
            self._process = subprocess.Popen(command, env=environment, stderr=log)
        self.pid = self._process.pid
        try:
            self.url = self._address()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.http.close()

    def stop(self) -> int:
        """Send SIGTERM and wait for the end: the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end: the exit code."""
        return self._process.wait(timeout=START_TIMEOUT_S)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while not condition():
            assert time.monotonic() < until, f"it did not come about in time:\n{self.log}"
            time.sleep(0.02)

    @property
    def workers(self) -> dict[int, int]:
        """The workers that serve or served last: place → pid."""
        lines = [json.loads(line) for line in self.log.splitlines() if '"worker serves"' in line]
        return {line["worker"]: line["worker_pid"] for line in lines}

    def get(self, path: str) -> httpx.Response:
        return self.http.get(self.url + path)

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
