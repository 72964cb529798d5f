"""The only wiring place: settings in, app out. No module-level state."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from opentelemetry.trace import Tracer
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app import __version__, tracing
from app.api import (
    contract,
    direct,
    docs,
    explain,
    guard,
    health,
    middleware,
    models,
    page,
    predict,
    problems,
    read,
    samples,
    security,
)
from app.api.layered import Layered
from app.api.v2 import routes as v2
from app.digits.classifier import DigitClassifier
from app.metrics import Metrics
from app.services import Services
from app.serving.admission import Room
from app.serving.drift import DriftCollector
from app.serving.registry import Loader, Registry
from app.serving.samples import Samples
from app.serving.turns import Turns
from app.settings import Settings

if TYPE_CHECKING:
    from app.serving.quota import ClientQuota

# Two decodes of 25 megapixels take about 200 MB together; a third waits.
LARGE_DECODES: Final = 2
CORS_ALLOWED: Final = ("Authorization", "X-API-Key", "X-Request-ID", "X-Request-Timeout-Ms", "traceparent", "tracestate")
CORS_EXPOSED: Final = ("X-Request-ID", "Retry-After", "Server-Timing")
GAUGES_EVERY_S: Final = 1.0
DESCRIPTION: Final = """\
Reads handwritten digits from pictures and says how sure it is. Send a picture of any size, any common format and either
polarity; the service finds the ink, frames it as the model was trained, and answers calibrated probabilities.

```
curl -F files=@samples/7.png http://127.0.0.1:8000/v1/predict
```

Errors are [problem documents](https://www.rfc-editor.org/rfc/rfc9457) (`application/problem+json`).
"""


def create_app(settings: Settings | None = None, *, load: Loader | None = None) -> FastAPI:
    """Put the rooms together.

    Args:
        settings: read from the environment if None.
        load: makes a classifier of a model folder; tests pass a fake that computes.

    Returns:
        The app; its lifespan loads the models, the default one before the first request.
    """
    settings = settings or Settings()
    telemetry, tracer = tracing.configured()
    services = _services(settings, load, tracer)
    app = Layered(
        title="Digits",
        version=__version__,
        description=DESCRIPTION,
        license_info={"name": "MIT"},
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # docs has it, made once
        telemetry=telemetry,
    )
    app.state.services = services
    for group in (predict, read, explain, models, samples, health, v2):
        app.include_router(group.router)
    if settings.page_enabled:
        page.install(app)
    contract.install(app)
    if settings.docs_enabled:
        docs.install(app)
    problems.install(app)
    _wrap(app, settings, services.metrics)
    return app


def _wrap(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Add the middleware, the innermost first; what is not set costs nothing."""
    access = guard.Access(settings)
    quota = _quota(settings)
    if app.state.services.tracer is None:  # FastAPI's own instrumentation wants to see every route
        app.add_middleware(direct.Direct, endpoints=predict.DIRECT)
    if access.hashes or quota:
        app.add_middleware(guard.Guard, access=access, quota=quota)
        security.install(app, access, quota=quota is not None)
    if settings.cors_origins:  # outside the guard: a page must be able to read why it was refused
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_headers=CORS_ALLOWED,
            expose_headers=CORS_EXPOSED,
            allow_methods=("GET", "POST"),
        )
    app.add_middleware(middleware.RequestContext, metrics=metrics)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))


def _quota(settings: Settings) -> ClientQuota | None:
    if not settings.rate_limit:
        return None
    from app.serving.quota import ClientQuota, parse_quota, share_of  # its library takes 0.05 s to import

    return ClientQuota(share_of(parse_quota(settings.rate_limit), settings.workers))


def _services(settings: Settings, load: Loader | None, tracer: Tracer | None) -> Services:
    metrics, turns = Metrics(), Turns()
    registry = Registry(
        settings.models_dir,
        names=settings.models,
        default=settings.default_model,
        load=load
        or functools.partial(DigitClassifier.load, provider=settings.provider, intra_op_threads=settings.threads_a_run),
        max_batch_images=settings.max_batch_images,
        more_to_come=turns.are_awaited,
        is_alone=turns.are_for_one,
        on_batch=metrics.count_batch,
        on_swap=metrics.swap_model,
    )
    metrics.add(DriftCollector(registry))
    return Services(
        settings=settings,
        registry=registry,
        metrics=metrics,
        images=Room(settings.max_queued_images, "images"),
        bodies=Room(settings.max_inflight_body_bytes, "bytes of requests"),
        decoders=ThreadPoolExecutor(LARGE_DECODES, thread_name_prefix="decoder"),
        turns=turns,
        tracer=tracer,
        samples=Samples.of_mnist(settings.samples_dir) if settings.samples_dir else Samples.shipped(),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    registry = services.registry
    registry.load_default()
    _start(services.decoders)
    # Daemons: a model whose load hangs must not keep the process from ending.
    threading.Thread(target=registry.load_others, name="loader", daemon=True).start()
    gauges = asyncio.create_task(_keep_gauges(services)) if services.settings.workers > 1 else None
    try:
        yield
    finally:
        if gauges is not None:
            gauges.cancel()
            services.set_gauges()  # what was counted since the last time
        await asyncio.to_thread(registry.close)
        services.decoders.shutdown()


def _start(decoders: ThreadPoolExecutor) -> None:
    """Start all of its threads: when the first large pictures come, a limit of memory or processes may allow none more."""
    all_there = threading.Barrier(LARGE_DECODES)
    for _ in range(LARGE_DECODES):
        decoders.submit(all_there.wait)


async def _keep_gauges(services: Services) -> None:
    """A scrape reaches one worker and shows all of them, so each has to tell its state unasked."""
    while True:
        services.set_gauges()
        await asyncio.sleep(GAUGES_EVERY_S)
