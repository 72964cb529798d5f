"""Keys and quotas in the OpenAPI document, where they are set, so that Swagger UI's "Authorize" works."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from app.api.guard import Access, has_quota
from app.api.problems import RateLimited, Unauthorized, documented
from app.api.v2 import errors as v2

SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}


def install(app: FastAPI, access: Access, *, quota: bool) -> None:
    """Add security schemes, and the guard's own answers, to the operations that they concern."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _describe(build(), access, quota=quota)
        return build()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema


def _describe(schema: dict[str, Any], access: Access, *, quota: bool) -> None:
    for path, operations in schema["paths"].items():
        needs_key = access.needs_key(path)
        refusals = ((Unauthorized,) if needs_key else ()) + ((RateLimited,) if quota and has_quota(path) else ())
        form = v2.referred if v2.speaks(path) else None
        for operation in operations.values():
            responses = {str(status): response for status, response in documented(*refusals, form=form).items()}
            operation["responses"] = dict(sorted((responses | operation["responses"]).items()))
            if needs_key:
                operation["security"] = [{name: []} for name in SCHEMES]
    if access.hashes:
        schema.setdefault("components", {})["securitySchemes"] = SCHEMES
