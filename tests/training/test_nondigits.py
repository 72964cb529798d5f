import itertools

import numpy as np
import pytest

from app.digits.manifest import Thresholds
from tests.fakes import LABELS
from training.abstain import fit_thresholds
from training.letters import CURSIVE, KANA, OTHERS, letter_frames, strokes_of
from training.nondigits import KINDS, draw_nondigit, framed, nondigit_frames
from training.trainer import Data


@pytest.mark.parametrize("kind", KINDS)
def test_draw_nondigit_of_every_kind_is_a_picture_of_its_own(data: Data, kind: str) -> None:
    random = np.random.default_rng(0)
    first, second = (draw_nondigit(kind, data.train, random) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.ndim == 2
    assert first.shape != second.shape or (first != second).any()


def test_nondigit_frames_are_of_all_kinds_and_the_same_for_the_same_seed(data: Data) -> None:
    frames, kinds = nondigit_frames(300, data.train, seed=1)
    again, _ = nondigit_frames(10, data.train, seed=1)
    other, _ = nondigit_frames(10, data.train, seed=2)
    assert (frames[:10] == again).all()
    assert (frames[:10] != other).any()
    assert set(kinds) == set(KINDS)
    assert frames.shape == (300, 28, 28)
    assert (frames.max(axis=(1, 2)) == 255).all()


def test_letter_frames_are_framed_whole_and_the_same_for_the_same_seed() -> None:
    frames = letter_frames(60, seed=1)
    assert (letter_frames(5, seed=1) == frames[:5]).all()
    assert (letter_frames(5, seed=2) != frames[:5]).any()
    assert frames.shape == (60, 28, 28)
    assert (frames.max(axis=(1, 2)) == 255).all()


def test_picture_of_which_framing_keeps_one_stroke_is_not_used() -> None:
    picture = np.full((84, 84), 255, np.uint8)
    picture[10:74, 12:18] = 0
    assert framed(picture) is not None
    picture[10:74, 66:72] = 0
    assert framed(picture) is None


@pytest.mark.parametrize("text", [*KANA.values(), *itertools.chain(*CURSIVE.values()), *OTHERS.values()])
def test_letter_lies_in_the_unit_square(text: str) -> None:
    for stroke in strokes_of(text):
        assert len(stroke) >= 2
        assert stroke.min() >= 0 and stroke.max() <= 1


def test_fit_thresholds_declines_one_percent_and_no_more() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(len(LABELS), 0.05), 5000).astype(np.float32)
    thresholds = fit_thresholds(probabilities)
    two, best = np.sort(probabilities.astype(float), axis=1)[:, -2:].T
    assert 0.005 < (best < thresholds.probability).mean() <= 0.01
    assert 0.005 < (best + two < thresholds.two_labels).mean() <= 0.01


def test_fit_thresholds_of_a_model_that_never_doubts_declines_nobody() -> None:
    assert fit_thresholds(np.eye(3, dtype=np.float32)) == Thresholds(probability=1, two_labels=1)
