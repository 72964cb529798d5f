"""Probes and metrics. No queue, no model run: a busy service is not a dead one."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from app import __version__
from app.api.problems import NOT_READY, documented, problem, problem_response
from app.api.schemas import Health, Probe, RunningModel
from app.digits import errors
from app.services import services_of

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Restart me?", responses=documented(errors.ModelStalled))
async def live(request: Request) -> Probe:
    """Answers 200 while the event loop turns and no run of a model hangs: such a run can only be ended by a restart."""
    services = services_of(request)
    limit_s = services.settings.run_timeout_s
    if stalled := services.registry.stalled(limit_s):
        raise errors.ModelStalled(f"A run of {', '.join(map(repr, stalled))} has been going on for more than {limit_s:g} s.")
    return Probe(status="ok")


@router.get("/readyz", summary="Send traffic?", response_model=Probe, responses=documented(NOT_READY))
async def ready(request: Request) -> Response | Probe:
    """Answers 200 once the default model has passed its golden self-test."""
    reason = services_of(request).registry.not_ready_reason
    if reason is None:
        return Probe(status="ok")
    return problem_response(problem(NOT_READY, reason), request.state.request_id)


@router.get("/health", summary="Summary for people", responses=documented())
async def health(request: Request) -> Health:
    """What is loaded, what could not be, and how full the service is."""
    services = services_of(request)
    registry = services.registry
    return Health(
        status="ready" if registry.ready else "not ready",
        version=__version__,
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
    """Counters, histograms and gauges in Prometheus' text format."""
    services = services_of(request)
    services.metrics.queued_images.set(services.images.taken)
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)
