"""All that a report says about a model, as data: what lies beside the page as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.special import softmax

from app.digits.manifest import Cost, Metrics, Robustness, Seeds
from training.answers import Answers
from training.calibrate import expected_calibration_error, expected_ece_if_calibrated
from training.data import SplitName
from training.evaluate import metrics_of
from training.report.latency import Latency, measure_latency
from training.report.scores import (
    Bin,
    ClassScores,
    Coverage,
    brier,
    class_scores,
    confused_pairs,
    confusion_matrix,
    reliability,
    selective,
)
from training.report.study import Study

COVERAGES = (0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
PAIRS = 10
ROUNDING = 6


class SplitNumbers(Metrics):
    """What ``python -m training evaluate`` measures, and Brier's score (0–2) and the pictures that framing found blank."""

    brier: float
    blank: int


class Gap(BaseModel):
    """What accuracy loses on the way to new pictures, as shares: overfitting, and what the validation split did not show."""

    train_to_validation: float
    validation_to_test: float


class Sureness(BaseModel):
    """Probability of the answers of one kind; None where there are none."""

    n: int
    mean: float | None
    median: float | None


class Pair(BaseModel):
    """Two classes and how often each was read as the other, on test."""

    classes: tuple[str, str]
    first_as_second: int
    second_as_first: int


class ModelNumbers(BaseModel):
    """One model on one data set; accuracies, shares and probabilities are 0–1, of the test split where not said otherwise."""

    name: str
    version: str
    sha256: str
    data: str
    labels: tuple[str, ...]
    splits: dict[SplitName, SplitNumbers]
    gap: Gap
    seeds: Seeds | None
    temperature: float
    ece_before_calibration: float
    ece_by_chance: float
    right: Sureness
    wrong: Sureness
    selective: list[Coverage]
    reliability: list[Bin]
    classes: list[ClassScores]
    confusion: list[list[int]]
    confused_pairs: list[Pair]
    cost: Cost
    latency: Latency
    robustness: Robustness


def numbers_of(study: Study) -> ModelNumbers:
    """Measure everything that the page and its JSON show."""
    test, labels = study.answers("test"), study.labels
    confusion = confusion_matrix(test.truths, test.labels, len(labels))
    splits = {name: _split_numbers(study.answers(name)) for name in study.data.splits}
    return ModelNumbers(
        name=study.manifest.name,
        version=study.manifest.version,
        sha256=study.manifest.sha256,
        data=study.data.name,
        labels=labels,
        splits=splits,
        gap=Gap(
            train_to_validation=splits["train"].accuracy - splits["validation"].accuracy,
            validation_to_test=splits["validation"].accuracy - splits["test"].accuracy,
        ),
        seeds=study.manifest.seeds,
        temperature=study.manifest.temperature,
        ece_before_calibration=expected_calibration_error(softmax(test.logits, axis=1), test.truths),
        ece_by_chance=expected_ece_if_calibrated(test.probabilities, rounds=50),
        right=_sureness(test, right=True),
        wrong=_sureness(test, right=False),
        selective=selective(test.confidence, test.right, np.array(COVERAGES)),
        reliability=reliability(test.confidence, test.right),
        classes=class_scores(test.truths, test.labels, labels),
        confusion=confusion.tolist(),
        confused_pairs=[
            Pair(
                classes=(labels[pair.first], labels[pair.second]),
                first_as_second=pair.first_as_second,
                second_as_first=pair.second_as_first,
            )
            for pair in confused_pairs(confusion, PAIRS)
        ],
        cost=study.manifest.cost,
        latency=measure_latency(study.folder, study.split("test").images[:64]),
        robustness=study.robustness,
    )


def rounded(value: Any) -> Any:
    """JSON-like data whose floats have six places."""
    if isinstance(value, float):
        return round(value, ROUNDING)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def _split_numbers(answers: Answers) -> SplitNumbers:
    return SplitNumbers(
        **metrics_of(answers).model_dump(),
        brier=round(brier(answers.probabilities, answers.truths), ROUNDING),
        blank=int(answers.refused.sum()),
    )


def _sureness(answers: Answers, *, right: bool) -> Sureness:
    values = answers.confidence[answers.right == right]
    if not len(values):
        return Sureness(n=0, mean=None, median=None)
    return Sureness(n=len(values), mean=float(values.mean()), median=float(np.median(values)))
