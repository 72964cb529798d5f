"""Prometheus metrics, few labels each. One registry for each app: two services in one process do not mix."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
STAGES = ("decode", "preprocess", "queue", "inference", "total")


class Metrics:
    """What the service counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter("digits_requests", "HTTP requests.", ("route", "method", "status"), registry=self.registry)
        self.request_seconds = Histogram(
            "digits_request_seconds", "Time of an HTTP request.", ("route",), buckets=SECONDS, registry=self.registry
        )
        stages = Histogram(
            "digits_stage_seconds", "Time of a request's stages.", ("stage",), buckets=SECONDS, registry=self.registry
        )
        self.stages = {stage: stages.labels(stage) for stage in STAGES}
        self.predictions = Counter(
            "digits_predictions", "Pictures answered, by most probable label.", ("model", "label"), registry=self.registry
        )
        self.refused_pictures = Counter(
            "digits_refused_pictures", "Pictures that could not be answered, by problem.", ("problem",), registry=self.registry
        )
        self.batch_images = Histogram(
            "digits_batch_images", "Images in a run of the model.", ("model",), buckets=BATCH_SIZES, registry=self.registry
        )
        self.queued_images = Gauge("digits_queued_images", "Images admitted and not yet answered.", registry=self.registry)
        self.model_info = Gauge(
            "digits_model_info", "1 for each loaded model.", ("model", "version", "sha256", "provider"), registry=self.registry
        )

    def count_batch(self, model: str, images: int) -> None:
        """One run of a model; called from its runner thread."""
        self.batch_images.labels(model).observe(images)
