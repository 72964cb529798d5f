"""An answer of ``/v1`` with what each carries: the model, the request's id, and where its time went."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from app import tracing
from app.services import Services
from app.serving.registry import ServedModel


def timed_response(
    request: Request, content: dict[str, Any], seconds: dict[str, float], model: ServedModel, services: Services
) -> Response:
    """The content with model, request id and timings around it.

    Args:
        request: that is answered.
        content: the route's own part.
        seconds: of each stage (``app.metrics.STAGES``), which are counted and traced too.
        model: that answered.
        services: of the app.
    """
    if services.tracer is not None:
        tracing.record_stages(services.tracer, seconds)
    timings = {}
    for stage, value in seconds.items():
        services.metrics.stages[stage].observe(value)
        timings[stage] = int(value * 1e6 + 0.5) / 1e3  # ``round`` takes four times as long
    document = {"model": model.identity, "request_id": request.scope["state"]["request_id"], **content, "timings_ms": timings}
    return _Json(orjson.dumps(document), ", ".join([f"{stage};dur={value}" for stage, value in timings.items()]))


class _Json(Response):
    """A document that is bytes already; what Starlette does to find out its headers takes as long as making the document."""

    def __init__(self, document: bytes, timings: str) -> None:
        self.status_code = 200
        self.background = None
        self.body = document
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(document)),
            (b"server-timing", timings.encode()),
        ]
