"""Probes and metrics. No queue, no model run: a busy service is not a dead one."""

from __future__ import annotations

import os
import time

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from app import __version__
from app.api.problems import documented
from app.api.schemas import Health, Probe, RunningModel
from app.digits import errors
from app.services import Services, services_of

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Restart me?", responses=documented(errors.ModelStalled))
async def live(request: Request) -> Probe:
    """Answers 200 while the event loop turns and no run of a model hangs: such a run can only be ended by a restart."""
    check_alive(services_of(request))
    return Probe(status="ok")


@router.get("/readyz", summary="Send traffic?", responses=documented(errors.NotReady, errors.ShuttingDown))
async def ready(request: Request) -> Probe:
    """Answers 200 from when the default model has passed its golden self-test until the service is told to end."""
    check_ready(services_of(request))
    return Probe(status="ok")


def check_alive(services: Services) -> None:
    """Raise ModelStalled if a run of a model has been going on for too long."""
    limit_s = services.settings.run_timeout_s
    if stalled := services.registry.stalled(limit_s):
        raise errors.ModelStalled(f"A run of {', '.join(map(repr, stalled))} has been going on for more than {limit_s:g} s.")


def check_ready(services: Services) -> None:
    """Raise ShuttingDown or NotReady, with the reason, unless the service wants traffic."""
    if services.draining.is_set():
        raise errors.ShuttingDown("The service is stopping; send new traffic elsewhere.")
    if (reason := services.registry.not_ready_reason) is not None:
        raise errors.NotReady(reason)


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
        models=[
            RunningModel.model_validate({**model.identity, "intra_op_threads": model.classifier.session.intra_op_threads})
            for model in registry.served
        ],
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
