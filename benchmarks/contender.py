"""A server to be measured: started with all its processes, read from /proc (Linux), ended by their ids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

PROC: Final = Path("/proc")
MARK: Final = "DIGITS_CONTENDER"
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
END_S: Final = 10.0


class ContenderError(Exception):
    """It did not start, or answered something else than what it was asked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """One request that is sent over and over.

    Attributes:
        name: in tables.
        path: where it goes, by POST.
        body: as it is sent.
        headers: beside Host and Content-Length.
        pictures: in the body.
    """

    name: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    pictures: int = 1


@dataclass(frozen=True, slots=True)
class Contender:
    """How a server is started.

    Attributes:
        name: in tables.
        command: its words; ``{port}`` stands for the port on 127.0.0.1 that it is to listen on.
        environment: beside this process's own; ``{port}`` likewise.
        folder: where it runs; here if None.
        start_s: how long it may take to its first answer.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    start_s: float = 60.0


class Running:
    """A started contender.

    Attributes:
        url: without a slash at its end.
        started: when its process was made, on ``time.monotonic``'s clock.
        first_answer_s: from then to its first answer with status 200.
    """

    def __init__(self, contender: Contender, port: int, mark: str, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.first_answer_s = float("nan")
        self._mark = f"{MARK}={mark}".encode()
        words = [word.format(port=port) for word in contender.command]
        ours = {name: value.format(port=port) for name, value in contender.environment.items()}
        self.started = time.monotonic()
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                words, env=os.environ | ours | {MARK: mark}, cwd=contender.folder, stdout=file, stderr=file
            )

    def wait_for(self, job: Job, seconds: float) -> httpx.Response:
        """Ask until the answer is 200; raises ContenderError where none comes, or the process ends."""
        with httpx.Client(trust_env=False, timeout=seconds) as client:
            while (waited := time.monotonic() - self.started) < seconds:
                with suppress(httpx.TransportError):
                    answer = client.post(self.url + job.path, content=job.body, headers=dict(job.headers))
                    if answer.status_code == httpx.codes.OK:
                        self.first_answer_s = time.monotonic() - self.started
                        return answer
                if self._process.poll() is not None:
                    raise ContenderError(f"It ended with {self._process.returncode} before it answered.")
                time.sleep(0.01)
        raise ContenderError(f"It gave no answer with status 200 within {waited:.0f} s.")

    @property
    def pids(self) -> list[int]:
        """All its processes, daemons too: they inherit the mark in its environment."""
        found = []
        for folder in PROC.iterdir():
            with suppress(OSError):
                if folder.name.isdecimal() and self._mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def cpu_s(self) -> float:
        """User and system time of all its processes so far, ended children too."""
        return sum(_cpu_ticks(pid) for pid in self.pids) / TICKS_PER_S

    def memory_mb(self) -> list[float]:
        """Resident memory of each process, the largest first."""
        return sorted((_resident_bytes(pid) / 2**20 for pid in self.pids), reverse=True)

    def end(self) -> None:
        """SIGTERM, and SIGKILL for what is left after a while."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            until = time.monotonic() + END_S
            while (self._process.poll() is None or self.pids) and time.monotonic() < until:
                time.sleep(0.05)


@contextmanager
def running(contender: Contender, job: Job, log: Path) -> Iterator[Running]:
    """Start it, wait until it answers ``job``, and end it with the block; what it prints goes to ``log``."""
    server = Running(contender, free_port(), uuid.uuid4().hex, log)
    try:
        server.wait_for(job, contender.start_s)
        yield server
    except ContenderError as exc:
        raise ContenderError(f"{contender.name}: {exc} See {log}.") from exc
    finally:
        server.end()


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _cpu_ticks(pid: int) -> int:
    with suppress(OSError):
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0


def _resident_bytes(pid: int) -> int:
    with suppress(OSError):
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE_BYTES
    return 0
