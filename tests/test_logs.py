from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from app import logs
from app.settings import PROJECT


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level


def _record(message: str = "hello", **extra: object) -> logging.LogRecord:
    record = logging.makeLogRecord({"msg": message, "levelname": "WARNING", "levelno": logging.WARNING, "name": "app.test"})
    record.__dict__.update(extra)
    return record


def _json(record: logging.LogRecord) -> dict[str, Any]:
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    entry: dict[str, Any] = json.loads(line)
    return entry


def test_json_line_has_what_and_when() -> None:
    entry = _json(_record("two\nlines", status=200, path="/ü"))
    time = entry.pop("time")
    assert time.endswith("+00:00")
    assert entry == {"level": "warning", "logger": "app.test", "message": "two\nlines", "status": 200, "path": "/ü"}


def test_json_line_carries_the_bound_request_id() -> None:
    token = logs.request_id.set("abc")
    try:
        assert _json(_record())["request_id"] == "abc"
    finally:
        logs.request_id.reset(token)
    assert "request_id" not in _json(_record())


def test_json_line_value_that_is_no_json_is_told_as_text() -> None:
    assert _json(_record(model=object))["model"] == str(object)


@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.ConsoleFormatter()])
def test_format_exception_is_in_it(formatter: logging.Formatter) -> None:
    try:
        raise RuntimeError("went wrong")
    except RuntimeError:
        record = _record(exc_info=sys.exc_info())
    assert "RuntimeError: went wrong" in formatter.format(record)


def test_console_line_is_for_people() -> None:
    line = logs.ConsoleFormatter().format(_record(status=200))
    assert line.endswith("warning hello status=200")


def test_console_line_carries_the_bound_request_id() -> None:
    token = logs.request_id.set("abc")
    try:
        assert logs.ConsoleFormatter().format(_record()).endswith("hello request_id=abc")
    finally:
        logs.request_id.reset(token)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/predict", "/v1/predict"),
        ("/ü", "/ü"),
        ("", '""'),
        ("/x status=200", '"/x status=200"'),
        ("/x\nerror forged", r'"/x\nerror forged"'),
        ("/\x1b[31mred", r'"/\u001b[31mred"'),
        ("/\u202egnp", r'"/\u202egnp"'),
    ],
)
def test_console_value_of_a_client_forges_nothing(path: str, shown: str) -> None:
    assert logs.ConsoleFormatter().format(_record(path=path)).endswith(f"hello path={shown}")


def test_console_message_and_exception_forge_no_line() -> None:
    assert "\n" not in logs.ConsoleFormatter().format(_record("a\nb\x1b"))
    try:
        raise RuntimeError("\x1b[2Jgone")
    except RuntimeError:
        assert "\x1b" not in logs.ConsoleFormatter().format(_record(exc_info=sys.exc_info()))


def test_line_names_the_process_only_where_it_is_asked_for() -> None:
    assert json.loads(logs.JsonFormatter(with_pid=True).format(_record()))["pid"] == os.getpid()
    assert f" [{os.getpid()}] hello" in logs.ConsoleFormatter(with_pid=True).format(_record())
    assert "pid" not in _json(_record())
    assert logs.ConsoleFormatter().format(_record()).endswith(" warning hello")


def test_capture_stderr_makes_lines_of_what_libraries_write() -> None:
    script = (
        "import os, time, logging; from app import logs; logs.configure('json', 'info'); logs.capture_stderr();"
        "os.write(2, b'no JSON\\xff\\n' + b'x' * 2000 + b'\\n' + b'flood\\n' * 100_000); time.sleep(0.7);"
        "logging.getLogger('app').info('ours')"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=30, check=True)
    first, *others, last = map(json.loads, ended.stderr.splitlines())
    assert (first["message"], first["line"]) == ("a library wrote to stderr", "no JSON\\xff")
    assert last["message"] == "ours"
    assert 2 < len(others) < 12
    assert all(len(line["line"]) <= logs.LONGEST_LINE for line in others)


@pytest.mark.usefixtures("_logging_restored")
def test_configure_pillows_warnings_about_files_fill_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    warnings.warn_explicit("Tag data larger than file", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("_logging_restored")
def test_configure_sends_lines_of_its_level_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "warning")
    logging.getLogger("app").info("too quiet")
    logging.getLogger("uvicorn.error").warning("loud enough")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("from a library", stacklevel=1)
    out, err = capsys.readouterr()
    loud, warning = (json.loads(line)["message"] for line in err.splitlines())
    assert loud == "loud enough"
    assert "from a library" in warning
    assert out == ""
