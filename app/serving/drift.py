"""How far the traffic is from what a model was validated on, as gauges that are computed when they are scraped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.digits.classifier import Prediction
from app.digits.manifest import ModelManifest, Reference
from app.digits.preprocessing import Frame
from app.digits.tally import Tally

if TYPE_CHECKING:
    from app.serving.registry import Registry

WINDOW_PICTURES: Final = 10_000
# Without drift, PSI × n over B bins is about chi-squared with B - 1 degrees of freedom (Yurdakul & Naranjo 2020): with 200
# pictures and ten bins it stays under 0.09 in 95 % of all cases, and 0.1 is where people begin to look.
LEAST_PICTURES: Final = 200
# A fifth of a picture of those 200: a tail that is missing by chance adds little, one that is new adds much.
SMOOTHING: Final = 0.001
COUNTED_TOGETHER: Final = 64


def population_stability_index(served: Sequence[int], reference: Sequence[float]) -> float:
    """Σ (p - q) · ln(p / q) over the bins, p the served and q the reference shares (Siddiqi, Credit Risk Scorecards, 2006).

    0 is the same distribution; by Siddiqi's rule of thumb 0.1 is worth a look and 0.25 a shift. Every share of either side
    is raised by ``SMOOTHING`` first, or an empty bin would make it infinite.

    Args:
        served: pictures in each bin (B,).
        reference: shares of the bins (B,).
    """
    pictures, whole = sum(served), 1 + SMOOTHING * len(reference)
    actual = [(count / pictures + SMOOTHING) / whole for count in served]
    expected = [(share + SMOOTHING) / whole for share in reference]
    return sum((p - q) * math.log(p / q) for p, q in zip(actual, expected, strict=True))


class DriftWatch:
    """One model's traffic against its reference, over the last ``window`` / 2 to ``window`` pictures.

    Two tallies: the older is dropped whenever the younger holds half a window. That forgets at no cost; of pictures it
    keeps the last few frames, until they are counted.
    """

    def __init__(self, labels: Sequence[str], reference: Reference, *, window: int = WINDOW_PICTURES) -> None:
        self.reference = reference
        self._labels = labels
        self._half = window // 2
        self._older, self._younger = self._empty(), self._empty()
        self._uncounted: list[tuple[Frame, Prediction]] = []

    @classmethod
    def of(cls, manifest: ModelManifest) -> DriftWatch | None:
        """A watch for a model; None if its manifest has no reference."""
        return cls(manifest.labels, manifest.reference) if manifest.reference else None

    @property
    def pictures(self) -> int:
        """How many the window holds."""
        self._count()
        return self._older.pictures + self._younger.pictures

    def add(self, frame: Frame, prediction: Prediction) -> None:
        """Count one answered picture, or note it: many in a row are counted in a third of the time."""
        self._uncounted.append((frame, prediction))
        if len(self._uncounted) >= COUNTED_TOGETHER:
            self._count()

    def psi(self) -> dict[str, float]:
        """PSI of each feature; nothing before ``LEAST_PICTURES``."""
        if self.pictures < LEAST_PICTURES:
            return {}
        reference, abstained = self.reference, self._older.abstained + self._younger.abstained
        framing = self._framing()
        steps = framing | reference.framing
        features: dict[str, tuple[Sequence[int], Sequence[float]]] = {
            "label": (_sum(self._older.label, self._younger.label), reference.label),
            "probability": (_sum(self._older.probability, self._younger.probability), reference.probability.shares),
            "abstained": ((self.pictures - abstained, abstained), (1 - reference.abstained, reference.abstained)),
            "ink": (_sum(self._older.ink, self._younger.ink), reference.ink.shares),
            "framing": ([framing.get(step, 0) for step in steps], [reference.framing.get(step, 0.0) for step in steps]),
        }
        return {name: population_stability_index(*shares) for name, shares in features.items()}

    def framing_shares(self) -> dict[str, float]:
        """Share of the window's pictures by what framing did; nothing before ``LEAST_PICTURES``."""
        if self.pictures < LEAST_PICTURES:
            return {}
        return {steps: count / self.pictures for steps, count in self._framing().items()}

    def _count(self) -> None:
        while self._uncounted:
            if self._younger.pictures >= self._half:
                self._older, self._younger = self._younger, self._empty()
            room = self._half - self._younger.pictures
            self._younger.add(self._uncounted[:room])
            del self._uncounted[:room]

    def _framing(self) -> dict[str, int]:
        return {", ".join(steps): count for steps, count in (self._older.framing + self._younger.framing).items()}

    def _empty(self) -> Tally:
        return Tally(self._labels, self.reference.probability.edges, self.reference.ink.edges)


class DriftCollector(Collector):
    """Gauges of all served models that have a reference; register it with the app's own Prometheus registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        psi = GaugeMetricFamily(
            "digits_drift_psi", "Population stability index against validation.", labels=("model", "feature")
        )
        pictures = GaugeMetricFamily("digits_drift_pictures", "Pictures that drift is measured on.", labels=("model",))
        framing = GaugeMetricFamily(
            "digits_drift_framing_share", "Share of these pictures by what framing did.", labels=("model", "steps")
        )
        for name, watch in self._watches():
            pictures.add_metric((name,), watch.pictures)
            for feature, value in watch.psi().items():
                psi.add_metric((name, feature), value)
            for steps, share in watch.framing_shares().items():
                framing.add_metric((name, steps), share)
        return psi, pictures, framing

    def _watches(self) -> Iterator[tuple[str, DriftWatch]]:
        for model in self._registry.served:
            if model.drift is not None:
                yield model.name, model.drift


def _sum(older: Sequence[int], younger: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(older, younger, strict=True)]
