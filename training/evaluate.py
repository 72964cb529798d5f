"""Measures a model folder the way it is served: PNG bytes through ``app.digits.DigitClassifier``."""

from __future__ import annotations

import numpy as np

from app.digits.classifier import DigitClassifier
from app.digits.manifest import Metrics
from training.answers import Answers, answers_to
from training.calibrate import expected_calibration_error, nll, wilson_interval
from training.data import Split

ROUNDING = 6


def evaluate(classifier: DigitClassifier, split: Split) -> Metrics:
    """Accuracy, its interval, NLL and ECE of a model on a split."""
    return metrics_of(answers_to(classifier, split))


def metrics_of(answers: Answers) -> Metrics:
    """What ``evaluate`` says of answers that are there already, rounded to six places; a refused picture is read wrong."""
    hits, n = int(answers.right.sum()), len(answers)
    low, high = wilson_interval(hits, n)
    truths = np.where(answers.refused, -1, answers.truths)  # no answer is a wrong one, whatever stands first in its row
    return Metrics(
        n=n,
        accuracy=round(hits / n, ROUNDING),
        interval=(round(low, ROUNDING), round(high, ROUNDING)),
        nll=round(nll(np.log(np.clip(answers.probabilities, 1e-12, 1)), truths), ROUNDING),
        ece=round(expected_calibration_error(answers.probabilities, truths), ROUNDING),
    )
