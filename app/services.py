"""What the routes share: made once by ``create_app``, found on the app's state, no globals."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from opentelemetry.trace import Tracer
from starlette.requests import Request

from app.metrics import Metrics
from app.serving.admission import Room
from app.serving.registry import Registry
from app.serving.samples import Samples
from app.serving.turns import Turns
from app.settings import Settings


@dataclass(frozen=True)
class Services:
    """The service's parts.

    Attributes:
        settings: all settings.
        registry: the loaded models.
        metrics: what is counted.
        images: room for images admitted and not yet answered.
        bodies: room for bytes of bodies in flight.
        decoders: threads for pictures too large to decode on the event loop.
        samples: handwritten digits for the page.
        tracer: makes spans of a request's stages, where tracing is on.
        turns: of the pictures that are decoded on the event loop.
        draining: set once the service was told to end: it is not ready, though it may still serve.
    """

    settings: Settings
    registry: Registry
    metrics: Metrics
    images: Room
    bodies: Room
    decoders: ThreadPoolExecutor
    samples: Samples
    turns: Turns
    tracer: Tracer | None = None
    draining: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)

    def set_gauges(self) -> None:
        """Write down what the metrics show of the present state; events are counted where they happen."""
        self.metrics.queued_images.set(self.images.taken)
        self.metrics.share()


def services_of(request: Request) -> Services:
    """The services of the app that this request came to."""
    services: Services = request.app.state.services
    return services
