"""An app in this process, its lifespan running, asked through httpx."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

import httpx
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app.api.problems import MEDIA_TYPE
from app.api.schemas import Problem
from app.services import Services

T = TypeVar("T")


class Api:
    """Plain calls on an event loop of its own; ``run`` takes a coroutine where requests must overlap."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.services: Services = app.state.services
        self._runner = asyncio.Runner()
        self._lifespan = app.router.lifespan_context(app)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://digits")

    def __enter__(self) -> Self:
        try:
            self.run(self._lifespan.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.run(self.http.aclose())
        self.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self.run(self.http.request(method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def predict(self, *files: bytes, **params: Any) -> httpx.Response:
        return self.post("/v1/predict", files=multipart(*files), params=params)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """For what happens beside the requests, as the loading of all models but the default."""
        until = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < until, "it did not come about in time"
            time.sleep(0.005)

    def metric(self, name: str, /, **labels: str) -> float:
        """A sample of ``/metrics``; 0 if it is not there yet."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = (sample for family in families for sample in family.samples)
        return next((sample.value for sample in samples if sample.name == name and sample.labels == labels), 0.0)


def multipart(*files: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    """httpx' form of files in the field ``files``."""
    return [("files", (f"{index}.png", data)) for index, data in enumerate(files)]


def assert_problem(response: httpx.Response, status: int, slug: str) -> Problem:
    """Hold an answer against RFC 9457's form and ours."""
    assert response.headers["content-type"] == MEDIA_TYPE, response.text
    document = Problem.model_validate(response.json())
    assert (response.status_code, document.type) == (status, f"/problems/{slug}"), response.text
    assert document.status == status
    assert document.title
    assert document.detail
    assert document.request_id == response.headers["x-request-id"]
    return document
