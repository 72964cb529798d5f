import numpy as np
import pytest

from tests.training.drawn import drawn_split
from training.report.corruptions import CORRUPTIONS, STRENGTHS, corrupt

IMAGES = drawn_split(seed=4, per_digit=2).images
WITHOUT_CHANCE = {"scale", "blur", "contrast", "brightness", "thick", "thin", "jpeg", "low resolution"}


def test_corruptions_are_fifteen_at_least() -> None:
    assert len(CORRUPTIONS) >= 15


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corruption_keeps_shape_and_type_and_only_gets_worse(kind: str) -> None:
    spoilt = [corrupt(IMAGES, kind, strength) for strength in STRENGTHS]
    assert all(one.shape == IMAGES.shape and one.dtype == np.uint8 for one in spoilt)
    changes = [np.abs(one.astype(int) - IMAGES).mean() for one in spoilt]
    assert changes[0] > 0
    assert min(np.diff(changes)) > -0.02 * max(changes)  # what is moved quite away differs no more


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corruption_repeats_itself_by_seed(kind: str) -> None:
    first = corrupt(IMAGES, kind, 3)
    assert (first == corrupt(IMAGES, kind, 3)).all()
    assert (first == corrupt(IMAGES, kind, 3, seed=1)).all() == (kind in WITHOUT_CHANCE)


def test_corruption_leaves_its_input_alone() -> None:
    before = IMAGES.copy()
    for kind in CORRUPTIONS:
        corrupt(IMAGES, kind, 5)
    assert (before == IMAGES).all()


def test_corruption_takes_pictures_of_any_size() -> None:
    wide = np.pad(IMAGES[:1], ((0, 0), (2, 2), (10, 10)))
    assert {corrupt(wide, kind, 3).shape for kind in CORRUPTIONS} == {wide.shape}


def test_shift_moves_by_its_pixels() -> None:
    dot = np.zeros((20, 28, 28), np.uint8)
    dot[:, 14, 14] = 255
    moved = corrupt(dot, "shift", 5).astype(float)
    y, x = np.mgrid[:28, :28]
    centres = [(one * (y - 14)).sum() / one.sum() + 1j * (one * (x - 14)).sum() / one.sum() for one in moved]
    assert np.abs(centres) == pytest.approx(np.full(20, 5), abs=0.1)
