"""Both clients, through one set of tests: against a scripted service, and against the app in this process."""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from python_multipart.multipart import parse_options_header

from app.api import problems
from app.api.multipart import Upload, parse_multipart
from app.api.schemas import ModelIdentity, PictureAnswer, PredictAnswer, RankedLabel, ReadAnswer, ReadDigit, ReadLine, Timings
from app.client import (
    AsyncDigitsClient,
    ClientError,
    ConnectionFailed,
    DeadlineExceeded,
    DigitsClient,
    Picture,
    ProblemError,
    Reading,
    Refusal,
    Result,
    UnexpectedAnswer,
)
from app.client.pictures import BatchLimits, batches
from app.client.results import PICTURE_PROBLEMS
from app.client.retries import FIRST_PAUSE_S, LONGEST_PAUSE_S, Attempts, retry_after_s
from app.digits.errors import BlankPicture, PictureError, QueueFull, UnknownModel
from app.digits.image import decode
from tests import pictures
from tests.client import Api
from tests.conftest import MakeApi
from tests.fakes import FakeSession, probabilities_of

URL: Final = "http://digits/prefix/"
MODEL: Final = ModelIdentity(name="cnn", version="1", sha256="0" * 64, provider="FakeProvider")
Step = httpx.Response | Exception


class ScriptedService:
    """Takes a step of its script for each request, and when there is none left reads each file's bytes as its label."""

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.requests: list[httpx.Request] = []
        self.batch_sizes: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            # Anew for each request: httpx' own is bound to the client that it was given to.
            return httpx.Response(step.status_code, content=step.content, headers=step.headers)
        return answered(request)

    @property
    def paths(self) -> list[str]:
        return [request.url.raw_path.decode() for request in self.requests]


def answered(request: httpx.Request) -> httpx.Response:
    """One result for each file of the request."""
    predictions = [
        PictureAnswer(
            index=index,
            filename=file.filename,
            status="ok",
            label=file.data.decode(),
            probability=0.5,
            abstained=False,
            reason=None,
            top_k=[RankedLabel(label=file.data.decode(), probability=0.5)],
        )
        for index, file in enumerate(files_of(request))
    ]
    timings = Timings(decode=0, preprocess=0, queue=0, inference=0, total=0)
    answer = PredictAnswer(model=MODEL, request_id="id", predictions=list(predictions), timings_ms=timings)
    return httpx.Response(200, content=answer.model_dump_json())


def files_of(request: httpx.Request) -> list[Upload]:
    _, options = parse_options_header(request.headers["content-type"])
    return parse_multipart(request.read(), options[b"boundary"], max_files=64)


def refused(error: Exception, **headers: str) -> httpx.Response:
    """The service's own problem document for an error."""
    document = problems.problem_of(error).model_copy(update={"request_id": "id-7"})
    content = document.model_dump_json(exclude_none=True)
    return httpx.Response(document.status, content=content, headers={"content-type": problems.MEDIA_TYPE} | headers)


