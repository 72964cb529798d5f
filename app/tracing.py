"""OpenTelemetry traces by FastAPI's own instrumentation, where an OTLP endpoint is set; off, it costs nothing."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import MutableMapping
from typing import Any, Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.trace import Tracer, TracerProvider

from app.metrics import Seconds

log = logging.getLogger(__name__)

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# Probes and scrapes come every few seconds and would drown the rest.
UNTRACED: Final = frozenset({"/livez", "/readyz", "/health", "/metrics", "/v2/health/live", "/v2/health/ready"})
# Metrics are Prometheus', logs are lines; only traces go to OpenTelemetry.
OFF: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}


def configured() -> tuple[TelemetryConfig, Tracer | None]:
    """What FastAPI is told, and a tracer for our own spans: both by OpenTelemetry's environment variables."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return OFF, None
    provider = _provider()
    if provider is None:
        log.warning("no traces: an OTLP endpoint is set, but the SDK is not installed; install digits[tracing]")
        return OFF, None
    config: TelemetryConfig = {
        "tracer_provider": provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,  # ours say more
        "auto_configure": True,  # the exporter, when the lifespan begins: after any fork
        "exclude": _is_untraced,
    }
    return config, provider.get_tracer("digits")


def record_stages(tracer: Tracer, seconds: Seconds) -> None:
    """Spans of the request's stages, made when all is done and ending now; ``total`` is not one of them.

    The stages of several pictures are summed, as in the answer's ``timings_ms``, and shown one after another.
    """
    if not trace.get_current_span().is_recording():
        return
    at = time.time_ns() - int(seconds.total * 1e9)
    for stage, value in seconds._asdict().items():
        if stage != "total":
            span = tracer.start_span(f"digits.{stage}", start_time=at)
            at += int(value * 1e9)
            span.end(at)


def _provider() -> TracerProvider | None:
    try:
        import opentelemetry.exporter.otlp.proto.http  # noqa: F401 - FastAPI imports it later, and would only warn
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
    except ImportError:
        return None
    # The environment (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) has the last word.
    resource = Resource.create({"service.name": "digits"}).merge(OTELResourceDetector().detect())
    return SdkTracerProvider(resource=resource, shutdown_on_exit=False)


def _is_untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in UNTRACED
