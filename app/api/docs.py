"""``/docs``: Swagger UI from our own files, so it works without a way out of the machine and under a strict policy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

WEB: Final = Path(__file__).resolve().parent.parent / "web"


def install(app: FastAPI) -> None:
    """Add ``/docs`` and its files."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(WEB / "docs.html", media_type="text/html")

    app.mount("/assets", StaticFiles(directory=WEB), name="assets")
