"""One process's uvicorn server, which ends in steps: not ready, then refusing, then finished, then gone.

uvicorn by itself closes the listener at SIGTERM, when load balancers still send traffic here (FACTS.md).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

import prometheus_client.values
import uvicorn
from fastapi import FastAPI

from app.api import connections
from app.api.draining import ReadToTheEnd
from app.main import create_app
from app.services import Services
from app.serving import workers
from app.settings import Settings

log = logging.getLogger(__name__)

RELOAD: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)  # not on Windows
CLOSE: Final = (b"connection", b"close")
# How long open connections get a refusal where uvicorn would cut them: a client's next request is under way that long.
LAST_CALL_S: Final = 0.2
# Objects that came and did not go. Python's 700 are those of the requests that are being answered, which are no garbage.
COLLECT_AFTER: Final = 10_000
# Process managers (systemd) send SIGTERM to parent and workers alike, and the parent passes its own on: that is one stop.
SAME_STOP_S: Final = 1.0


class Server(uvicorn.Server):
    """Stays open for ``drain_delay_s`` after SIGTERM; SIGINT, or a later SIGTERM, cuts that short."""

    def __init__(self, app: FastAPI, settings: Settings, *, on_started: Callable[[], None] = lambda: None) -> None:
        """Nothing runs yet.

        Args:
            app: made by ``create_app``.
            settings: of the same app.
            on_started: called when connections are taken.
        """
        self._services: Services = app.state.services
        config = uvicorn.Config(
            ReadToTheEnd(app, self._services.draining),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # DIGITS_TRUSTED_PROXIES says whom to believe; uvicorn would believe this machine
            http=connections.of(settings, self._services.metrics),
            interface="asgi3",  # it would look for ``async``
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=settings.shutdown_timeout_s,
        )
        super().__init__(config)
        self._services.turns.requests = self.server_state.tasks
        self._drain_delay_s = settings.drain_delay_s
        self._on_started = on_started
        self._told_at = self._exit_at = math.inf
        self._out_of_descriptors = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Take SIGTERM or SIGINT; uvicorn's own form would raise it again at the end, for an exit code of failure."""
        now = time.monotonic()
        if sig == signal.SIGINT:
            self.force_exit = self._exit_at <= now  # the second waits for nobody's request
            self._exit_at = now
        elif not self._services.draining.is_set():
            self._told_at = now
            self._exit_at = now + (self._drain_delay_s if self.started else 0)
        elif now > self._told_at + SAME_STOP_S:
            self._exit_at = now
        self._services.draining.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if RELOAD is not None:
            asyncio.get_running_loop().add_signal_handler(RELOAD, self._reload)
        gc.freeze()  # what was made so far stays; no later collection looks through it
        gc.set_threshold(COLLECT_AFTER)
        self._on_started()

    async def on_tick(self, counter: int) -> bool:
        ended = await super().on_tick(counter)
        self._check_descriptors()
        if self._services.draining.is_set():
            self._send_away()
        return ended or time.monotonic() >= self._exit_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.images.close()
        self._send_away()
        for server in self.servers:
            server.close()
        if not self.force_exit:
            await asyncio.sleep(LAST_CALL_S)
        await super().shutdown(sockets)

    def _check_descriptors(self) -> None:
        """With none left uvloop closes each new connection without a word; a tick is a tenth of a second."""
        try:
            os.close(os.dup(2))
        except OSError as exc:
            if not self._out_of_descriptors:
                log.error("no new connections", extra={"reason": exc.strerror, "remedy": "raise the limit of open files"})
            self._out_of_descriptors = True
        else:
            self._out_of_descriptors = False

    def _send_away(self) -> None:
        """Close each connection after its next answer, so that the client opens its next one elsewhere."""
        if CLOSE not in self.server_state.default_headers:
            self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]

    def _reload(self) -> None:
        self._reloading = asyncio.get_running_loop().run_in_executor(None, self._services.registry.reload)


def serve(settings: Settings) -> None:
    """Serve on the settings' address until a signal ends it.

    Raises:
        DigitsError: the default model cannot be served.
    """
    _leave_at_once_when_told()
    _run(settings)


def work(settings: Settings, index: int, port_holder: int) -> None:
    """Serve as one of several processes; ``app.serving.workers`` starts them.

    Args:
        settings: the same for all.
        index: this worker's place, from 0; whoever takes the place of a dead one has the same.
        port_holder: file descriptor of the parent's socket.

    Raises:
        DigitsError: the default model cannot be served.
    """
    _leave_at_once_when_told()
    threading.Thread(target=_end_with_the_parent, args=(workers.patience_s(settings),), daemon=True).start()
    # By place, not by pid as is the default: a successor counts on where the dead one stopped.
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(lambda: index)
    listener = workers.listener(socket.socket(fileno=port_holder))
    _run(settings, [listener], workers.report_started)


def _run(settings: Settings, sockets: list[socket.socket] | None = None, on_started: Callable[[], None] = lambda: None) -> None:
    app = create_app(settings)
    services: Services = app.state.services
    services.registry.load_default()  # here, so that a bad model is one sentence and not a traceback of the server's
    Server(app, settings, on_started=on_started).run(sockets)


def _leave_at_once_when_told() -> None:
    """Until uvicorn takes the signals over there is nothing to finish. Process 1 would not even end by default."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    if RELOAD is not None:
        signal.signal(RELOAD, signal.SIG_IGN)  # what it asks for is about to happen


def _end_with_the_parent(patience_s: float) -> None:
    """Whatever killed the parent, nobody would stop or restart its workers any more."""
    workers.wait_for_the_parents_end()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(patience_s)
    os._exit(1)
