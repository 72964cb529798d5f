from __future__ import annotations

import asyncio

import httpx
import pytest

from app.api.deadline import deadline
from tests import pictures
from tests.client import Api, assert_problem, multipart
from tests.conftest import MakeApi
from tests.fakes import FakeSession


@pytest.mark.parametrize(("asked_ms", "expected"), [(None, 12.0), (1, 10.001), (500, 10.5), (2000, 12.0), (9999, 12.0)])
def test_deadline_client_may_lower_and_never_raise(asked_ms: int | None, expected: float) -> None:
    assert deadline(2000, asked_ms, started=10.0) == pytest.approx(expected)


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/top-k"])
@pytest.mark.parametrize("value", ["soon", "", "-1", "0", "1.5", "1e3", "9" * 5000])
def test_timeout_header_garbage_is_an_invalid_parameter(api: Api, path: str, value: str) -> None:
    response = api.post(path, files=multipart(pictures.png()), headers={"x-request-timeout-ms": value})
    assert "x-request-timeout-ms" in assert_problem(response, 422, "invalid-parameter").detail.lower()


@pytest.mark.parametrize(("asked_ms", "limit_ms"), [(40, 5000), (5000, 40)])
def test_timeout_the_lower_of_both_answers_504_and_nothing_runs_late(
    make_api: MakeApi, session: FakeSession, asked_ms: int, limit_ms: int
) -> None:
    api = make_api(request_timeout_ms=limit_ms)

    async def wait_for_a_busy_session() -> httpx.Response:
        session.gate.clear()
        session.entered.clear()
        busy = asyncio.create_task(api.http.post("/v1/predict", files=multipart(pictures.png())))
        await asyncio.to_thread(session.entered.wait, 5)
        runs = len(session.sizes)
        late = await api.http.post(
            "/v1/predict", files=multipart(pictures.png()), headers={"x-request-timeout-ms": str(asked_ms)}
        )
        session.gate.set()
        await busy
        assert len(session.sizes) == runs
        return late

    assert_problem(api.run(wait_for_a_busy_session()), 504, "deadline-exceeded")
    assert api.services.images.taken == 0


def test_timeout_while_pictures_are_decoded_answers_504_before_the_last(api: Api) -> None:
    response = api.post("/v1/predict", files=multipart(*[pictures.png(size=600)] * 64), headers={"x-request-timeout-ms": "20"})
    assert "decoded" in assert_problem(response, 504, "deadline-exceeded").detail
