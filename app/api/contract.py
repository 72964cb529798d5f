"""The OpenAPI document. It lies beside the code as a file: to make it takes FastAPI a tenth of the service's start.

``make openapi`` writes it, and a test fails while it is not what the routes declare.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI

FILE: Final = Path(__file__).with_name("openapi.json")


def install(app: FastAPI) -> None:
    """Let the app take its document from the file, at the first request for it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = orjson.loads(FILE.read_bytes())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to replace it


def declared(app: FastAPI) -> bytes:
    """The document as the app's routes declare it; ``app.api.security`` adds keys and quotas to it where they are set."""
    return orjson.dumps(FastAPI.openapi(app), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    from app.main import create_app

    FILE.write_bytes(declared(create_app()))
