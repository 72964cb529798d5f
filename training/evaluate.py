"""Measures a model folder the way it is served: PNG bytes through ``app.digits.DigitClassifier``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.manifest import Metrics
from app.digits.preprocessing import Frame
from app.digits.session import Floats
from training.calibrate import expected_calibration_error, nll, wilson_interval
from training.data import Split
from training.strokes import as_png

BATCH = 500
ROUNDING = 6


def evaluate(classifier: DigitClassifier, split: Split) -> Metrics:
    """Accuracy, its interval, NLL and ECE of a model on a split."""
    return measure(probabilities_of(classifier, split), split.labels)


def probabilities_of(classifier: DigitClassifier, split: Split) -> Floats:
    """Calibrated probabilities float32 (N, C), each picture going through a PNG file."""
    return np.concatenate([classifier.infer(batch).probabilities for batch in _batches(classifier, split)])


def frames_of(classifier: DigitClassifier, split: Split) -> Iterator[Frame]:
    """What the model sees of each picture, in order, each picture going through a PNG file."""
    return (classifier.frame(decode(as_png(picture))) for picture in split.images)


def measure(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Metrics:
    """Metrics of probabilities (N, C) against true positions (N,), rounded to six places."""
    hits, n = int((probabilities.argmax(axis=1) == labels).sum()), len(labels)
    low, high = wilson_interval(hits, n)
    return Metrics(
        n=n,
        accuracy=round(hits / n, ROUNDING),
        interval=(round(low, ROUNDING), round(high, ROUNDING)),
        nll=round(nll(np.log(np.clip(probabilities, 1e-12, 1)), labels), ROUNDING),
        ece=round(expected_calibration_error(probabilities, labels), ROUNDING),
    )


def _batches(classifier: DigitClassifier, split: Split) -> Iterator[NDArray[np.uint8]]:
    frames = frames_of(classifier, split)
    while batch := [frame.image for frame in islice(frames, BATCH)]:
        yield np.stack(batch)
