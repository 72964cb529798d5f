"""Logs: one JSON object a line for machines, or one plain line for people; both carry the request's id."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import random
import sys
import threading
import time
import warnings
from collections import deque
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

import orjson

log = logging.getLogger(__name__)

CAPTURED_PER_S: Final = 10
LONGEST_LINE: Final = 500
LEVELS: Final = {level: logging.getLevelName(level).lower() for level in range(logging.DEBUG, logging.CRITICAL + 1, 10)}

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


def new_request_id() -> str:
    """One that no other request has: 32 hexadecimal digits. No secret, and no system call."""
    return f"{random.getrandbits(128):032x}"


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, message, request id, and whatever ``extra`` the call gave; the pid if wanted."""

    def __init__(self, *, with_pid: bool = False) -> None:
        super().__init__()
        self._pid = {"pid": os.getpid()} if with_pid else {}

    def format(self, record: logging.LogRecord) -> str:
        extra = _extra(record)
        if record.exc_info:
            extra["exception"] = self.formatException(record.exc_info)
        level = record.levelname.lower()
        return self.line(record.created, level, record.name, record.getMessage(), request_id.get(), extra)

    def line(self, created: float, level: str, logger: str, message: str, bound: str | None, extra: dict[str, object]) -> str:
        """What ``format`` makes of a record, made of its parts and the request id that was bound."""
        entry = {"time": _time(created), "level": level, "logger": logger, "message": message, **self._pid}
        if bound is not None:
            entry["request_id"] = bound
        entry |= extra
        try:
            return orjson.dumps(entry, default=str).decode()
        except TypeError:  # an integer of more than 64 bits, half of a surrogate pair
            return json.dumps(entry, default=str)


class JsonHandler(logging.StreamHandler[TextIO]):
    """Writes JSON lines; ``tell`` does so without a record, and together with all others of the event loop's turn.

    Each write is a system call, for which the interpreter's lock is given away and has to be waited for again; and lines that
    are made one after the other take less time.
    """

    def __init__(self, stream: TextIO, formatter: JsonFormatter) -> None:
        super().__init__(stream)
        self.setFormatter(formatter)
        self._json = formatter
        self._told: deque[tuple[float, str, str, str, str | None, dict[str, object]]] = deque()

    def tell(self, level: int, logger: str, message: str, extra: dict[str, object]) -> None:
        """Write one line when this turn of the running event loop ends."""
        if not self._told:
            asyncio.get_running_loop().call_soon(self.flush)
        self._told.append((time.time(), LEVELS[level], logger, message, request_id.get(), extra))

    def emit(self, record: logging.LogRecord) -> None:
        self.flush()  # what was told before it comes before it
        super().emit(record)

    def flush(self) -> None:
        """Write what was told; where it cannot be written it is lost, as ``emit``'s are, and no request with it."""
        with contextlib.suppress(OSError), self.lock or contextlib.nullcontext():
            if told := [self._json.line(*self._told.popleft()) for _ in range(len(self._told))]:
                self.stream.write(self.terminator.join([*told, ""]))
            super().flush()


class ConsoleFormatter(logging.Formatter):
    """A line that a person reads at a terminal."""

    def __init__(self, *, with_pid: bool = False) -> None:
        super().__init__()
        self._pid = f"[{os.getpid()}] " if with_pid else ""

    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f" {key}={_plain(value)}" for key, value in _extra(record).items())
        bound = f" request_id={bound}" if (bound := request_id.get()) is not None else ""
        line = (
            f"{_time(record.created)} {record.levelname.lower():7s} {self._pid}{_printable(record.getMessage())}{extra}{bound}"
        )
        return f"{line}\n{self._traceback(record)}" if record.exc_info else line

    def _traceback(self, record: logging.LogRecord) -> str:
        assert record.exc_info
        return "\n".join(_printable(line) for line in self.formatException(record.exc_info).split("\n"))


def configure(log_format: Literal["json", "console"], level: str, *, with_pid: bool = False) -> None:
    """Send everything to stderr in one format, uvicorn's own lines too; with the pid where processes share stderr."""
    if log_format == "json":
        handler: logging.Handler = JsonHandler(sys.stderr, JsonFormatter(with_pid=with_pid))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(ConsoleFormatter(with_pid=with_pid))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # What no line of ours tells is not looked for (the library's own "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.captureWarnings(True)  # they would break up the JSON lines
    # About damaged files, whose senders are told: one small file can cause 20,000 of them.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def write(logger: logging.Logger, level: int, message: str, **extra: object) -> None:
    """``logger.log`` for lines that come with each request: where they are JSON, in a third of its time."""
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], JsonHandler):
        handlers[0].tell(level, logger.name, message, extra)
    else:
        logger.log(level, message, extra=extra)


def capture_stderr() -> None:
    """Make log lines of what libraries in C write to stderr, as libtiff does of damaged files; call it after ``configure``.

    What comes faster than ``CAPTURED_PER_S`` lines a second fills the pipe and is dropped there, so that nobody waits.
    """
    ours = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    sys.stderr = ours
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(ours)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    os.dup2(write_end, 2)
    os.close(write_end)
    threading.Thread(target=_log_lines, args=(read_end,), name="stderr", daemon=True).start()


def _log_lines(read_end: int) -> None:
    with os.fdopen(read_end, "rb") as lines:
        while line := lines.readline(LONGEST_LINE):
            log.warning("a library wrote to stderr", extra={"line": line.decode("utf-8", "backslashreplace").rstrip()})
            time.sleep(1 / CAPTURED_PER_S)


def _plain(value: object) -> object:
    """A value that cannot be taken for another field, a line of its own, or a terminal's command."""
    if not isinstance(value, str):
        return _printable(str(value))
    return value if value and value.isprintable() and " " not in value and '"' not in value else json.dumps(value)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _time(created: float) -> str:
    whole, part = divmod(created, 1)
    return f"{_second(int(whole))}.{int(part * 1000):03d}+00:00"


@functools.lru_cache(maxsize=2)
def _second(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
