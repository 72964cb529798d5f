"""Where a model should decline to answer: thresholds from validation, and how many made-up non-digits they turn away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from app.digits.classifier import DigitClassifier
from app.digits.manifest import Abstention, Thresholds
from app.digits.preprocessing import Frame
from app.digits.session import Floats
from training.answers import BATCH, answers_to
from training.data import LABELS, Split
from training.evaluate import ROUNDING
from training.nondigits import nondigits

FALSE_SHARE = 0.01  # of the validation pictures, at most, are declined
NONDIGITS = 2000
# Not training's own pictures, though of the same kinds.
SEED = 1


def with_abstention(classifier: DigitClassifier, validation: Split) -> DigitClassifier:
    """The classifier with thresholds in its manifest, each picture of validation going through a PNG file."""
    probabilities = answers_to(classifier, validation).probabilities
    rule = Abstention(method="probability", thresholds=fit_thresholds(probabilities), validation=0)
    able = _judging(classifier, rule)
    declined = np.mean([able.interpret(row, 1).abstained for row in probabilities])
    shares = rejected_shares(able, made_up(validation)) if classifier.manifest.labels == LABELS else {}
    return _judging(able, rule.model_copy(update={"validation": round(float(declined), ROUNDING), "nondigits": shares}))


def fit_thresholds(probabilities: Floats) -> Thresholds:
    """Thresholds that at least 99 % of validation's calibrated probabilities (N, C) reach."""
    second, best = np.sort(probabilities.astype(np.float64), axis=1)[:, -2:].T
    return Thresholds(probability=_reached(best), two_labels=_reached(best + second))


def made_up(digits: Split) -> list[tuple[str, Frame]]:
    """Non-digits with their kinds, as many as there are digits, or ``NONDIGITS``; some kinds are made of digits."""
    return list(islice(nondigits(digits, seed=SEED), min(NONDIGITS, len(digits))))


def rejected_shares(classifier: DigitClassifier, pictures: Sequence[tuple[str, Frame]]) -> dict[str, float]:
    """Shares of made-up non-digits on which a model of the ten digits abstains, by kind."""
    kinds, frames = zip(*pictures, strict=True)
    drawn, declined = Counter(kinds), Counter[str]()
    for start in range(0, len(frames), BATCH):
        batch = frames[start : start + BATCH]
        declined.update(kind for kind, abstains in zip(kinds[start:], _abstained(classifier, batch), strict=False) if abstains)
    return {kind: round(declined[kind] / drawn[kind], ROUNDING) for kind in sorted(drawn)}


def _abstained(classifier: DigitClassifier, frames: tuple[Frame, ...]) -> list[bool]:
    rows = classifier.infer(np.stack([frame.image for frame in frames])).probabilities
    return [classifier.interpret(row, 1, digits=frame.digits).abstained for row, frame in zip(rows, frames, strict=True)]


def _reached(values: NDArray[np.float64]) -> float:
    """Rounded down, so that rounding declines nobody; equal values make the share smaller, never larger."""
    scale = 10.0**ROUNDING
    lowest = float(np.quantile(values, FALSE_SHARE, method="lower"))
    return min(1.0, float(np.floor(lowest * scale)) / scale)


def _judging(classifier: DigitClassifier, rule: Abstention) -> DigitClassifier:
    return DigitClassifier(classifier.manifest.model_copy(update={"abstention": rule}), classifier.session)
