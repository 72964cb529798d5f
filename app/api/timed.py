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
    for stage, value in seconds.items():
        services.metrics.stages[stage].observe(value)
    if services.tracer is not None:
        tracing.record_stages(services.tracer, seconds)
    timings = {stage: round(value * 1000, 3) for stage, value in seconds.items()}
    document = {"model": model.identity, "request_id": request.scope["state"]["request_id"], **content, "timings_ms": timings}
    headers = {"Server-Timing": ", ".join([f"{stage};dur={value}" for stage, value in timings.items()])}
    return Response(orjson.dumps(document), headers=headers, media_type="application/json")
