"""What validation looks like to a model: the manifest's ``reference``, against which the service measures drift."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier, Prediction
from app.digits.manifest import Histogram, Reference
from app.digits.preprocessing import Frame
from app.digits.tally import Tally, ink_ratios
from training.answers import BATCH, frames_of
from training.data import Split
from training.export import load_checked, write_manifest

# What people look at: a model that grows unsure moves pictures over these. Finer bins near 1 would report that
# 0.9989 became 0.9992.
PROBABILITY_EDGES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
# Ten bins with as many validation pictures each, as is usual for PSI.
INK_QUANTILES = np.arange(1, 10) / 10
ROUNDING = 6


def write_reference(folder: Path, validation: Split) -> None:
    """Compute a model folder's reference anew and change nothing else of its manifest.

    Raises:
        ModelError: the folder cannot be served.
    """
    reference = reference_of(load_checked(folder), validation)
    write_manifest(folder, manifests.read(folder).model_copy(update={"reference": reference}))


def reference_of(classifier: DigitClassifier, validation: Split) -> Reference:
    """Frame and answer the validation pictures, each from a PNG file, and count what the service will count."""
    frames = list(frames_of(classifier, validation))
    ink_edges = _edges(ink_ratios(frames))
    tally = Tally(classifier.manifest.labels, PROBABILITY_EDGES, ink_edges)
    tally.add(list(zip(frames, _predictions(classifier, frames), strict=True)))
    n = tally.pictures
    return Reference(
        n=n,
        label=_shares(tally.label, n),
        probability=Histogram(edges=PROBABILITY_EDGES, shares=_shares(tally.probability, n)),
        abstained=round(tally.abstained / n, ROUNDING),
        ink=Histogram(edges=ink_edges, shares=_shares(tally.ink, n)),
        framing={", ".join(steps): round(count / n, ROUNDING) for steps, count in tally.framing.most_common()},
    )


def _predictions(classifier: DigitClassifier, frames: list[Frame]) -> Iterable[Prediction]:
    for start in range(0, len(frames), BATCH):
        batch = frames[start : start + BATCH]
        rows = classifier.infer(np.stack([frame.image for frame in batch])).probabilities
        for row, frame in zip(rows, batch, strict=True):
            yield classifier.interpret(row, top_k=1, digits=frame.digits)


def _edges(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Deciles to four places; equal ones fall together."""
    return tuple(sorted({round(float(edge), 4) for edge in np.quantile(values, INK_QUANTILES)}))


def _shares(counts: list[int], n: int) -> tuple[float, ...]:
    return tuple(round(count / n, ROUNDING) for count in counts)
