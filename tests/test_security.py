"""SECURITY.md is held against the code, and what it promises of no single room is proved here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests import pictures
from tests.client import Api

ROWS = re.findall(r"^\|[^|]+\|[^|]+\| `(\S+)` \| `(\S+)::(\w+)` \|$", (PROJECT / "SECURITY.md").read_text(), re.MULTILINE)
# What would let the service fetch an address, run a program, or load a pickle.
FORBIDDEN = re.compile(
    r"pickle|marshal|shelve|joblib|cloudpickle|dill|torch|httpx|requests|aiohttp|http\.client|urllib\.request|subprocess"
)
# The client is for other programs; the parent starts the workers through asyncio.
NOT_THE_SERVICE = PROJECT / "app/client"


@pytest.mark.parametrize(("place", "file", "test"), ROWS, ids=[test for *_, test in ROWS])
def test_threat_is_defended_where_it_says_and_proved(place: str, file: str, test: str) -> None:
    assert (PROJECT / place).exists()
    names = {
        node.name
        for node in ast.walk(ast.parse((PROJECT / file).read_text()))
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }
    assert test in names


def test_security_table_is_read_whole() -> None:
    table = re.findall(r"^\| .* \|$", (PROJECT / "SECURITY.md").read_text(), re.MULTILINE)
    assert len(ROWS) == len(table) - 1 > 20


def test_service_imports_nothing_that_fetches_or_unpickles() -> None:
    files = [path for path in (PROJECT / "app").rglob("*.py") if NOT_THE_SERVICE not in path.parents]
    imported = {name for path in files for name in _imports(path)}
    assert "onnxruntime" in imported
    assert sorted(name for name in imported if FORBIDDEN.match(name)) == []


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_file_name_of_an_upload_is_only_echoed(api: Api) -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "models/cnn/manifest.json", "<img src=x onerror=alert(1)>.png"):
        answer = api.post("/v1/predict", files={"files": (name, pictures.png())})
        assert answer.json()["predictions"][0]["filename"] == name
        assert answer.headers["content-type"] == "application/json"


def test_every_requirement_of_the_service_is_pinned_with_its_hash() -> None:
    locked = (PROJECT / "requirements/service.txt").read_text().replace("\\\n", " ")
    requirements = [line for line in locked.splitlines() if line and not line.startswith(("#", " "))]
    assert len(requirements) > 20
    assert [line for line in requirements if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
