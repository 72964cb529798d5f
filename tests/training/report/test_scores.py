import numpy as np
import pytest

from training.report.mcnemar import mcnemar
from training.report.scores import auroc, brier, class_scores, confused_pairs, confusion_matrix, reliability, selective

TRUTHS = np.array([0, 0, 0, 1, 1, 2, 2, 2])
ANSWERS = np.array([0, 0, 1, 1, 0, 2, 2, -1])


def test_confusion_matrix_counts_answers_by_truth_and_leaves_out_what_has_none() -> None:
    assert confusion_matrix(TRUTHS, ANSWERS, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 2]]


def test_class_scores_are_those_counted_by_hand() -> None:
    first, second, third = class_scores(TRUTHS, ANSWERS, ("a", "b", "c"))
    assert (first.n, first.precision, first.recall, first.f1) == pytest.approx((3, 2 / 3, 2 / 3, 2 / 3))
    assert (second.precision, second.recall) == pytest.approx((1 / 2, 1 / 2))
    assert (third.precision, third.recall, third.f1) == pytest.approx((1, 2 / 3, 4 / 5))
    assert third.interval[0] < third.recall < third.interval[1]


def test_class_scores_of_a_class_that_never_occurs_are_zero_and_no_error() -> None:
    (_, absent) = class_scores(np.array([0]), np.array([0]), ("a", "b"))
    assert (absent.n, absent.precision, absent.recall, absent.f1, absent.interval) == (0, 0, 0, 0, (0, 1))


def test_confused_pairs_count_both_directions_and_come_most_first() -> None:
    pairs = confused_pairs(np.array([[9, 2, 0], [3, 9, 1], [0, 0, 9]]), 10)
    assert [(pair.first, pair.second, pair.errors, pair.first_as_second) for pair in pairs] == [(0, 1, 5, 2), (1, 2, 1, 1)]


def test_brier_is_zero_when_sure_and_right_and_two_when_sure_and_wrong() -> None:
    assert brier(np.eye(3), np.array([0, 1, 2])) == 0
    assert brier(np.eye(3), np.array([1, 2, 0])) == 2
    assert brier(np.full((2, 2), 0.5), np.array([0, 1])) == pytest.approx(0.5)


def test_auroc_is_the_share_of_pairs_in_order_ties_half() -> None:
    higher, lower = np.array([0.9, 0.8, 0.5]), np.array([0.8, 0.1])
    expected = np.mean([1 if a > b else 0.5 if a == b else 0 for a in higher for b in lower])
    assert auroc(higher, lower) == pytest.approx(expected)


def test_reliability_bins_hold_every_answer_once() -> None:
    confidence, right = np.array([0.05, 0.91, 0.95, 1.0]), np.array([False, True, False, True])
    bins = reliability(confidence, right)
    assert [(one.n, one.accuracy) for one in bins] == [(1, 0), (3, pytest.approx(2 / 3))]
    assert bins[1].confidence == pytest.approx((0.91 + 0.95 + 1) / 3)


def test_selective_keeps_the_surest() -> None:
    confidence, right = np.array([0.9, 0.5, 0.8, 0.6]), np.array([True, False, True, True])
    half, three, whole = selective(confidence, right, np.array([0.5, 0.75, 1]))
    assert (half.accuracy, half.threshold) == (1, 0.8)
    assert (three.accuracy, whole.accuracy, whole.coverage) == (1, 0.75, 1)


def test_mcnemar_is_the_exact_binomial_of_the_pictures_that_differ() -> None:
    first = np.array([True] * 10 + [False] * 2 + [True] * 50 + [False] * 5)
    second = np.array([False] * 10 + [True] * 2 + [True] * 50 + [False] * 5)
    verdict = mcnemar(first, second)
    assert (verdict.both, verdict.only_first, verdict.only_second, verdict.neither) == (50, 10, 2, 5)
    assert verdict.p_value == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert verdict.difference == pytest.approx(-8 / 67)


def test_mcnemar_interval_is_the_published_one() -> None:
    # Fagerland, Lydersen and Laake (2014), airway hyper-responsiveness: 1, 1, 7, 12 of 21; Bonett and Price.
    first = np.array([True] * 2 + [False] * 7 + [False] * 12)
    second = np.array([True, False] + [True] * 7 + [False] * 12)
    assert mcnemar(first, second).interval == pytest.approx((0.0134, 0.5084), abs=1e-4)


def test_mcnemar_of_equal_answers_is_certain_chance() -> None:
    verdict = mcnemar(np.array([True, False]), np.array([True, False]))
    assert (verdict.p_value, verdict.difference) == (1, 0)
