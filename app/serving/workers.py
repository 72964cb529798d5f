"""Several processes on one port, and the parent that starts them, restarts the dead and passes signals on.

On Linux each worker listens on a socket of its own (SO_REUSEPORT), and the kernel spreads the connections; with one socket for
all, whichever process wakes first takes what there is, and 16 connections went 16 to 0 (PEERS.md). The parent loads no model.

Two pipes tie a worker to its parent: stdin, which ends when the parent dies, however it dies, and stdout, for the word that the
worker serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from app.metrics import SHARED_FOLDER
from app.settings import Settings

log = logging.getLogger(__name__)

STARTED: Final = b"started"
# Elsewhere the option is missing, or gives all connections to one process.
OWN_SOCKETS: Final = sys.platform == "linux"
# The pause before a restart doubles with each death, so that a place that cannot be filled costs little; a worker that served
# longer than the longest pause has shown that it can.
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 60.0
# For what comes after the running requests: threads to join, files to close.
MARGIN_S: Final = 3.0


def hold_port(host: str, port: int) -> socket.socket:
    """A socket that keeps the port for the workers and hears no connection itself; port 0 becomes a free one.

    Raises:
        OSError: the address is not ours, or taken.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    holder = socket.socket(family, kind, protocol)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(address)
        if OWN_SOCKETS:  # only now: before, it would let us in beside a stranger who has set it too
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        holder.close()
        raise
    return holder


def listener(holder: socket.socket) -> socket.socket:
    """The socket on which a worker hears: one of its own on the holder's port where the kernel spreads, else the holder."""
    if not OWN_SOCKETS:
        return holder
    with holder:
        own = socket.socket(holder.family, holder.type, holder.proto)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(holder.getsockname())
    return own


def report_started() -> None:
    """Tell the parent that this worker serves; what is printed from now on goes where the logs go."""
    os.write(1, STARTED)
    os.dup2(2, 1)


def wait_for_the_parents_end() -> None:
    """Block until the parent is gone."""
    while os.read(0, 1):
        pass


def patience_s(settings: Settings) -> float:
    """How long a worker may take to end by itself."""
    return settings.drain_delay_s + settings.shutdown_timeout_s + MARGIN_S


class Worker:
    """One place among the workers, and the process that has it now.

    Attributes:
        index: of the place, from 0.
        serving: whether its process has said that it serves.
    """

    def __init__(self, index: int, on_serving: Callable[[], None]) -> None:
        self.index = index
        self.serving = False
        self._on_serving = on_serving
        self._process: Process | None = None
        self._stopped = False
        self._reload_late = False

    async def run(self, holder: socket.socket, environment: dict[str, str]) -> tuple[int, float]:
        """Run one process until it ends.

        Returns:
            Its exit code, and for how many seconds it served: 0 if it never did.
        """
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", "worker", str(self.index), str(holder.fileno())),
            stdin=PIPE,
            stdout=PIPE,
            env=environment,
            pass_fds=[holder.fileno()],
            process_group=0,  # a terminal's Ctrl-C is the parent's to pass on
        )
        if self._stopped:  # said while the process was being made
            self._send(signal.SIGTERM)
        assert process.stdout is not None
        served_s = 0.0
        if await process.stdout.read() == STARTED:
            started = time.monotonic()
            self._serves(process.pid)
            await process.wait()
            served_s = time.monotonic() - started
        self.serving = False
        return await process.wait(), served_s

    def stop(self, number: signal.Signals) -> None:
        """Pass SIGTERM or SIGINT on."""
        self._stopped = True
        # Before it serves, SIGINT would be a traceback from amid the imports.
        self._send(number if self.serving else signal.SIGTERM)

    def reload(self) -> None:
        """Let it read the models again; one that is still starting may have read them before they changed."""
        if self.serving:
            self._send(signal.SIGHUP)
        else:
            self._reload_late = True

    def kill(self) -> None:
        """End it by force."""
        self._send(signal.SIGKILL)

    def _serves(self, pid: int) -> None:
        self.serving = True
        log.info("worker serves", extra={"worker": self.index, "worker_pid": pid})
        if self._reload_late:
            self._reload_late = False
            self.reload()
        self._on_serving()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


class Workers:
    """The parent's side of all workers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers = [Worker(index, self._on_serving) for index in range(settings.workers)]
        self._serving_or_stopped = asyncio.Event()
        self._stopped = asyncio.Event()
        self._exit_code = 0

    def run(self) -> int:
        """Serve until a signal ends it.

        Returns:
            0 if every worker ended well; 1 if one did not, or if none could start, which has then said why.
        """
        settings = self._settings
        try:
            holder = hold_port(settings.host, settings.port)
        except OSError as exc:
            log.error("cannot listen on %s port %d: %s", settings.host, settings.port, exc.strerror)
            return 1
        with holder, tempfile.TemporaryDirectory(prefix="digits-metrics-") as metrics:
            asyncio.run(self._run(holder, os.environ | {SHARED_FOLDER: metrics}))
        return self._exit_code

    async def _run(self, holder: socket.socket, environment: dict[str, str]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        first, *others = self._workers
        async with asyncio.TaskGroup() as places:
            places.create_task(self._keep(first, holder, environment))
            # What keeps the first from starting would keep the others too, and need not be said more than once.
            await self._serving_or_stopped.wait()
            if self._stopped.is_set():
                return
            log.info("running on http://%s:%d", *holder.getsockname()[:2], extra={"workers": len(self._workers)})
            for worker in others:
                places.create_task(self._keep(worker, holder, environment))

    async def _keep(self, worker: Worker, holder: socket.socket, environment: dict[str, str]) -> None:
        """Keep a worker's place filled until the end."""
        pause_s = FIRST_PAUSE_S
        while not self._stopped.is_set():
            code, served_s = await worker.run(holder, environment)
            mark_process_dead(worker.index, environment[SHARED_FOLDER])
            if self._stopped.is_set():
                self._note_end(worker, code)
                return
            if not served_s and not any(other.serving for other in self._workers):
                self._exit_code = 1  # with nobody left who serves, trying again would only hide it
                self._stop(signal.SIGTERM)
                return
            pause_s = FIRST_PAUSE_S if served_s > LONGEST_PAUSE_S else min(2 * pause_s, LONGEST_PAUSE_S)
            extra = {"worker": worker.index, "exit_code": code, "reason": _reason(code), "restart_in_s": pause_s}
            log.warning("worker ended", extra=extra)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), pause_s)

    def _on_serving(self) -> None:
        self._serving_or_stopped.set()

    def _reload(self) -> None:
        for worker in self._workers:
            worker.reload()

    def _stop(self, number: signal.Signals) -> None:
        if not self._stopped.is_set():
            asyncio.get_running_loop().call_later(patience_s(self._settings), self._kill)
        self._stopped.set()
        self._serving_or_stopped.set()
        for worker in self._workers:
            worker.stop(number)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _note_end(self, worker: Worker, code: int) -> None:
        if code not in (0, -signal.SIGTERM):  # the latter was not yet as far as to take signals
            log.error("worker ended badly", extra={"worker": worker.index, "exit_code": code, "reason": _reason(code)})
            self._exit_code = 1


def _reason(code: int) -> str:
    """What an exit code says, in words."""
    if code == -signal.SIGKILL:
        return "killed: by somebody, or by the kernel for want of memory"
    return signal.Signals(-code).name if code < 0 else "its own log lines say why"
