import numpy as np
import pytest
from scipy.special import softmax

from training.calibrate import (
    expected_calibration_error,
    expected_ece_if_calibrated,
    fit_margins,
    fit_temperature,
    wilson_interval,
)

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(20_000, 10)) * 2
LABELS = np.array([RANDOM.choice(10, p=row) for row in softmax(LOGITS, axis=1)])


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_fit_temperature_undoes_how_sharp_the_logits_are(sharpness: float) -> None:
    assert fit_temperature(LOGITS * sharpness, LABELS) == pytest.approx(sharpness, rel=0.03)


def test_fit_margins_of_what_a_temperature_calibrates_is_none() -> None:
    assert fit_margins(LOGITS, LABELS) is None


def test_fit_margins_finds_the_power_that_the_margins_were_bent_by() -> None:
    margins = LOGITS.max(axis=1, keepdims=True) - LOGITS
    found = fit_margins(-3 * np.sqrt(margins), LABELS)
    assert found is not None
    assert (found.unit, found.power) == pytest.approx((3, 2), rel=0.05)


def test_ece_of_true_probabilities_is_what_chance_alone_shows() -> None:
    probabilities = softmax(LOGITS, axis=1)
    assert expected_calibration_error(probabilities, LABELS) == pytest.approx(
        expected_ece_if_calibrated(probabilities, rounds=50), abs=0.005
    )


def test_ece_of_overconfidence_is_the_gap() -> None:
    probabilities = np.tile([0.9, 0.1], (1000, 1))
    labels = np.repeat([0, 1], 500)
    labels = np.random.default_rng(1).permutation(labels)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.4, abs=0.03)


def test_wilson_interval_matches_the_published_example() -> None:
    # Newcombe (1998), table I: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_wilson_interval_of_all_right_stays_within_one() -> None:
    low, high = wilson_interval(100, 100)
    assert 0.95 < low < high == 1.0
