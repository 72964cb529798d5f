from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.digits.occlusion import SCALE, Occlusion, overlay
from app.digits.preprocessing import mnist_frame
from tests.fakes import LABELS, FakeSession
from training.strokes import draw_digit

SEVEN = mnist_frame(draw_digit("7")).image
FULL = np.pad(np.random.default_rng(0).integers(1, 256, (26, 26), np.uint8), 1)[None]


@pytest.mark.parametrize("image", [SEVEN, FULL])
def test_occlusion_covers_every_pixel_of_ink_and_begins_with_the_whole(image: np.ndarray) -> None:
    occlusion = Occlusion.of(image)
    assert (occlusion.images[0] == image).all()
    assert len(occlusion.images) == 1 + len(occlusion.places) <= 122
    covered = (occlusion.images[1:] != image).sum(axis=0)
    assert (covered[image > 0] > 0).all()


def test_occlusion_of_a_blank_frame_is_the_frame_alone() -> None:
    occlusion = Occlusion.of(np.zeros((1, 28, 28), np.uint8))
    assert (len(occlusion.images), occlusion.places) == (1, ())
    assert (occlusion.drops(np.full((1, 10), 0.1, np.float32), 3) == 0).all()


def test_drops_are_where_the_ink_is_that_the_label_rests_on() -> None:
    occlusion = Occlusion.of(SEVEN)
    ink = occlusion.images[:, 0].astype(np.float64)
    rows, columns = np.nonzero(SEVEN[0] > 200)
    row, column = int(rows[0]), int(columns[0])
    rests = ink[:, row, column] / 255 / 2 + 0.25  # a model that looks at one pixel
    drops = occlusion.drops(np.stack([rests, 1 - rests], axis=1).astype(np.float32), 0)
    assert drops[row, column] == drops.max() > 0
    assert drops[:, : max(0, column - 6)].max(initial=0) == 0
    np.testing.assert_allclose(occlusion.drops(np.stack([rests, 1 - rests], axis=1).astype(np.float32), 1), -drops, atol=1e-6)


def test_drops_of_all_labels_sum_to_nothing() -> None:
    occlusion = Occlusion.of(SEVEN)
    probabilities = FakeSession().run(occlusion.images).probabilities
    total = sum(occlusion.drops(probabilities, position) for position in range(len(LABELS)))
    np.testing.assert_allclose(total, 0, atol=1e-5)


def test_overlay_is_red_where_the_label_rests_on_the_picture_and_blue_where_not() -> None:
    drops = np.zeros((28, 28), np.float32)
    drops[5, 5], drops[20, 20] = 0.8, -0.8
    picture = np.asarray(Image.open(io.BytesIO(overlay(SEVEN, drops))))
    assert picture.shape == (28 * SCALE, 28 * SCALE, 3)
    middle = SCALE // 2
    red, blue = (picture[place * SCALE + middle, place * SCALE + middle].astype(int) for place in (5, 20))
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert (picture[middle, middle] == 0).all()
