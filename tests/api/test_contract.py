"""The OpenAPI document is valid, and no request that can be made of it gets an answer that it does not foresee."""

from __future__ import annotations

from typing import Any, cast

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Case
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send

from tests import pictures
from tests.client import Api
from tests.conftest import MakeApi

HASH = "0" * 64
FILES = st.one_of(st.sampled_from([*pictures.FILES.values(), pictures.SVG, pictures.bomb(), b""]), st.binary(max_size=100))
ANYTHING_WRONG = [
    "POST /v1/predict",
    "POST /v1/top-k",
    "POST /v1/explain",
    "POST /v1/read",
    "GET /v1/samples",
    "POST /v2/models/{name}/infer",
    "POST /v2/models/{name}/versions/{version}/infer",
    "POST /v2/repository/index",
]  # the others take nothing that could be
OPERATIONS = [
    *ANYTHING_WRONG,
    "GET /v1/models",
    "GET /v1/models/{name}",
    "GET /v1/models/{name}/card",
    "GET /v1/models/{name}/figures/{file}",
    "GET /livez",
    "GET /readyz",
    "GET /health",
    "GET /metrics",
    "GET /v2",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /v2/models/{name}",
    "GET /v2/models/{name}/ready",
    "GET /v2/models/{name}/versions/{version}",
    "GET /v2/models/{name}/versions/{version}/ready",
    "POST /v2/repository/models/{name}/load",
    "POST /v2/repository/models/{name}/unload",
]
MODEL = {"name": "cnn", "version": "1"}
for media_type in ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff", "text/csv"):
    schemathesis.openapi.media_type(media_type, FILES)


@pytest.fixture(scope="module")
def schema(api: Api) -> BaseSchema:
    async def started(scope: Scope, receive: Receive, send: Send) -> None:
        """The app, whose lifespan is ``api``'s and not schemathesis' for each request."""
        if scope["type"] != "lifespan":
            await api.app(scope, receive, send)
            return
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})

    return schemathesis.openapi.from_asgi("/openapi.json", started)


@pytest.mark.parametrize("settings", [{}, {"api_keys": HASH, "rate_limit": "100/second", "metrics_need_key": True}])
def test_openapi_document_is_valid(make_api: MakeApi, settings: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(make_api(**settings).get("/openapi.json").json()).validate()


def test_every_operation_of_the_document_is_tried(api: Api) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(OPERATIONS)


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, GenerationMode.POSITIVE) for name in OPERATIONS] + [(name, GenerationMode.NEGATIVE) for name in ANYTHING_WRONG],
)
def test_operation_answers_as_documented(schema: BaseSchema, name: str, mode: GenerationMode) -> None:
    operation = schema.find_operation_by_label(name)
    assert operation is not None

    @hypothesis.settings(max_examples=15)
    @hypothesis.given(operation.as_strategy(generation_mode=mode), st.lists(FILES, min_size=1, max_size=3), st.booleans())
    def answers_as_documented(case: Case[Any], files: list[bytes], is_there: bool) -> None:
        if is_there:  # schemathesis knows no model
            case.path_parameters |= {name: value for name, value in MODEL.items() if name in case.path_parameters}
        if case.media_type == "multipart/form-data" and isinstance(case.body, dict) and "files" in case.body:
            case.body = {"files": cast(Any, files)}  # schemathesis knows no picture
        elif case.media_type == "multipart/form-data" and isinstance(case.body, dict) and "file" in case.body:
            case.body = {"file": cast(Any, files[0])}
        response = case.call()
        assert response.status_code < 500 or response.status_code == 504  # a time limit of 1 ms is one
        case.validate_response(
            response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
        )

    answers_as_documented()
