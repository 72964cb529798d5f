"""Prometheus metrics, few labels each. One registry for each app: two services in one process do not mix.

With several workers each writes its values to files of a folder that all share, and any of them answers with the sums: that is
prometheus_client's multiprocess mode, which ``app.serving.workers`` switches on. A gauge there needs its ``multiprocess_mode``.
"""

from __future__ import annotations

import itertools
import os
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Gauge, Metric, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.buffered import Buffered, BufferedCounter, BufferedHistogram, RowHistogram
from app.digits.classifier import Prediction

# The library's own variable: it keeps all values in this folder's files if it is set before the first import.
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
# Fine where a calibrated model's answers lie, and where a threshold for abstaining would.
PROBABILITIES = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


class Seconds(NamedTuple):
    """How long each stage of a request took, in seconds."""

    decode: float
    preprocess: float
    queue: float
    inference: float
    total: float


STAGES: Final = Seconds._fields


class Metrics:
    """What the service counts."""

    def __init__(self) -> None:
        self.registry = self._shown = CollectorRegistry()
        self._computed: list[Collector] = []
        self._copies: dict[str, Gauge] = {}
        self._shared = SHARED_FOLDER in os.environ
        if self._shared:
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)
        else:  # of one process among several, it would be another's at each scrape
            ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self._shown)
        self.requests = BufferedCounter(
            "digits_requests", "HTTP requests.", ("route", "method", "status"), registry=self.registry
        )
        # Finding a child by its labels costs more than counting does; there are as many as there are time series.
        self._by_request: dict[tuple[str, str, int], tuple[BufferedCounter, BufferedHistogram]] = {}
        self.request_seconds = BufferedHistogram(
            "digits_request_seconds", "Time of an HTTP request.", ("route",), buckets=SECONDS, registry=self.registry
        )
        self.stage_seconds = RowHistogram(
            "digits_stage_seconds", "Time of a request's stages.", ("stage",), buckets=SECONDS, registry=self.registry
        )
        self.stages = {stage: self.stage_seconds.labels(stage) for stage in STAGES}
        self._by_label: dict[tuple[str, str], tuple[BufferedCounter, BufferedHistogram]] = {}
        self.predictions = BufferedCounter(
            "digits_predictions", "Pictures answered, by most probable label.", ("model", "label"), registry=self.registry
        )
        self.probability = BufferedHistogram(
            "digits_probability",
            "Probability of the most probable label.",
            ("model",),
            buckets=PROBABILITIES,
            registry=self.registry,
        )
        self.abstentions = BufferedCounter(
            "digits_abstentions",
            "Pictures answered on which the model abstained, by reason.",
            ("model", "reason"),
            registry=self.registry,
        )
        self.refused_requests = BufferedCounter(
            "digits_refused_requests", "Requests answered with a problem, by problem.", ("problem",), registry=self.registry
        )
        self.refused_pictures = BufferedCounter(
            "digits_refused_pictures", "Pictures that could not be answered, by problem.", ("problem",), registry=self.registry
        )
        self.batch_images = BufferedHistogram(
            "digits_batch_images", "Images in a run of the model.", ("model",), buckets=BATCH_SIZES, registry=self.registry
        )
        self.queued_images = Gauge(
            "digits_queued_images",
            "Images admitted and not yet answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._buffered: tuple[Buffered, ...] = (
            self.requests,
            self.request_seconds,
            self.stage_seconds,
            self.predictions,
            self.probability,
            self.abstentions,
            self.refused_requests,
            self.refused_pictures,
            self.batch_images,
        )
        self.model_info = Gauge(
            "digits_model_info",
            "1 for each loaded model, 0 for one that was.",
            ("model", "version", "sha256", "provider"),
            registry=self.registry,
            multiprocess_mode="livemax",
        )

    def add(self, collector: Collector) -> None:
        """Show gauges that are computed when they are scraped; with several workers, each one's highest."""
        self._computed.append(collector)
        if not self._shared:
            self.registry.register(collector)

    def share(self) -> None:
        """Write everything down where a scrape of another worker finds it."""
        if self._shared:
            for metric in self._buffered:
                metric.flush()
            for family in itertools.chain.from_iterable(collector.collect() for collector in self._computed):
                for sample in family.samples:
                    self._copy(family, sample.labels).set(sample.value)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._shown)

    def count_request(self, route: str, method: str, status: int, seconds: float, problem: str | None) -> None:
        """One answer; ``problem`` is its slug if it was one."""
        key = (route, method, status)
        found = self._by_request.get(key)
        if found is None:
            found = self.requests.labels(route, method, str(status)), self.request_seconds.labels(route)
            self._by_request[key] = found
        found[0].inc()
        found[1].observe(seconds)
        if problem is not None:
            self.refused_requests.labels(problem).inc()

    def count_prediction(self, model: str, prediction: Prediction) -> None:
        """One picture that the model answered."""
        best = prediction.top_k[0]
        found = self._by_label.get((model, best.label))
        if found is None:
            found = self.predictions.labels(model, best.label), self.probability.labels(model)
            self._by_label[model, best.label] = found
        found[0].inc()
        found[1].observe(best.probability)
        if prediction.reason is not None:
            self.abstentions.labels(model, prediction.reason).inc()

    def swap_model(self, old: dict[str, str] | None, new: dict[str, str] | None) -> None:
        """A model goes, another comes, or both; called from the thread that loads."""
        for identity, present in ((old, 0), (new, 1)):
            if identity is not None:
                self.model_info.labels(*identity.values()).set(present)

    def count_batch(self, model: str, images: int) -> None:
        """One run of a model."""
        self.batch_images.labels(model).observe(images)

    def _copy(self, family: Metric, labels: dict[str, str]) -> Gauge:
        gauge = self._copies.get(family.name)
        if gauge is None:
            gauge = Gauge(family.name, family.documentation, tuple(labels), registry=self.registry, multiprocess_mode="livemax")
            self._copies[family.name] = gauge
        return gauge.labels(**labels) if labels else gauge
