"""Many requests at once: whose answer is whose, who is turned away, and what a swap of the model does to them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import pytest

from app.digits.errors import ModelAltered
from app.digits.preprocessing import mnist_frame
from app.digits.session import Images, Output
from tests import pictures
from tests.client import Api, multipart
from tests.conftest import MakeApi
from tests.fakes import LABELS, FakeSession, change_one_byte, probabilities_of, read_manifest, write_manifest
from training.strokes import as_png, draw_digit

RUN_S = 0.05
CAPACITY = 256


class SlowSession(FakeSession):
    """Takes its time, as a large model does."""

    def run(self, images: Images) -> Output:
        time.sleep(RUN_S)
        return super().run(images)


@pytest.fixture
def session() -> FakeSession:
    return SlowSession()


@dataclass
class Visit:
    """One upload, straight into the app: the time counts from where a server has read the headers.

    Attributes:
        grey: what it sends.
        body_after_s: how long its body takes to come.
    """

    grey: pictures.Grey
    body_after_s: float
    status: int = 0
    seconds: float = 0.0
    body_was_read: bool = False
    content: bytes = b""
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, app: Callable[..., Awaitable[None]]) -> None:
        request = httpx.Request("POST", "http://digits/v1/predict", files=multipart(as_png(self.grey)))
        self._body: bytes | None = request.read()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/predict",
            "raw_path": b"/v1/predict",
            "root_path": "",
            "query_string": b"top_k=10",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 1),
            "server": ("digits", 80),
        }
        self._started = time.perf_counter()
        await app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        self.body_was_read = True
        if self._body is None:
            await asyncio.sleep(60)
        await asyncio.sleep(self.body_after_s)
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.seconds = message["status"], time.perf_counter() - self._started
        else:
            self.content += message.get("body", b"")


def test_1000_uploads_each_gets_its_own_answer_and_the_surplus_its_503_at_once(make_api: MakeApi) -> None:
    api = make_api(request_timeout_ms=30_000, max_queued_images=CAPACITY)
    visits = [Visit(grey, body_after_s=number % 5 * 0.02) for number, grey in enumerate(_drawings(1000))]
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, api.services.images.taken, api.services.registry.get().batcher.queued_images)
            await asyncio.sleep(0)

    async def all_at_once() -> None:
        watcher = asyncio.create_task(watch())
        await asyncio.gather(*(visit(api.app) for visit in visits))
        watcher.cancel()

    api.run(all_at_once())
    statuses = Counter(visit.status for visit in visits)
    assert set(statuses) == {200, 503}
    assert statuses[200] >= CAPACITY
    assert most == CAPACITY
    refused = [visit for visit in visits if visit.status == 503]
    assert not any(visit.body_was_read for visit in refused)
    # The middle one: what else the machine does may hold up any single one of them.
    assert median(visit.seconds for visit in refused) < 0.05
    for visit in visits:
        if visit.status == 200:
            _assert_own_answer(visit)


def _drawings(count: int) -> Iterator[pictures.Grey]:
    """Frames of digits, no two alike: each pixel's ink is thinned at random."""
    random = np.random.default_rng(0)
    digits = [mnist_frame(draw_digit(label, size=56)).image[0] for label in LABELS]
    for number in range(count):
        yield (digits[number % len(digits)] * random.uniform(0.6, 1, (28, 28))).astype(np.uint8)


def _assert_own_answer(visit: Visit) -> None:
    answer = httpx.Response(200, content=visit.content).json()["predictions"][0]
    given = {ranked["label"]: ranked["probability"] for ranked in answer["top_k"]}
    expected = probabilities_of(visit.grey)
    np.testing.assert_allclose([given[label] for label in LABELS], expected, atol=2e-6)


def test_lone_request_on_an_idle_service_does_not_queue(make_api: MakeApi) -> None:
    api = make_api()
    queued_ms = [api.predict(pictures.png()).json()["timings_ms"]["queue"] for _ in range(5)]
    assert min(queued_ms) < 2  # the time to wake a thread; any wait for company would be in each


@pytest.mark.parametrize("route", ["/v1/predict", "/v1/read", "/v1/explain"])
def test_file_of_a_million_parts_holds_nobody_up(make_api: MakeApi, route: str) -> None:
    api = make_api(request_timeout_ms=30_000)
    jpeg = pictures.FILES["jpeg"]
    hostile = jpeg[:2] + b"\xff\xe5\x00\x02" * 250_000 + jpeg[2:]  # empty segments: Pillow reads each of them

    async def turns_meanwhile() -> int:
        asked = asyncio.create_task(api.http.post(route, content=hostile, headers={"content-type": "image/jpeg"}))
        turns = 0
        while not asked.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await asked).status_code in (200, 422)
        return turns

    # Opened on the loop, the file leaves it the few turns that any request takes.
    assert api.run(turns_meanwhile()) > 200


def test_lone_request_beside_a_large_upload_waits_for_one_run_only(make_api: MakeApi) -> None:
    api = make_api(max_batch_images=8, request_timeout_ms=30_000)

    async def both() -> tuple[float, float]:
        started = time.perf_counter()

        async def send(count: int) -> float:
            response = await api.http.post("/v1/predict", files=multipart(*[pictures.png()] * count))
            assert response.status_code == 200
            return time.perf_counter() - started

        large = asyncio.create_task(send(64))
        await asyncio.to_thread(api.wait_until, lambda: api.services.registry.get().batcher.queued_images > 0)
        return await send(1), await large

    lone_s, large_s = api.run(both())
    assert large_s >= 8 * RUN_S
    assert lone_s < large_s - 3 * RUN_S


@pytest.mark.parametrize("session", [FakeSession()])
def test_100_swaps_under_load_fail_no_request_and_each_answer_names_its_model(
    make_api: MakeApi, models_dir: Path, session: FakeSession
) -> None:
    api = make_api(max_batch_images=4)
    registry, folder = api.services.registry, models_dir / "cnn"
    manifest = read_manifest(folder)
    data = multipart(pictures.png())
    swapped = asyncio.Event()
    answered: list[tuple[str, str, str]] = []

    async def client() -> None:
        while not swapped.is_set():
            first, last = api_version(), ""
            response = await api.http.post("/v1/predict", files=data)
            last = api_version()
            assert response.status_code == 200, response.text
            answered.append((first, response.json()["model"]["version"], last))

    def api_version() -> str:
        return registry.get().identity["version"]

    def swap() -> None:
        for version in range(2, 102):
            write_manifest(folder, manifest | {"version": str(version)})
            registry.load("cnn")

    async def swap_under_load() -> None:
        clients = [asyncio.create_task(client()) for _ in range(4)]
        await asyncio.to_thread(swap)
        swapped.set()
        await asyncio.gather(*clients)

    api.run(swap_under_load())
    assert api_version() == "101"
    assert len({version for _, version, _ in answered}) > 10  # they came while models were swapped
    assert all(int(first) <= int(version) <= int(last) for first, version, last in answered)
    _assert_altered_is_refused(api, folder)


def _assert_altered_is_refused(api: Api, folder: Path) -> None:
    change_one_byte(folder / "model.onnx")
    with pytest.raises(ModelAltered):
        api.services.registry.load("cnn")
    response = api.predict(pictures.png())
    assert (response.status_code, response.json()["model"]["version"]) == (200, "101")
    assert "altered" in api.get("/health").json()["failed_models"]["cnn"]
