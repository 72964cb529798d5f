"""Errors in the protocol's own form. Statuses come from the one table in ``app.api.problems``, which imports this."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import Response

PREFIX: Final = "/v2"


class ProtocolError(BaseModel):
    """What the protocol says of an error."""

    error: str = Field(examples=["No model named 'resnet' is loaded; there are: cnn."], description="For people.")


def speaks(path: str) -> bool:
    """Whether a path belongs to the protocol."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def error_response(status: int, detail: str, headers: dict[str, str]) -> Response:
    """An error as an answer."""
    return Response(json.dumps({"error": detail}, ensure_ascii=False), status, headers, "application/json")


def described(description: str, kinds: object) -> dict[str, Any]:  # noqa: ARG001 - this form gives no example of each kind
    """An OpenAPI response in this form, for ``problems.documented`` on a route."""
    return {"model": ProtocolError, "description": description}


def referred(description: str, kinds: object) -> dict[str, Any]:  # noqa: ARG001 - as above
    """The same for a schema that is made already."""
    schema = {"$ref": f"#/components/schemas/{ProtocolError.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
