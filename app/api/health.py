"""Probes and metrics. No queue, no model run: a busy service is not a dead one."""

from __future__ import annotations

import os
import time

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from app import __version__
from app.api.problems import NOT_READY, documented, problem, problem_response
from app.api.schemas import Health, ModelIdentity, Probe
from app.digits.errors import ShuttingDown
from app.services import services_of

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Restart me?", responses=documented())
async def live() -> Probe:
    """Answers while the event loop turns."""
    return Probe(status="ok")


@router.get("/readyz", summary="Send traffic?", response_model=Probe, responses=documented(NOT_READY, ShuttingDown))
async def ready(request: Request) -> Response | Probe:
    """Answers 200 from when the default model has passed its golden self-test until the service is told to end."""
    services = services_of(request)
    if services.draining.is_set():
        raise ShuttingDown("The service is stopping; send new traffic elsewhere.")
    if services.registry.ready:
        return Probe(status="ok")
    return problem_response(problem(NOT_READY, "The default model is not loaded."), request.state.request_id)


@router.get("/health", summary="Summary for people", responses=documented())
async def health(request: Request) -> Health:
    """What is loaded, what could not be, and how full the service is."""
    services = services_of(request)
    registry = services.registry
    return Health(
        status="draining" if services.draining.is_set() else "ready" if registry.ready else "not ready",
        version=__version__,
        pid=os.getpid(),
        workers=services.settings.workers,
        uptime_s=round(time.monotonic() - services.started, 1),
        models=[ModelIdentity.model_validate(model.identity) for model in registry.served],
        failed_models=registry.failed,
        queued_images=services.images.taken,
        max_queued_images=services.images.capacity,
    )


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses=documented() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Counters, histograms and gauges in Prometheus' text format, summed over all workers."""
    services = services_of(request)
    services.set_gauges()
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
