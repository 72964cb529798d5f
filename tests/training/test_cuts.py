from __future__ import annotations

import pytest
import torch

from app.digits.classifier import DigitClassifier
from app.digits.splits import Weights
from tests.training.drawn import drawn_split
from training.cuts import LAYOUTS, Sample, fit, groups_of, loss_of

# Weights that say little, to begin with.
FLAT = Weights(probability=0.1, height=1, wide=0.1, crossed=0.1, cut=0, clear=0, width=0)


@pytest.fixture(scope="module")
def groups(shipped: DigitClassifier) -> list[list[Sample]]:
    return groups_of(drawn_split(seed=8, per_digit=3), shipped, 5, 0)


def test_samples_are_of_one_digit_but_for_touching_pairs(groups: list[list[Sample]]) -> None:
    spaced, touching, lone = ([sample.truth >= 10 for sample in group] for group in groups)
    assert len(groups) == len(LAYOUTS)
    assert len(spaced) > len(lone) > 0
    assert (any(spaced), any(lone)) == (False, False)
    assert sum(touching) > len(touching) / 2


def test_fit_makes_the_truth_likelier(groups: list[list[Sample]]) -> None:
    def loss(weights: Weights) -> float:
        of_groups = [loss_of(torch.tensor(weights, dtype=torch.float64), group) for group in groups]
        return float(torch.stack(of_groups).sum())

    assert loss(fit(groups, FLAT)) < 0.5 * loss(FLAT)
