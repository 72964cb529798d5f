"""How a model holds up: spoilt pictures, other hands, and things that are no digit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.digits.classifier import DigitClassifier
from app.digits.manifest import Accuracy, ModelManifest, Rejection, Robustness, UnknownSet
from app.digits.preprocessing import Grey
from training.answers import Answers, answer
from training.calibrate import wilson_interval
from training.report.bench import Bench
from training.report.corruptions import CORRUPTIONS, STRENGTHS
from training.report.scores import auroc

FALSE_REJECTION = 0.01
ROUNDING = 6


def measure_robustness(classifier: DigitClassifier, bench: Bench, validation: Answers, test: Answers) -> Robustness:
    """Measure all that the bench has.

    Args:
        classifier: the model.
        bench: the pictures.
        validation: answers to the validation split, on which the threshold of rejection is set.
        test: answers to the test split, the digits that non-digits are told from.
    """
    right = {
        kind: np.stack([answers_under(classifier, bench, kind, strength).right for strength in STRENGTHS])
        for kind in CORRUPTIONS
    }
    n = len(bench.sample)
    share = np.mean([hits.mean(axis=0) for hits in right.values()], axis=0)  # (n,): how often each picture is read
    return Robustness(
        n=n,
        corruptions={kind: tuple(np.round(hits.mean(axis=1), ROUNDING).tolist()) for kind, hits in right.items()},
        mean=round(float(share.mean()), ROUNDING),
        interval=_interval_of_mean(share),
        sets={
            name: _accuracy(answer(classifier, bench.frames_of_set(classifier, name), found.labels))
            for name, found in bench.digits.items()
        },
        rejection=_rejection(classifier, bench, validation, test) if bench.nondigits else None,
    )


def confidence_in(classifier: DigitClassifier, frames: list[Grey | None]) -> NDArray[np.floating]:
    """Float32 (N,), probability of the most probable label; 0 where framing refused the picture."""
    return answer(classifier, frames, np.full(len(frames), -1, np.int64)).confidence


def rejection_threshold(manifest: ModelManifest, validation: Answers) -> float:
    """The probability below which 1 % of the validation pictures lie: the manifest's, where the model abstains by it."""
    if manifest.abstention is not None:
        return manifest.abstention.thresholds.probability
    return float(np.quantile(validation.confidence, FALSE_REJECTION))


def answers_under(classifier: DigitClassifier, bench: Bench, kind: str, strength: int) -> Answers:
    """A model's answers to the bench's sample under one corruption."""
    return answer(classifier, bench.frames_of_spoilt(classifier, kind, strength), bench.sample.labels)


def _rejection(classifier: DigitClassifier, bench: Bench, validation: Answers, test: Answers) -> Rejection:
    threshold = rejection_threshold(classifier.manifest, validation)
    return Rejection(
        threshold=round(threshold, ROUNDING),
        digits=len(test),
        false_rejection=round(float((test.confidence < threshold).mean()), ROUNDING),
        sets={
            name: _unknown(test.confidence, confidence_in(classifier, bench.frames_of_set(classifier, name)), threshold)
            for name in bench.nondigits
        },
    )


def _unknown(digits: NDArray[np.floating], others: NDArray[np.floating], threshold: float) -> UnknownSet:
    rejected = int((others < threshold).sum())
    return UnknownSet(
        n=len(others),
        auroc=round(auroc(digits, others), ROUNDING),
        rejected=round(rejected / len(others), ROUNDING),
        interval=_rounded(wilson_interval(rejected, len(others))),
    )


def _accuracy(answers: Answers) -> Accuracy:
    hits = int(answers.right.sum())
    return Accuracy(
        n=len(answers), accuracy=round(hits / len(answers), ROUNDING), interval=_rounded(wilson_interval(hits, len(answers)))
    )


def _interval_of_mean(shares: NDArray[np.floating]) -> tuple[float, float]:
    """95 %, over pictures: the corruptions of one picture are no independent draws."""
    half = 1.959964 * float(shares.std(ddof=1)) / len(shares) ** 0.5 if len(shares) > 1 else 1.0
    return _rounded((max(0.0, float(shares.mean()) - half), min(1.0, float(shares.mean()) + half)))


def _rounded(interval: tuple[float, float]) -> tuple[float, float]:
    return round(interval[0], ROUNDING), round(interval[1], ROUNDING)
