from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

from app.logs import JsonFormatter
from tests import pictures
from tests.client import Api, assert_problem
from tests.conftest import MakeApi


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Writes log lines as the service does: the request id is bound only while they are written."""
    caplog.handler.setFormatter(JsonFormatter())
    caplog.set_level(logging.INFO, logger="app")
    return caplog


def _lines(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.text.splitlines()]


def test_request_id_sent_comes_back_everywhere(api: Api, log: pytest.LogCaptureFixture) -> None:
    response = api.post("/v1/predict", files={"files": pictures.png()}, headers={"x-request-id": "order-66.b_c"})
    assert response.headers["x-request-id"] == response.json()["request_id"] == "order-66.b_c"
    (line,) = (line for line in _lines(log) if line["message"] == "request")
    expected = {"request_id": "order-66.b_c", "method": "POST", "path": "/v1/predict", "status": 200, "level": "info"}
    assert {key: line[key] for key in expected} == expected
    assert line["ms"] > 0


@pytest.mark.parametrize("hostile", [b"", b"a b", b"x" * 65, b"<script>", b"a\nb: c", b"\xc3\xbc", b'a"b', b"../x"])
def test_request_id_hostile_is_replaced(api: Api, hostile: bytes) -> None:
    request_id = api.get("/livez", headers=[(b"x-request-id", hostile)]).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", request_id)


def test_request_id_none_sent_each_gets_its_own(api: Api) -> None:
    assert len({api.get("/livez").headers["x-request-id"] for _ in range(5)}) == 5


def test_request_id_does_not_leak_into_the_next_log_line(api: Api, log: pytest.LogCaptureFixture) -> None:
    async def request_then_log() -> None:
        await api.http.get("/v1/models")  # httpx calls the app in this very context
        logging.getLogger("app").info("between requests")

    api.run(request_then_log())
    assert "request_id" not in _lines(log)[-1]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics"])
def test_log_probes_and_scrapes_are_quiet(api: Api, log: pytest.LogCaptureFixture, path: str) -> None:
    api.get(path)
    assert _lines(log) == []


def test_unexpected_fault_is_logged_and_tells_nothing(make_api: MakeApi, log: pytest.LogCaptureFixture) -> None:
    api = make_api()

    @api.app.get("/fault")
    async def fault() -> None:
        raise RuntimeError("a secret of the inside")

    response = api.get("/fault")
    document = assert_problem(response, 500, "internal")
    assert "secret" not in response.text
    assert document.request_id
    (line,) = (line for line in _lines(log) if line["level"] == "error")
    assert line["request_id"] == document.request_id
    assert "a secret of the inside" in line["exception"]
    assert api.get("/livez").status_code == 200
