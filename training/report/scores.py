"""What is counted from answers and truths, apart from what ``training.evaluate`` and ``training.calibrate`` have."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from training.calibrate import wilson_interval

Counts = NDArray[np.int64]
Values = NDArray[np.floating]


@dataclass(frozen=True)
class ClassScores:
    """How one class is read; shares are 0–1, and 0 where there is nothing to divide by.

    Attributes:
        label: the class.
        n: pictures of it.
        precision: share that is right among the answers of this label.
        recall: share of the class's pictures that are read: the class's own accuracy.
        interval: Wilson's 95 % interval of the recall.
        f1: harmonic mean of precision and recall.
    """

    label: str
    n: int
    precision: float
    recall: float
    interval: tuple[float, float]
    f1: float


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes, by positions, and how often each was read as the other."""

    first: int
    second: int
    first_as_second: int
    second_as_first: int

    @property
    def errors(self) -> int:
        return self.first_as_second + self.second_as_first


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence: how sure they were on average, how many were right, how many there are."""

    confidence: float
    accuracy: float
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True)
class Coverage:
    """If only the surest answers are given: the share of pictures answered, their accuracy, the least confidence among them."""

    coverage: float
    accuracy: float
    threshold: float


def confusion_matrix(truths: Counts, answers: Counts, classes: int) -> Counts:
    """Int64 (C, C): row the true class, column the answer; a picture without an answer (-1) is in no column."""
    given = answers >= 0
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (truths[given], answers[given]), 1)
    return matrix


def class_scores(truths: Counts, answers: Counts, labels: tuple[str, ...]) -> list[ClassScores]:
    """Precision, recall and F1 of each class; an answer of -1 is none, and counts against recall."""
    return [_class_scores(truths == position, answers == position, label) for position, label in enumerate(labels)]


def confused_pairs(confusion: Counts, most: int) -> list[ConfusedPair]:
    """The pairs of classes with the most errors, most first; those without any are left out."""
    pairs = [ConfusedPair(a, b, int(confusion[a, b]), int(confusion[b, a])) for a, b in combinations(range(len(confusion)), 2)]
    return sorted((pair for pair in pairs if pair.errors), key=lambda pair: -pair.errors)[:most]


def brier(probabilities: Values, truths: Counts) -> float:
    """Brier's score over all classes (1950): mean squared distance to the truth, 0 (best) to 2."""
    truth = np.eye(probabilities.shape[1])[truths]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def reliability(confidence: Values, right: NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Answers by confidence, in bins of equal width from 0 to 1; the empty ones are left out."""
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    parts = [part for place in range(bins) if len(part := np.flatnonzero(places == place))]
    return [
        Bin(
            confidence=float(confidence[part].mean()),
            accuracy=float(right[part].mean()),
            interval=wilson_interval(int(right[part].sum()), len(part)),
            n=len(part),
        )
        for part in parts
    ]


def selective(confidence: Values, right: NDArray[np.bool_], coverages: Values) -> list[Coverage]:
    """Accuracy of the surest answers, for each share that is answered (El-Yaniv and Wiener 2010)."""
    order = np.argsort(-confidence, kind="stable")
    hits = np.cumsum(right[order])
    kept = np.maximum(1, np.rint(np.asarray(coverages) * len(order)).astype(int))
    return [Coverage(float(k / len(order)), float(hits[k - 1] / k), float(confidence[order[k - 1]])) for k in kept]


def auroc(higher: Values, lower: Values) -> float:
    """Chance that one of ``higher`` is above one of ``lower``, ties half: the area under the ROC curve, 0–1."""
    return float(mannwhitneyu(higher, lower).statistic / (len(higher) * len(lower)))


def _class_scores(is_class: NDArray[np.bool_], answered: NDArray[np.bool_], label: str) -> ClassScores:
    hits, n, given = int((is_class & answered).sum()), int(is_class.sum()), int(answered.sum())
    return ClassScores(
        label=label,
        n=n,
        precision=hits / given if given else 0.0,
        recall=hits / n if n else 0.0,
        interval=wilson_interval(hits, n) if n else (0.0, 1.0),
        f1=2 * hits / (n + given) if n + given else 0.0,
    )