BUSY: Final = {"retry-after": "0"}
Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Calls a method of a fresh client of either kind: ``ask(service, "predict", …)``."""

    def ask_sync(service: ScriptedService, method: str, *args: Any, options: Any = (), **kwargs: Any) -> Any:
        with DigitsClient(URL, transport=httpx.MockTransport(service), **dict(options)) as client:
            result = getattr(client, method)(*args, **kwargs)
            return list(result) if inspect.isgenerator(result) else result

    async def ask_async(service: ScriptedService, method: str, *args: Any, options: Any = (), **kwargs: Any) -> Any:
        async with AsyncDigitsClient(URL, transport=httpx.MockTransport(service), **dict(options)) as client:
            result = getattr(client, method)(*args, **kwargs)
            return [item async for item in result] if inspect.isasyncgen(result) else await result

    if request.param == "sync":
        return ask_sync
    return lambda *args, **kwargs: asyncio.run(ask_async(*args, **kwargs))


def named(count: int) -> list[Picture]:
    """Pictures whose bytes are their number."""
    return [(f"{number}.png", str(number).encode()) for number in range(count)]


def labels_of(results: Sequence[Result]) -> list[str | None]:
    return [result.label for result in results if isinstance(result, Reading)]


def test_predict_150_pictures_go_in_three_requests_and_come_back_in_order(ask: Ask) -> None:
    service = ScriptedService()
    results = ask(service, "predict", named(150))
    assert labels_of(results) == [str(number) for number in range(150)]
    assert [result.index for result in results] == list(range(150))
    assert {len(files_of(request)) for request in service.requests} == {64, 22}
    assert all(result.model == MODEL and result.request_id == "id" for result in results)


def test_predict_takes_bytes_paths_and_named_bytes(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "sieben ü.png"
    path.write_bytes(b"7")
    results = ask(ScriptedService(), "predict", [b"1", path, str(path), ("a.csv", b"4"), (None, b"5")])
    assert labels_of(results) == ["1", "7", "7", "4", "5"]
    assert [result.filename for result in results] == [None, path.name, path.name, "a.csv", None]


def test_calls_go_to_their_routes_with_their_parameters_and_the_key(ask: Ask) -> None:
    service = ScriptedService()
    options = {"api_key": "secret", "timeout_s": 3.0}
    ask(service, "predict", [b"1"], options=options)
    ask(service, "predict", [b"1"], model="a b", top_k=7, options=options)
    ask(service, "top_k", [b"1"], top_k=2, preview=True, options=options)
    service.script.append(httpx.Response(200, content=b"{}"))
    with pytest.raises(UnexpectedAnswer):
        ask(service, "model", "../x?", options=options)
    assert service.paths == [
        "/prefix/v1/predict",
        "/prefix/v1/predict?model=a+b&top_k=7",
        "/prefix/v1/top-k?top_k=2&preview=true",
        "/prefix/v1/models/..%2Fx%3F",
    ]
    assert {request.headers["authorization"] for request in service.requests} == {"Bearer secret"}
    assert {request.headers["x-request-timeout-ms"] for request in service.requests} == {"3000"}


def test_read_asks_its_route_and_is_typed(ask: Ask) -> None:
    box, timings = (1, 2, 30, 40), Timings(decode=0, preprocess=0, queue=0, inference=0, total=0)
    digit = ReadDigit(label="4", probability=0.9, box=box, top_k=[RankedLabel(label="4", probability=0.9)])
    line = ReadLine(text="4", box=box, digits=[digit])
    answer = ReadAnswer(
        model=MODEL, request_id="id", text="4", lines=[line], digits=[digit], probability=0.9, timings_ms=timings
    )
    service = ScriptedService(httpx.Response(200, content=answer.model_dump_json()))
    assert ask(service, "read", ("4.png", b"4"), model="other", top_k=2) == answer
    assert service.paths == ["/prefix/v1/read?model=other&top_k=2"]
    (file,) = files_of(service.requests[0])
    assert (file.filename, file.data) == ("4.png", b"4")


def test_read_picture_that_cannot_be_read_raises_its_problem(ask: Ask) -> None:
    with pytest.raises(ProblemError) as raised:
        ask(ScriptedService(refused(BlankPicture("Nothing there."))), "read", b"0")
    assert raised.value.slug == "blank"


def test_predict_of_nothing_asks_nothing(ask: Ask) -> None:
    service = ScriptedService()
    assert ask(service, "predict", []) == []
    assert service.requests == []


def test_predict_lone_picture_that_is_no_list_is_a_type_error(ask: Ask) -> None:
    for lone in (b"data", "samples/7.png", Path("samples/7.png")):
        with pytest.raises(TypeError, match="list"):
            ask(ScriptedService(), "predict", lone)


def test_batches_keep_both_limits_and_let_a_giant_go_alone() -> None:
    files = [b"x" * 1000, b"x" * 1000, b"x" * 9000, b"x", b"x", b"x"]
    split = list(batches(files, BatchLimits(max_files=2, max_body_bytes=4000)))
    assert [(batch.start, len(batch.files)) for batch in split] == [(0, 2), (2, 1), (3, 2), (5, 1)]


def test_batches_estimate_of_a_body_is_no_less_than_the_body() -> None:
    names = ["7.png", 'qu"ote' * 9, "sieben ü 七.png", None]
    (batch,) = batches([(name, b"data") for name in names], BatchLimits())
    body = httpx.Request("POST", URL, files=[("files", (file.filename, file.data)) for file in batch.files]).read()
    assert len(body) <= sum(file.body_bytes for file in batch.files)


@pytest.mark.parametrize(
    "failures",
    [
        [refused(QueueFull("full"), **BUSY)],
        [httpx.Response(429, headers=BUSY), httpx.Response(502, text="proxy"), httpx.Response(504)],
        [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.RemoteProtocolError("no answer")],
        [httpx.ReadTimeout("slow")],
    ],
)
def test_predict_after_failures_that_pass_is_answered(ask: Ask, failures: list[Step]) -> None:
    service = ScriptedService(*failures)
    assert labels_of(ask(service, "predict", named(3))) == ["0", "1", "2"]
    assert len(service.requests) == len(failures) + 1
    assert len({request.content for request in service.requests}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 500])
def test_predict_failure_that_would_stay_is_raised_at_once(ask: Ask, status: int) -> None:
    service = ScriptedService(httpx.Response(status, text="<html>", headers={"x-request-id": "id-7"}))
    with pytest.raises(ProblemError, match=str(status)) as caught:
        ask(service, "predict", named(2))
    assert len(service.requests) == 1
    assert (caught.value.status, caught.value.problem.type) == (status, "about:blank")
    assert caught.value.request_id == "id-7"


def test_problem_error_carries_the_document(ask: Ask) -> None:
    with pytest.raises(ProblemError) as caught:
        ask(ScriptedService(refused(UnknownModel("No model named 'x' is loaded."))), "predict", named(2), model="x")
    error = caught.value
    assert (error.status, error.slug, error.request_id) == (404, "unknown-model", "id-7")
    assert error.detail == error.problem.detail == "No model named 'x' is loaded."
    assert error.retry_after_s is None


def test_retry_after_past_the_deadline_fails_at_once_with_the_problem(ask: Ask) -> None:
    service = ScriptedService(refused(QueueFull("full"), **{"retry-after": "60"}))
    started = time.monotonic()
    with pytest.raises(ProblemError) as caught:
        ask(service, "predict", [b"1"], options={"deadline_s": 5.0})
    assert time.monotonic() - started < 2
    assert (caught.value.slug, caught.value.retry_after_s, len(service.requests)) == ("overloaded", 60.0, 1)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ConnectError("refused"), ConnectionFailed),
        (httpx.ReadTimeout("slow"), DeadlineExceeded),
        (refused(QueueFull("full"), **BUSY), ProblemError),
    ],
)
def test_deadline_ends_the_retries_with_the_last_failure(ask: Ask, failure: Step, error: type[ClientError]) -> None:
    service = ScriptedService(*[failure] * 100)
    started = time.monotonic()
    with pytest.raises(error):
        ask(service, "predict", [b"1"], options={"deadline_s": 0.3})
    assert time.monotonic() - started < 2
    assert len(service.requests) > 1


def test_fault_of_the_request_itself_is_not_tried_again(ask: Ask) -> None:
    service = ScriptedService(httpx.LocalProtocolError("illegal header"))
    with pytest.raises(ConnectionFailed, match="illegal header"):
        ask(service, "predict", [b"1"])
    assert len(service.requests) == 1


def test_address_where_nothing_listens_is_connection_failed_and_not_ready() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused, and taken by nobody else meanwhile
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with DigitsClient(url, deadline_s=0.1, transport=httpx.HTTPTransport()) as client:
            assert not client.ready()
            with pytest.raises(ConnectionFailed, match=url):
                client.predict([b"1"])


def test_lone_picture_that_cannot_be_read_is_a_result(ask: Ask) -> None:
    broken = refused(problems.BodyTooLarge("The body has more bytes than the limit."))
    (result,) = ask(ScriptedService(broken), "predict", [("7.png", b"1")])
    assert isinstance(result, Refusal)
    assert (result.index, result.filename, result.status) == (0, "7.png", "error")
    assert (result.problem.type, result.request_id) == ("/problems/body-too-large", "id-7")
    with pytest.raises(ProblemError):
        ask(ScriptedService(broken), "predict", named(2))


def test_picture_problems_are_those_of_the_table() -> None:
    own = {kind.slug for error, kind in problems.TABLE.items() if issubclass(error, PictureError)}
    assert own | {"body-too-large"} == PICTURE_PROBLEMS


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"default": 1}'])
def test_answer_of_another_form_is_unexpected(ask: Ask, content: bytes) -> None:
    for method, arguments in (("predict", [[b"1"]]), ("models", [])):
        with pytest.raises(UnexpectedAnswer):
            ask(ScriptedService(httpx.Response(200, content=content)), method, *arguments)


def test_answer_with_too_few_results_is_unexpected(ask: Ask) -> None:
    one = answered(httpx.Request("POST", URL, files={"files": ("1.png", b"1")}))
    with pytest.raises(UnexpectedAnswer, match="1 results to 2 pictures"):
        ask(ScriptedService(one), "predict", named(2))


def test_answer_of_a_newer_service_with_more_fields_is_read(ask: Ask) -> None:
    answer = answered(httpx.Request("POST", URL, files={"files": ("1.png", b"1")}))
    newer = httpx.Response(200, content=answer.content.replace(b'{"model":', b'{"novelty": 1, "model":'))
    assert labels_of(ask(ScriptedService(newer), "predict", [b"1"])) == ["1"]


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_ready_is_the_probe_tried_once(ask: Ask, status: int, ready: bool) -> None:
    service = ScriptedService(httpx.Response(status))
    assert ask(service, "ready") is ready
    assert service.paths == ["/prefix/readyz"]
    with pytest.raises(ProblemError, match="404"):
        ask(ScriptedService(httpx.Response(404)), "ready")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://digits", ""])
def test_url_of_no_service_is_a_value_error(url: str) -> None:
    for client in (DigitsClient, AsyncDigitsClient):
        with pytest.raises(ValueError, match="http://"):
            client(url)


def test_predict_many_takes_pictures_only_as_it_yields() -> None:
    taken: list[int] = []

    def source() -> Iterator[Picture]:
        for number in range(1000):
            taken.append(number)
            yield str(number).encode()

    with DigitsClient(URL, transport=httpx.MockTransport(ScriptedService())) as client:
        results = client.predict_many(source())
        assert next(results).index == 0
        assert len(taken) <= 65
        assert [result.index for result in results] == list(range(1, 1000))


@pytest.mark.anyio
async def test_async_predict_many_keeps_its_concurrency_order_and_memory() -> None:
    in_flight, most, taken = 0, 0, 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        # The earlier a request, the later its answer: order must not come from luck.
        await asyncio.sleep(0.02 if int(files_of(request)[0].data) % 20 == 0 else 0.001)
        in_flight -= 1
        return answered(request)

    def source() -> Iterator[Picture]:
        nonlocal taken
        for number in range(200):
            taken += 1
            yield str(number).encode()

    limits = BatchLimits(max_files=10)
    async with AsyncDigitsClient(URL, concurrency=3, limits=limits, transport=httpx.MockTransport(handler)) as client:
        seen = 0
        async for result in client.predict_many(source()):
            assert result.index == seen
            assert isinstance(result, Reading)
            assert result.label == str(seen)
            assert taken <= seen + 3 * 10 + 1
            seen += 1
    assert (seen, most) == (200, 3)


@pytest.mark.anyio
async def test_async_predict_many_left_early_or_failing_cancels_what_is_in_flight() -> None:
    ended: list[str] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        first = files_of(request)[0].data.decode()
        if first == "0":
            return httpx.Response(500)
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(first)
        raise AssertionError

    async with AsyncDigitsClient(URL, limits=BatchLimits(max_files=1), transport=httpx.MockTransport(handler)) as client:
        with pytest.raises(ProblemError, match="500"):
            await client.predict(named(5))
    assert ended in (["1"], [])  # cancelled, if it had begun at all


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_attempts_pauses_double_up_to_the_longest_with_full_jitter() -> None:
    for jitter in (0.0, 0.5, 1.0):
        attempts = Attempts(timeout_s=1, deadline_s=1e6, clock=Clock(), jitter=lambda share=jitter: share)  # type: ignore[misc]
        pauses = [attempts.pause_s(ConnectionFailed("refused")) for _ in range(2000)]
        assert pauses[:3] == [jitter * FIRST_PAUSE_S * factor for factor in (1, 2, 4)]
        assert pauses[-1] == jitter * LONGEST_PAUSE_S


def test_attempts_honour_retry_after_before_the_jitter() -> None:
    attempts = Attempts(timeout_s=1, deadline_s=60, clock=Clock(), jitter=lambda: 0.5)
    error = ProblemError(problems.problem_of(QueueFull("full")), retry_after_s=7)
    assert attempts.pause_s(error) == 7 + FIRST_PAUSE_S / 2


def test_attempts_time_of_a_try_is_what_the_deadline_leaves() -> None:
    clock, request = Clock(), httpx.Request("GET", URL)
    attempts = Attempts(timeout_s=10, deadline_s=12, clock=clock)
    for elapsed_s, left_s in ((0, 10), (5, 7), (11.5, 0.5), (13, 0.001)):
        clock.now = 100 + elapsed_s
        attempts.prepare(request)
        assert list(request.extensions["timeout"].values()) == pytest.approx([left_s] * 4)
        assert request.headers["x-request-timeout-ms"] == f"{left_s * 1000:.0f}"


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("120", 120), ("soon", None), ("-3", None), ("", None)])
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_s(httpx.Response(503, headers={"retry-after": value})) == seconds


def test_retry_after_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_s(httpx.Response(503, headers={"retry-after": later})) == pytest.approx(30, abs=3)
    earlier = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert retry_after_s(httpx.Response(503, headers={"retry-after": earlier})) == 0


# The app itself, in this process.


def connected(api: Api, **options: Any) -> AsyncDigitsClient:
    return AsyncDigitsClient("http://digits", transport=httpx.ASGITransport(app=api.app), **options)


def test_app_answers_150_pictures_each_with_its_own(api: Api) -> None:
    files = [pictures.png(str(number % 10), slant=number / 500) for number in range(150)]
    results = api.run(connected(api).predict(files, top_k=10))
    assert len(results) == 150
    for result, file in zip(results, files, strict=True):
        assert isinstance(result, Reading)
        assert result.probability == pytest.approx(float(probabilities_of(decode(file)).max()), abs=2e-6)
        assert result.model.model_dump() == api.services.registry.get().identity


def test_app_problem_of_a_picture_is_its_result_in_company_and_alone(api: Api) -> None:
    client = connected(api)
    for files in ([b"no picture"], [pictures.png(), b"no picture"], [b"no picture"] * 65):
        results = api.run(client.predict(files, model="other"))
        assert len(results) == len(files)
        assert isinstance(results[-1], Refusal)
        assert results[-1].index == len(files) - 1
        assert results[-1].problem.type == "/problems/unsupported-format"


def test_app_unknown_model_is_a_problem_error(api: Api) -> None:
    client = connected(api)
    for call in (client.model("nope"), client.predict([pictures.png()], model="nope")):
        with pytest.raises(ProblemError) as caught:
            api.run(call)
        assert caught.value.slug == "unknown-model"
        assert caught.value.request_id is not None


def test_app_models_and_readiness_are_typed(api: Api) -> None:
    client = connected(api)
    listed = api.run(client.models())
    assert [model.name for model in listed.models] == ["cnn", "other"]
    whole = api.run(client.model("other"))
    assert (whole.sha256, whole.manifest.cost) == (listed.models[1].sha256, listed.models[1].manifest.cost)
    assert api.run(client.ready())


def test_app_that_was_full_answers_when_it_has_room(make_api: MakeApi, session: FakeSession) -> None:
    api = make_api(max_queued_images=1)
    client = connected(api, deadline_s=10.0)

    async def two() -> tuple[list[Result], list[Result]]:
        session.gate.clear()
        first = asyncio.create_task(client.predict([pictures.png("1")]))
        await asyncio.to_thread(session.entered.wait, 5)
        second = asyncio.create_task(client.predict([pictures.png("2")]))
        await asyncio.sleep(0.05)
        session.gate.set()
        return await first, await second

    assert all(isinstance(result, Reading) for results in api.run(two()) for result in results)
    assert api.metric("digits_requests_total", route="/v1/predict", method="POST", status="503") >= 1
