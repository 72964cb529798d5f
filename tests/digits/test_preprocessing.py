from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.digits.errors import BlankPicture
from app.digits.image import decode
from app.digits.preprocessing import CENTRE, CENTRE_TOLERANCE, PREPROCESSINGS, Frame, Grey, fit, mnist_frame, native_box
from tests.pictures import csv
from training.strokes import GLYPHS, as_png, draw_digit

DRAWINGS = st.builds(
    draw_digit,
    st.sampled_from(sorted(GLYPHS)),
    size=st.integers(40, 150),
    thickness=st.floats(0.06, 0.13),
    slant=st.floats(-0.15, 0.2),
    ink=st.integers(0, 100),
    paper=st.just(255),
)
PICTURES = arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60)))


@given(DRAWINGS)
def test_mnist_frame_drawing_is_framed_like_mnist(drawing: Grey) -> None:
    frame = mnist_frame(drawing)
    assert frame.image.shape == (1, 28, 28)
    assert frame.image.dtype == np.uint8
    assert frame.image.max() == 255
    assert native_box(frame.image[0])
    assert max(abs(axis - CENTRE) for axis in _centre_of_mass(frame.image[0])) <= CENTRE_TOLERANCE


@given(DRAWINGS)
def test_mnist_frame_framed_picture_changes_nothing(drawing: Grey) -> None:
    framed = mnist_frame(drawing).image
    again = mnist_frame(framed[0])
    np.testing.assert_array_equal(again.image, framed)
    assert again.steps == ("native",)


@pytest.mark.parametrize("as_file", [as_png, csv])
def test_mnist_frame_native_file_passes_with_no_pixel_changed(as_file: type[bytes]) -> None:
    native = mnist_frame(draw_digit("3")).image
    np.testing.assert_array_equal(mnist_frame(decode(as_file(native[0]))).image, native)


@given(DRAWINGS)
def test_mnist_frame_inverted_picture_gives_same_frame(drawing: Grey) -> None:
    frame, inverted = mnist_frame(drawing), mnist_frame(255 - drawing)
    np.testing.assert_array_equal(inverted.image, frame.image)
    assert inverted.box == frame.box
    assert (frame.steps[0], inverted.steps[0]) == ("dark ink on light paper", "light ink on dark paper")


@given(DRAWINGS, st.integers(0, 90), st.integers(0, 90))
def test_mnist_frame_moved_ink_does_not_move_the_frame(drawing: Grey, right: int, down: int) -> None:
    size = len(drawing)
    canvas = np.full((250, 250), 255, np.uint8)  # not so large that pixels are averaged
    moved = canvas.copy()
    canvas[5 : 5 + size, 5 : 5 + size] = drawing
    moved[5 + down : 5 + down + size, 5 + right : 5 + right + size] = drawing
    frame, other = mnist_frame(canvas), mnist_frame(moved)
    np.testing.assert_array_equal(other.image, frame.image)
    x, y, width, height = frame.box
    assert other.box == (x + right, y + down, width, height)


@pytest.mark.parametrize("factor", [2, 5, 12])
def test_mnist_frame_enlarged_picture_gives_nearly_same_frame(factor: int) -> None:
    drawing = draw_digit("5", size=100)
    small, large = mnist_frame(drawing), mnist_frame(drawing.repeat(factor, axis=0).repeat(factor, axis=1))
    assert np.abs(large.image.astype(int) - small.image).mean() < 4
    assert np.allclose(large.box, np.multiply(small.box, factor), atol=2 * factor)


@pytest.mark.parametrize(("across", "down"), [(60, 0), (0, -60), (40, 50)])
def test_mnist_frame_light_that_falls_off_gives_nearly_same_frame(across: int, down: int) -> None:
    drawing = draw_digit("5", size=120, ink=60, paper=150)
    y, x = np.mgrid[-0.5:0.5:120j, -0.5:0.5:120j]
    uneven = np.rint(drawing + across * x + down * y).clip(0, 255).astype(np.uint8)
    assert _difference(mnist_frame(uneven), mnist_frame(drawing)) < 3


@pytest.mark.parametrize("level", [0, 120, 255])
def test_mnist_frame_edge_of_a_sheet_is_not_ink(level: int) -> None:
    drawing = np.pad(draw_digit("3", size=120, ink=90, paper=200), 15, constant_values=200)
    framed = drawing.copy()
    framed[:6, :80] = level
    framed[:, -5:] = level
    assert _difference(mnist_frame(framed), mnist_frame(drawing)) < 3


