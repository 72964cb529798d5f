"""``/openapi.json``, and ``/docs``: Swagger UI from our own files, so it works without a way out and under a strict policy."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

import orjson
from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

WEB: Final = Path(__file__).resolve().parent.parent / "web"


def install(app: FastAPI) -> None:
    """Add the document, ``/docs`` and its files."""

    @functools.cache
    def document() -> bytes:
        """Made once: FastAPI's own route takes 5 ms of CPU to write its 100 kB each time."""
        return orjson.dumps(app.openapi())

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document(), media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(WEB / "docs.html", media_type="text/html")

    app.mount("/assets", StaticFiles(directory=WEB), name="assets")
