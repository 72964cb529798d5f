"""Logs: one JSON object a line for machines, or one plain line for people; both carry the request's id."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# json.dumps would make a new encoder for each line.
_encode = json.JSONEncoder(default=str).encode
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, message, request id, and whatever ``extra`` the call gave; the pid if wanted."""

    def __init__(self, *, with_pid: bool = False) -> None:
        super().__init__()
        self._pid = {"pid": os.getpid()} if with_pid else {}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._pid,
        }
        if (bound := request_id.get()) is not None:
            entry["request_id"] = bound
        entry |= _extra(record)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _encode(entry)


class ConsoleFormatter(logging.Formatter):
    """A line that a person reads at a terminal."""

    def __init__(self, *, with_pid: bool = False) -> None:
        super().__init__()
        self._pid = f"[{os.getpid()}] " if with_pid else ""

    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f" {key}={_plain(value)}" for key, value in _extra(record).items())
        bound = f" request_id={bound}" if (bound := request_id.get()) is not None else ""
        line = f"{_time(record)} {record.levelname.lower():7s} {self._pid}{_printable(record.getMessage())}{extra}{bound}"
        return f"{line}\n{self._traceback(record)}" if record.exc_info else line

    def _traceback(self, record: logging.LogRecord) -> str:
        assert record.exc_info
        return "\n".join(_printable(line) for line in self.formatException(record.exc_info).split("\n"))


def configure(log_format: Literal["json", "console"], level: str, *, with_pid: bool = False) -> None:
    """Send everything to stderr in one format, uvicorn's own lines too; with the pid where processes share stderr."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonFormatter if log_format == "json" else ConsoleFormatter
    handler.setFormatter(formatter(with_pid=with_pid))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)  # Pillow's about damaged files, which would break up the JSON lines


def _plain(value: object) -> object:
    """A value that cannot be taken for another field, a line of its own, or a terminal's command."""
    if not isinstance(value, str):
        return _printable(str(value))
    return value if value and value.isprintable() and " " not in value and '"' not in value else json.dumps(value)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