def test_mnist_frame_faint_ink_in_noise_is_found() -> None:
    drawing = draw_digit("7", size=64, ink=150, paper=170).astype(float)
    noisy = np.rint(drawing + np.random.default_rng(0).normal(0, 2.5, drawing.shape)).clip(0, 255).astype(np.uint8)
    assert _difference(mnist_frame(noisy), mnist_frame(draw_digit("7", size=64))) < 12


def test_mnist_frame_speck_and_line_beside_the_digit_do_not_move_it() -> None:
    drawing = draw_digit("4", size=160)
    littered = np.full((320, 320), 255, np.uint8)
    littered[80:240, 80:240] = drawing
    clean = mnist_frame(littered)
    littered[20:24, 20:24] = 0
    littered[300:303] = 100
    assert mnist_frame(littered).box == clean.box


def test_mnist_frame_thin_stroke_grows_to_what_mnist_has() -> None:
    thin, usual = (mnist_frame(draw_digit("2", size=280, thickness=width)).image for width in (0.012, 0.09))
    assert thin.astype(int).sum() > 0.6 * usual.astype(int).sum()


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 900), (1200, 900)])
@pytest.mark.parametrize("level", [0, 127, 255])
def test_mnist_frame_even_picture_is_blank(shape: tuple[int, int], level: int) -> None:
    with pytest.raises(BlankPicture):
        mnist_frame(np.full(shape, level, np.uint8))


def test_mnist_frame_paper_noise_is_blank() -> None:
    noise = np.random.default_rng(0).integers(240, 256, (200, 200)).astype(np.uint8)
    with pytest.raises(BlankPicture):
        mnist_frame(noise)


def test_mnist_frame_faint_specks_far_apart_are_blank() -> None:
    specks = np.full((400, 400), 255, np.uint8)
    specks[[0, 0, -1, -1], [0, -1, 0, -1]] = 225
    with pytest.raises(BlankPicture):
        mnist_frame(specks)


@given(PICTURES)
def test_mnist_frame_any_picture_is_framed_or_blank(picture: Grey) -> None:
    try:
        frame = mnist_frame(picture)
    except BlankPicture:
        return
    assert frame.image.shape == (1, 28, 28)
    assert frame.image.any()
    x, y, width, height = frame.box
    assert min(x, y) >= 0
    assert min(width, height) >= 1
    assert x + width <= picture.shape[1]
    assert y + height <= picture.shape[0]


@given(PICTURES)
def test_fit_any_picture_fills_the_frame(picture: Grey) -> None:
    frame = fit(picture)
    height, width = picture.shape
    assert frame.image.shape == (1, 28, 28)
    assert frame.box == (0, 0, width, height)


def test_fit_frame_sized_picture_changes_nothing() -> None:
    picture = np.arange(784, dtype=np.uint8).reshape(28, 28)
    np.testing.assert_array_equal(fit(picture).image[0], picture)


def test_fit_wide_picture_keeps_its_aspect_between_bars_of_its_border() -> None:
    picture = np.full((20, 40), 90, np.uint8)
    picture[5:15, 10:30] = 250
    image = fit(picture).image[0]
    assert (image[:7] == 90).all()
    assert (image[-7:] == 90).all()
    assert image[14, 14] > 200


def test_preprocessings_are_those_that_manifests_name() -> None:
    assert set(PREPROCESSINGS) == {("mnist-frame", "2"), ("fit", "1")}


@pytest.mark.mnist
@pytest.mark.parametrize("part", ["train", "t10k"])
def test_mnist_frame_all_mnist_pictures_pass_with_no_pixel_changed(part: str) -> None:
    for picture in _mnist(part):
        assert mnist_frame(picture).steps == ("native",)


def _mnist(part: str) -> Grey:
    """All pictures of one of MNIST's files, uint8 (N, 28, 28), from the IDX format's own bytes."""
    data_dir = os.environ.get("DIGITS_DATA_DIR")
    if not data_dir:
        pytest.skip("DIGITS_DATA_DIR is not set")
    path = Path(data_dir) / f"MNIST/raw/{part}-images-idx3-ubyte"
    if not path.is_file():
        pytest.skip(f"there is no MNIST/raw/{path.name} in DIGITS_DATA_DIR")
    return np.fromfile(path, np.uint8, offset=16).reshape(-1, 28, 28)


def _difference(one: Frame, other: Frame) -> float:
    """Mean difference of two frames' pixels, in grey levels."""
    return float(np.abs(one.image.astype(int) - other.image).mean())


def _centre_of_mass(image: Grey) -> tuple[float, float]:
    rows, columns = np.indices(image.shape)
    return float(np.average(columns, weights=image)), float(np.average(rows, weights=image))
