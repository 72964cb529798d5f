"""A request that goes past the router is answered as one that does not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests import pictures
from tests.client import Api, multipart

FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
WHOLE = PART + pictures.png() + b"\r\n--b--\r\n"
REQUESTS: dict[str, dict[str, Any]] = {
    "one": {"files": multipart(pictures.png())},
    "several": {"files": multipart(pictures.png(), pictures.png("3"), b"broken")},
    "raw": {"content": pictures.png(), "headers": {"content-type": "image/png"}},
    "csv": {"content": pictures.csv(), "headers": {"content-type": "text/csv"}},
    "broken": {"files": multipart(pictures.png()[:60])},
    "empty": {"content": b"", "headers": {"content-type": FORM}},
    "no type": {"content": pictures.png()},
    "too many": {"files": multipart(*[pictures.png()] * 65)},
    "preamble": {"content": b"hello\r\n" + WHOLE, "headers": {"content-type": FORM}},
    "epilogue": {"content": WHOLE + b"bye", "headers": {"content-type": FORM}},
    "quoted boundary": {"content": WHOLE, "headers": {"content-type": 'multipart/form-data; boundary="b"'}},
    "folded case": {
        "content": WHOLE.replace(b"Content-D", b"content-d"),
        "headers": {"content-type": FORM.upper()[:19] + FORM[19:]},
    },
    "not ended": {"content": WHOLE[:-6], "headers": {"content-type": FORM}},
    "other field": {"content": WHOLE.replace(b'"files"', b'"other"'), "headers": {"content-type": FORM}},
}


def _said(response: httpx.Response) -> tuple[int, dict[str, Any]]:
    said = response.json()
    return response.status_code, {key: value for key, value in said.items() if key not in ("request_id", "timings_ms")}


@pytest.mark.parametrize("name", REQUESTS)
def test_request_without_parameters_is_answered_as_with_the_default_spelled_out(api: Api, name: str) -> None:
    direct, routed = (api.post(f"/v1/predict{query}", **REQUESTS[name]) for query in ("", "?top_k=3"))
    assert _said(direct) == _said(routed)
    assert {*direct.headers} == {*routed.headers}


def test_time_limit_in_a_header_is_read(api: Api) -> None:
    options = REQUESTS["raw"]["headers"] | {"x-request-timeout-ms": "0"}
    assert api.post("/v1/predict", content=pictures.png(), headers=options).status_code == 422
    assert api.get("/v1/predict").status_code == 405
