from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.digits.abstention import reason_to_abstain
from app.digits.classifier import DigitClassifier
from app.digits.errors import BlankPicture, UnknownLabel
from app.digits.manifest import Abstention, Thresholds
from app.digits.preprocessing import mnist_frame
from app.digits.session import Floats
from tests.fakes import LABELS, load_fake, make_model_folder
from tests.pictures import Grey
from training.strokes import as_png, draw_digit

RULE = Abstention(method="probability", thresholds=Thresholds(probability=0.9, two_labels=0.95), validation=0.01)


def row(*best: float) -> Floats:
    """Probabilities (10,) that begin with these."""
    rest = (1 - sum(best)) / (10 - len(best))
    return np.array([*best, *[rest] * (10 - len(best))], np.float32)


@pytest.fixture
def fake(tmp_path: Path) -> DigitClassifier:
    return load_fake(make_model_folder(tmp_path, abstention=RULE.model_dump()))


@pytest.mark.parametrize(
    ("best", "digits", "reason"),
    [
        ((0.97, 0.01), 1, None),
        ((0.5, 0.48), 1, "ambiguous"),
        ((0.3, 0.2), 1, "not_a_digit"),
        ((0.97, 0.01), 2, "several_digits"),
        ((0.3, 0.2), 3, "several_digits"),
    ],
)
def test_interpret_abstains_with_its_reason_and_keeps_the_ranking(
    fake: DigitClassifier, best: tuple[float, float], digits: int, reason: str | None
) -> None:
    prediction = fake.interpret(row(*best), 1, digits=digits)
    assert (prediction.reason, prediction.abstained) == (reason, reason is not None)
    assert prediction.label == (None if reason else "0")
    assert prediction.top_k[0].label == "0"
    assert prediction.probability == pytest.approx(best[0])


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 9))
def test_model_without_thresholds_never_abstains(best: float, second: float, digits: int) -> None:
    assert reason_to_abstain(None, best, second, digits) is None


def test_classify_several_digits_side_by_side_abstains(fake: DigitClassifier) -> None:
    (prediction,) = fake.classify([as_png(beside("3", "7"))])
    assert (prediction.label, prediction.reason) == (None, "several_digits")


def beside(*digits: str, gap: int = 10, size: int = 90) -> Grey:
    """Digits in a line, dark on light."""
    inks = [draw_digit(digit, size=size)[:, 8:-8] for digit in digits]
    parts = [part for ink in inks for part in (ink, np.full((size, gap), 255, np.uint8))]
    return np.pad(np.hstack(parts), 20, constant_values=255)


@pytest.mark.parametrize("digits", [("1", "1"), ("3", "7"), ("9", "0", "2"), ("4", "2", "1", "0")])
@pytest.mark.parametrize("gap", [4, 30, 80])
def test_frame_of_digits_that_stand_apart_counts_them(digits: tuple[str, ...], gap: int) -> None:
    assert mnist_frame(beside(*digits, gap=gap)).digits == len(digits)


def test_frame_of_a_digit_that_the_border_cuts_off_beside_the_whole_one_counts_both() -> None:
    cut = beside("3", "7", gap=30)[:, :-45]
    assert mnist_frame(cut).digits == 2


@pytest.mark.parametrize("digit", LABELS)
@pytest.mark.parametrize("slant", [-0.2, 0.3])
def test_frame_of_one_digit_counts_one(digit: str, slant: float) -> None:
    for size in (28, 56, 112):
        assert mnist_frame(draw_digit(digit, size=size, slant=slant)).digits == 1


def test_frame_of_one_digit_among_specks_and_a_detached_bar_counts_one() -> None:
    picture = draw_digit("5", size=112).copy()
    picture[16:22, 60:100] = 255  # cut the bar from the stem
    picture[[8, 90, 101], [90, 12, 100]] = 0
    assert mnist_frame(picture).digits == 1


@given(st.integers(0, 10_000))
def test_frame_of_any_picture_counts_one_at_least(seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = np.asarray(Image.fromarray(random.integers(0, 256, (9, 9), np.uint8)).resize((60, 60)))
    with contextlib.suppress(BlankPicture):
        assert mnist_frame(noise).digits >= 1


def test_position_of_a_label_that_the_model_has_not_is_named(fake: DigitClassifier) -> None:
    assert fake.position_of("7") == 7
    with pytest.raises(UnknownLabel, match=r"'A'.*0, 1, 2"):
        fake.position_of("A")
