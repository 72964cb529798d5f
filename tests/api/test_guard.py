from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.api.guard import address_of
from app.api.keys import holder
from app.logs import JsonFormatter
from tests import pictures
from tests.client import Api, assert_problem
from tests.conftest import MakeApi

PNG = pictures.png()
KEY, OTHER, ADMIN = "the key", "another key", "the admin's"
IMAGE = {"content-type": "image/png"}
GOOD = [
    {"authorization": f"Bearer {KEY}"},
    {"authorization": f"bearer  {KEY} "},
    {"x-api-key": OTHER},
    {"x-api-key": ADMIN},
    {"authorization": "Bearer wrong", "x-api-key": KEY},
]
BAD = [
    {},
    {"authorization": "Bearer wrong"},
    {"authorization": f"Basic {KEY}"},
    {"authorization": KEY},
    {"authorization": "Bearer "},
    {"x-api-key": ""},
    {"x-api-key": f"{KEY}."},
]


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


KEYS = {"api_keys": f"{_sha256(KEY)}, {_sha256(OTHER).upper()}", "admin_keys": _sha256(ADMIN)}


@pytest.fixture
def closed(make_api: MakeApi) -> Api:
    """A service that wants keys."""
    return make_api(**KEYS)


def _ask(api: Api, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
    return api.post("/v1/predict", content=PNG, headers=IMAGE | (headers or {}), **options)


@pytest.mark.parametrize("headers", GOOD)
def test_key_known_is_let_in(closed: Api, headers: dict[str, str]) -> None:
    assert _ask(closed, headers).status_code == 200


@pytest.mark.parametrize("headers", BAD)
def test_key_missing_or_wrong_is_refused(closed: Api, headers: dict[str, str]) -> None:
    response = _ask(closed, headers)
    assert_problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["x-frame-options"] == "DENY"


def test_key_wrong_body_is_not_read(closed: Api) -> None:
    async def unreadable() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    assert_problem(closed.post("/v1/predict", content=unreadable(), headers=IMAGE), 401, "unauthorized")


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/assets/docs.js", "/livez", "/readyz", "/health", "/metrics"])
def test_path_open_to_all_needs_no_key(closed: Api, path: str) -> None:
    assert closed.get(path).status_code in {200, 307}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/cnn", "/nothing", "/assets", "/livez/", "//livez"])
def test_path_of_any_other_kind_needs_a_key(closed: Api, path: str) -> None:
    assert_problem(closed.get(f"http://digits{path}"), 401, "unauthorized")


def test_metrics_by_setting_need_a_key(make_api: MakeApi) -> None:
    api = make_api(metrics_need_key=True, admin_keys=_sha256(ADMIN))
    assert_problem(api.get("/metrics"), 401, "unauthorized")
    assert api.get("/metrics", headers={"x-api-key": ADMIN}).status_code == 200
    assert _ask(api).status_code == 200  # an admin key alone closes nothing else


def test_key_is_never_logged(closed: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonFormatter())
    _ask(closed, {"x-api-key": KEY})
    _ask(closed, {"authorization": "Bearer wrong-key"})
    assert '"status":401' in caplog.text
    assert KEY not in caplog.text
    assert "wrong-key" not in caplog.text


def test_holder_names_the_hash() -> None:
    hashes = [_sha256(KEY), _sha256(OTHER)]
    assert holder([(b"x-api-key", OTHER.encode())], hashes) == _sha256(OTHER)
    assert holder([(b"x-api-key", _sha256(KEY).encode())], hashes) is None  # the hash opens nothing
    assert holder([], hashes) is None
    assert holder([(b"x-api-key", KEY.encode())], []) is None


def test_openapi_with_keys_lets_swagger_authorize(closed: Api) -> None:
    schema = closed.get("/openapi.json").json()
    assert {scheme["type"] for scheme in schema["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    predict, live = schema["paths"]["/v1/predict"]["post"], schema["paths"]["/livez"]["get"]
    assert predict["security"] == [{"bearer": []}, {"header": []}]
    assert "`unauthorized`" in predict["responses"]["401"]["description"]
    assert "security" not in live
    assert "401" not in live["responses"]
    assert closed.get("/openapi.json").json() == schema


def test_openapi_without_keys_mentions_none(api: Api) -> None:
    assert "securitySchemes" not in api.get("/openapi.json").json()["components"]


def test_quota_spent_is_refused_until_later(make_api: MakeApi) -> None:
    api = make_api(rate_limit="2/hour")
    assert [_ask(api).status_code for _ in range(2)] == [200, 200]
    response = _ask(api)
    assert_problem(response, 429, "rate-limited")
    assert 1790 < int(response.headers["retry-after"]) <= 1800
    assert api.metric("digits_refused_requests_total", problem="rate-limited") == 1


def test_quota_spent_probes_are_answered(make_api: MakeApi) -> None:
    api = make_api(rate_limit="1/hour")
    for path in ("/livez", "/readyz", "/health", "/metrics"):
        assert [api.get(path).status_code for _ in range(3)] == [200] * 3
    assert _ask(api).status_code == 200


def test_quota_is_each_keys_own_and_guessing_spends_the_address(make_api: MakeApi) -> None:
    api = make_api(rate_limit="1/hour", **KEYS)
    for key in (KEY, OTHER):
        assert [_ask(api, {"x-api-key": key}).status_code for _ in range(2)] == [200, 429]
    assert [_ask(api, {"x-api-key": f"guess {number}"}).status_code for number in range(3)] == [401, 429, 429]


def test_openapi_with_a_quota_documents_it(make_api: MakeApi) -> None:
    paths = make_api(rate_limit="1/hour").get("/openapi.json").json()["paths"]
    assert "`rate-limited`" in paths["/v1/predict"]["post"]["responses"]["429"]["description"]
    assert "429" not in paths["/livez"]["get"]["responses"]


def _client(api: Api, *forwarded: str, caplog: pytest.LogCaptureFixture) -> str:
    """The client's address as the log has it."""
    caplog.clear()
    caplog.set_level(logging.INFO, logger="app")
    api.get("/v1/models", headers=[("x-forwarded-for", value) for value in forwarded])
    (record,) = (record for record in caplog.records if record.message == "request")
    return str(record.__dict__["client"])


def test_forwarded_address_nobody_trusted_is_ignored(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert _client(api, "1.2.3.4", caplog=caplog) == "127.0.0.1"  # httpx' own


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ("127.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("127.0.0.0/8", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),  # what the client itself wrote is left of it
        ("127.0.0.1, 10.0.0.0/8", ["6.6.6.6, 1.2.3.4, 10.1.2.3"], "1.2.3.4"),
        ("127.0.0.1,10.0.0.0/8", ["1.2.3.4", "10.1.2.3"], "1.2.3.4"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("10.0.0.1", ["1.2.3.4"], "127.0.0.1"),
    ],
)
def test_forwarded_address_is_the_rightmost_untrusted(
    make_api: MakeApi, caplog: pytest.LogCaptureFixture, trusted: str, forwarded: list[str], client: str
) -> None:
    assert _client(make_api(trusted_proxies=trusted), *forwarded, caplog=caplog) == client


def test_quota_behind_a_trusted_proxy_is_each_clients_own(make_api: MakeApi) -> None:
    api = make_api(rate_limit="1/hour", trusted_proxies="127.0.0.1")
    statuses = [_ask(api, {"x-forwarded-for": address}).status_code for address in ("1.2.3.4", "1.2.3.5", "1.2.3.4")]
    assert statuses == [200, 200, 429]


ORIGIN = {"origin": "https://pages.example"}
PREFLIGHT = ORIGIN | {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-api-key"}


def test_cors_is_off_by_default(api: Api) -> None:
    assert not [name for name in _ask(api, ORIGIN).headers if name.startswith("access-control")]
    assert api.request("OPTIONS", "/v1/predict", headers=PREFLIGHT).status_code == 405


def test_cors_named_origin_may_ask_with_a_key(make_api: MakeApi) -> None:
    api = make_api(cors_origins="https://pages.example", **KEYS)
    preflight = api.request("OPTIONS", "/v1/predict", headers=PREFLIGHT)
    assert preflight.status_code == 200
    for response in (preflight, _ask(api, ORIGIN | {"x-api-key": KEY}), _ask(api, ORIGIN)):
        assert response.headers["access-control-allow-origin"] == ORIGIN["origin"]
    exposed = _ask(api, ORIGIN).headers["access-control-expose-headers"]
    assert {"X-Request-ID", "Retry-After", "Server-Timing"} <= set(exposed.split(", "))


def test_cors_other_origin_may_not(make_api: MakeApi) -> None:
    api = make_api(cors_origins="https://pages.example")
    stranger = {"origin": "https://evil.example"}
    assert "access-control-allow-origin" not in _ask(api, stranger).headers
    assert api.request("OPTIONS", "/v1/predict", headers=PREFLIGHT | stranger).status_code == 400


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b", "a:b"),
    ],
)
def test_address_of_ipv6_is_its_network(host: str, counted: str) -> None:
    assert address_of(host) == counted
