from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.api import contract
from app.api.problems import MEDIA_TYPE
from app.api.schemas import Problem
from app.main import create_app
from tests.client import Api

ROUTES = {
    ("post", "/v1/predict"),
    ("post", "/v1/top-k"),
    ("post", "/v1/explain"),
    ("post", "/v1/read"),
    ("get", "/v1/models"),
    ("get", "/v1/models/{name}"),
    ("get", "/v1/samples"),
    ("get", "/v1/models/{name}/card"),
    ("get", "/v1/models/{name}/figures/{file}"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/health"),
    ("get", "/metrics"),
    ("get", "/v2"),
    ("get", "/v2/health/live"),
    ("get", "/v2/health/ready"),
    ("get", "/v2/models/{name}"),
    ("get", "/v2/models/{name}/ready"),
    ("get", "/v2/models/{name}/versions/{version}"),
    ("get", "/v2/models/{name}/versions/{version}/ready"),
    ("post", "/v2/models/{name}/infer"),
    ("post", "/v2/models/{name}/versions/{version}/infer"),
    ("post", "/v2/repository/index"),
    ("post", "/v2/repository/models/{name}/load"),
    ("post", "/v2/repository/models/{name}/unload"),
}


@pytest.fixture(scope="module")
def schema(api: Api) -> dict[str, Any]:
    content: dict[str, Any] = api.get("/openapi.json").json()
    return content


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield method, path, operation


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_openapi_file_is_what_the_routes_declare() -> None:
    assert contract.FILE.read_bytes() == contract.declared(create_app()), "run `make openapi` and commit the file"


def test_openapi_lists_every_route(schema: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in _operations(schema)} == ROUTES


def test_openapi_references_resolve(schema: dict[str, Any]) -> None:
    references = set(_references(schema))
    assert references
    for reference in references:
        node: Any = schema
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_openapi_errors_are_in_their_routes_form_and_nothing_else(schema: dict[str, Any]) -> None:
    assert not {"HTTPValidationError", "ValidationError"} & set(schema["components"]["schemas"])
    for method, path, operation in _operations(schema):
        for status, response in operation["responses"].items():
            if status == "200":
                continue
            media_type, form = ("application/json", "ProtocolError") if path.startswith("/v2") else (MEDIA_TYPE, "Problem")
            assert list(response["content"]) == [media_type], (method, path, status)
            assert response["content"][media_type]["schema"] == {"$ref": f"#/components/schemas/{form}"}


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/top-k"])
def test_openapi_predict_tells_every_way_to_send(schema: dict[str, Any], path: str) -> None:
    operation = schema["paths"][path]["post"]
    assert {"multipart/form-data", "image/png", "image/jpeg", "text/csv"} <= set(operation["requestBody"]["content"])
    assert {parameter["name"] for parameter in operation["parameters"]} == {"model", "top_k", "preview", "X-Request-Timeout-Ms"}
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/PredictAnswer"}


def test_openapi_every_operation_has_a_summary_and_a_description(schema: dict[str, Any]) -> None:
    for _, path, operation in _operations(schema):
        assert operation["summary"], path
        assert operation["description"], path


def test_openapi_every_status_has_examples_of_its_own(schema: dict[str, Any]) -> None:
    for _, path, operation in _operations(schema):
        for status, response in operation["responses"].items():
            examples = response["content"].get(MEDIA_TYPE, {}).get("examples", {})
            assert bool(examples) == (status not in {"200", "default"} and not path.startswith("/v2")), (path, status)
            for slug, example in examples.items():
                document = Problem.model_validate(example["value"])
                assert (document.type, str(document.status)) == (f"/problems/{slug}", status)
