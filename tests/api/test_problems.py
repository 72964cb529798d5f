"""Every bad input: its exact status and kind, told in one form, and nothing else disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.api import problems
from app.api.problems import INTERNAL, TABLE, kind_of
from app.digits import errors
from app.serving.samples import NoSamples
from tests import pictures
from tests.client import Api, assert_problem, multipart
from tests.conftest import MakeApi
from tests.fakes import FakeSession
from training.strokes import as_png

JPEG = pictures.LOSSY["jpeg"]
PNG = pictures.png()
ROW = b",".join([b"7"] * 28) + b"\n"
MULTIPART = {"content-type": "multipart/form-data; boundary=limit"}
CSV = {"content-type": "text/csv"}
IMAGE = {"content-type": "image/png"}


@dataclass(frozen=True)
class Bad:
    """A bad request and what it must get."""

    status: int
    slug: str
    options: dict[str, Any]
    method: str = "POST"
    url: str = "/v1/predict"


def _file(data: bytes, name: str = "seven.png") -> dict[str, Any]:
    return {"files": {"files": (name, data)}}


def _raw(data: bytes, headers: dict[str, str]) -> dict[str, Any]:
    return {"content": data, "headers": headers}


def _part(head: bytes, data: bytes = PNG) -> bytes:
    return b"--limit\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


DISPOSITION = b'Content-Disposition: form-data; name="files"; filename="7.png"'
BAD: dict[str, Bad] = {
    "empty body": Bad(400, "empty-body", _raw(b"", IMAGE)),
    "no body": Bad(400, "empty-body", {}),
    "empty multipart body": Bad(400, "empty-body", _raw(b"", MULTIPART)),
    "empty file": Bad(400, "empty-file", _file(b"")),
    "malformed multipart": Bad(400, "malformed-multipart", _raw(b"no boundary in sight", MULTIPART)),
    "multipart without boundary": Bad(400, "malformed-multipart", _raw(b"--", {"content-type": "multipart/form-data"})),
    "multipart without end": Bad(400, "malformed-multipart", _raw(_part(DISPOSITION), MULTIPART)),
    "multipart cut in a header": Bad(400, "malformed-multipart", _raw(b"--limit\r\nContent-Disp", MULTIPART)),
    "multipart without a name": Bad(
        400, "malformed-multipart", _raw(_part(b"Content-Type: image/png") + b"--limit--\r\n", MULTIPART)
    ),
    "multipart without a file": Bad(400, "malformed-multipart", {"files": {"note": (None, b"text")}}),
    "file in another field": Bad(400, "malformed-multipart", {"files": {"image": ("7.png", PNG)}}),
    "unknown model": Bad(404, "unknown-model", _file(PNG) | {"params": {"model": "resnet"}}),
    "unknown model's page": Bad(404, "unknown-model", {}, "GET", "/v1/models/resnet"),
    "unknown route": Bad(404, "not-found", {}, "GET", "/v1/nothing"),
    "wrong method": Bad(405, "method-not-allowed", {}, "GET"),
    "wrong method of a model": Bad(405, "method-not-allowed", {}, "DELETE", "/v1/models/cnn"),
    "bomb": Bad(413, "too-many-pixels", _file(pictures.bomb())),
    "file over the limit": Bad(413, "file-too-large", _file(bytes(10 * 1024 * 1024 + 1))),
    "65 files": Bad(413, "too-many-files", {"files": multipart(*[PNG] * 65)}),
    "text named .png": Bad(415, "unsupported-format", _file(b"My notes, of Tuesday.")),
    "text sent as a picture": Bad(415, "unsupported-format", _raw(b"My notes.", IMAGE)),
    "SVG": Bad(415, "unsupported-format", _raw(pictures.SVG, {"content-type": "image/svg+xml"})),
    "SVG file": Bad(415, "unsupported-format", _file(pictures.SVG, "seven.svg")),
    "JSON": Bad(415, "unsupported-content-type", {"json": {"image": []}}),
    "form": Bad(415, "unsupported-content-type", {"data": {"image": "7"}}),
    "picture of no type": Bad(415, "unsupported-content-type", {"content": PNG}),
    "truncated PNG": Bad(422, "broken-picture", _file(PNG[: len(PNG) // 2])),
    "truncated JPEG": Bad(422, "broken-picture", _file(JPEG[: len(JPEG) // 2], "seven.jpg")),
    "all-white picture": Bad(422, "blank", _file(as_png(pictures.WHITE))),
    "all-white CSV": Bad(422, "blank", _raw(pictures.csv(pictures.WHITE), CSV)),
    "CSV of 27 rows": Bad(422, "broken-csv", _raw(ROW * 27, CSV)),
    "CSV with words": Bad(422, "broken-csv", _file(ROW * 27 + b"seven" + ROW[1:], "seven.csv")),
    "CSV with NaN": Bad(422, "broken-csv", _raw(ROW * 27 + b"NaN" + ROW[1:], CSV)),
    "CSV with 300": Bad(422, "broken-csv", _file(ROW * 27 + b"300" + ROW[1:], "seven.csv")),
    "prose sent as CSV": Bad(422, "broken-csv", _raw(b"My notes.", CSV)),
    "top_k=0": Bad(422, "invalid-parameter", _file(PNG) | {"params": {"top_k": 0}}),
    "top_k=11": Bad(422, "invalid-parameter", _file(PNG) | {"params": {"top_k": 11}}),
    "top_k of words": Bad(422, "invalid-parameter", _file(PNG) | {"params": {"top_k": "many"}}),
    "top_k=0 of the ranking": Bad(422, "invalid-parameter", _file(PNG) | {"params": {"top_k": 0}}, url="/v1/top-k"),
}  # fmt: skip

ROUTERS_OWN = {kind.slug for kind in problems.BY_STATUS.values()}  # answered where there is no operation


@pytest.mark.parametrize("name", BAD)
def test_bad_request_gets_its_problem_and_disturbs_nothing(api: Api, name: str) -> None:
    bad = BAD[name]
    good = api.predict(PNG).json()["predictions"]
    assert_problem(api.request(bad.method, bad.url, **bad.options), bad.status, bad.slug)
    after = api.predict(PNG)
    assert (after.status_code, after.json()["predictions"]) == (200, good)
    assert (api.services.images.taken, api.services.bodies.taken) == (0, 0)


@pytest.mark.parametrize("name", [name for name, bad in BAD.items() if bad.slug not in ROUTERS_OWN])
def test_bad_request_is_documented(api: Api, name: str) -> None:
    bad = BAD[name]
    path = "/v1/models/{name}" if bad.url.startswith("/v1/models/") else bad.url
    operation = api.get("/openapi.json").json()["paths"][path][bad.method.lower()]
    assert f"`{bad.slug}`" in operation["responses"][str(bad.status)]["description"]


def test_wrong_method_names_the_right_one(api: Api) -> None:
    assert api.get("/v1/predict").headers["allow"] == "POST"


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def test_body_over_the_limit_is_refused_announced_or_not(make_api: MakeApi) -> None:
    api = make_api(max_body_bytes=1000, max_upload_bytes=1000)
    assert_problem(api.post("/v1/predict", content=bytes(1001), headers=IMAGE), 413, "body-too-large")
    assert_problem(api.post("/v1/predict", content=_chunks(bytes(600), bytes(600)), headers=IMAGE), 413, "body-too-large")
    assert api.post("/v1/predict", content=_chunks(PNG[:50], PNG[50:]), headers=IMAGE).status_code == 200


def test_body_announced_over_the_limit_is_not_read(make_api: MakeApi) -> None:
    api = make_api(max_body_bytes=1000)

    async def unreadable() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    headers = IMAGE | {"content-length": "1001"}
    assert_problem(api.post("/v1/predict", content=unreadable(), headers=headers), 413, "body-too-large")


def test_body_too_slow_is_timed_out(make_api: MakeApi) -> None:
    async def stalling() -> AsyncIterator[bytes]:
        yield PNG[:10]
        await asyncio.sleep(10)

    api = make_api(body_timeout_s=0.05)
    assert_problem(api.post("/v1/predict", content=stalling(), headers=IMAGE), 408, "slow-body")
    assert api.predict(PNG).status_code == 200
    assert api.services.bodies.taken == 0


def test_bodies_in_flight_over_their_limit_are_refused(make_api: MakeApi) -> None:
    api = make_api(max_inflight_body_bytes=50)
    response = api.predict(PNG)
    assert_problem(response, 503, "overloaded")
    assert response.headers["retry-after"] == "1"


def test_more_images_than_the_queue_holds_are_refused(make_api: MakeApi) -> None:
    api = make_api(max_queued_images=2)
    assert_problem(api.predict(PNG, PNG, PNG), 503, "overloaded")
    assert api.predict(PNG, PNG).status_code == 200


def test_deadline_passed_is_a_timeout_and_the_next_request_answers(make_api: MakeApi, session: FakeSession) -> None:
    api = make_api(request_timeout_ms=30)
    session.gate.clear()
    assert_problem(api.predict(PNG), 504, "deadline-exceeded")
    session.gate.set()
    # The late run may still hold the session for a moment.
    assert any(api.predict(PNG).status_code == 200 for _ in range(20))


def test_request_after_shutdown_began_is_refused(make_api: MakeApi) -> None:
    api = make_api()
    api.services.registry.close()
    assert_problem(api.predict(PNG), 503, "shutting-down")


def test_broken_model_tells_nothing_of_the_inside(
    make_api: MakeApi, session: FakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    api = make_api()
    session.fault = RuntimeError("a secret of the inside")
    document = assert_problem(api.predict(PNG), 500, "internal")
    assert "secret" not in document.model_dump_json()
    assert "a secret of the inside" in caplog.text  # the answer says that the log has it
    session.fault = None
    assert api.predict(PNG).status_code == 200


def _tree(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        # Training has its own, and so has the command line; they never meet HTTP.
        if child.__module__.startswith("app.") and not child.__module__.startswith("app.many."):
            yield from _tree(child)


def test_every_error_that_can_reach_http_is_in_the_table() -> None:
    roots = {errors.DigitsError, errors.PictureError, errors.ServingError, problems.RequestError}  # never raised themselves
    at_start_only = {*_tree(errors.ModelError), errors.ProviderUnavailable, NoSamples}
    unmapped = {error for error in _tree(errors.DigitsError) if kind_of(error.__new__(error)) is INTERNAL}
    assert unmapped == roots | at_start_only


def test_every_kind_of_the_table_is_documented(make_api: MakeApi) -> None:
    text = make_api(api_keys="0" * 64, rate_limit="100/second").get("/openapi.json").text
    undocumented = {kind.slug for kind in TABLE.values() if f"`{kind.slug}`" not in text}
    assert undocumented <= {"client-left", "forbidden"}  # nobody reads the one; no route answers the other yet


def test_slug_has_one_status_and_title() -> None:
    before_routes = {problems.NOT_HTTP, problems.SLOW_HEADER, problems.HEADER_TOO_LARGE}
    kinds = {*TABLE.values(), *problems.BY_STATUS.values(), *before_routes, INTERNAL}
    assert len({kind.slug for kind in kinds}) == len(kinds)
