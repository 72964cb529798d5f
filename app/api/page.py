"""``/``: the page, from our own files; no script or style stands in its HTML, and none comes from elsewhere."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.docs import WEB

# Names of files do not change with their content, so browsers keep them and ask whether they are still good (ETag).
CACHED: Final = {"Cache-Control": "no-cache"}
# Stricter than other answers' policy: the page needs nothing else, and may never make markup of text.
POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
}


class PageFiles(StaticFiles):
    """The page's files, kept by browsers until they change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(CACHED)
        return response


def install(app: FastAPI) -> None:
    """Add ``/`` and its files."""
    folder = WEB / "page"

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(folder / "index.html", media_type="text/html", headers=CACHED | POLICY)

    app.mount("/assets/page", GZipMiddleware(PageFiles(directory=folder)), name="page")
