"""What people do to a picture of a digit and still read it: the shipped model must read it as before."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pytest
from PIL import Image

from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.preprocessing import Grey
from training.strokes import GLYPHS, draw_by_hand, draw_digit

Change = Callable[[Grey], Grey]

SEED: Final = 1
HANDS: Final = 2  # drawings of each digit
SCANS: Final = 30


def _on(paper: tuple[int, int], x: int, y: int) -> Change:
    def change(picture: Grey) -> Grey:
        height, width = picture.shape
        canvas = np.full(paper, 255, np.uint8)
        canvas[y : y + height, x : x + width] = picture
        return canvas

    return change


def _scaled(factor: float) -> Change:
    def change(picture: Grey) -> Grey:
        size = [round(side * factor) for side in picture.shape[::-1]]
        resampling = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(picture).resize(size, resampling))

    return change


def _lit(across: float, down: float, *, contrast: float = 0.45) -> Change:
    """Paper of a middle grey, under light that falls off."""

    def change(picture: Grey) -> Grey:
        y, x = np.mgrid[-0.5 : 0.5 : picture.shape[0] * 1j, -0.5 : 0.5 : picture.shape[1] * 1j]
        lit: Grey = np.rint(70 + contrast * picture + across * x + down * y).clip(0, 255).astype(np.uint8)
        return lit

    return change


def _noisy(sigma: float, *, contrast: float = 0.4) -> Change:
    def change(picture: Grey) -> Grey:
        noise = np.random.default_rng(SEED).normal(0, sigma, picture.shape)
        return np.rint(90 + contrast * picture + noise).clip(0, 255).astype(np.uint8)

    return change


def _edged(width: int, level: int, sides: tuple[int, ...]) -> Change:
    """Bands of one level on some of the four sides, eight pixels from the drawing."""

    def change(picture: Grey) -> Grey:
        picture = np.pad(picture, width + 8, constant_values=255)
        for side in sides:
            turned = np.rot90(picture, side)  # a view: what it is given, the picture gets
            turned[:width] = level
        return picture

    return change


def _jpeg(quality: int) -> Change:
    def change(picture: Grey) -> Grey:
        file = io.BytesIO()
        Image.fromarray(picture).convert("RGB").save(file, "JPEG", quality=quality)
        return decode(file.getvalue())

    return change


def _transparent(picture: Grey) -> Grey:
    black = Image.new("L", picture.shape[::-1], 0)
    file = io.BytesIO()
    Image.merge("RGBA", (black, black, black, Image.fromarray(255 - picture))).save(file, "PNG")
    return decode(file.getvalue())


def _tight(margin: int) -> Change:
    def change(picture: Grey) -> Grey:
        rows, columns = np.nonzero(picture < 128)
        cropped = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        return np.pad(cropped, margin, constant_values=255)

    return change


def _inverted(picture: Grey) -> Grey:
    return 255 - picture


def _both(first: Change, second: Change) -> Change:
    return lambda picture: second(first(picture))


ALL_SIDES: Final = (0, 1, 2, 3)
CHANGES: Final[dict[str, Change]] = {
    "inverted": _inverted,
    "moved": _on((260, 300), 130, 20),
    "moved into a corner": _on((600, 800), 660, 440),
    "far away": _on((1200, 1200), 300, 900),
    **{f"scaled by {factor}": _scaled(factor) for factor in (0.5, 0.75, 2, 4, 16)},
    "light from the side": _lit(60, -30),
    "strong light from a corner": _lit(100, 50),
    "light on dark, lit": _both(_lit(60, -40), _inverted),
    "faint in uneven light": _lit(60, 30, contrast=0.15),
    "noise": _noisy(8),
    "enlarged, in noise": _both(_scaled(4), _noisy(10)),
    "far away, in noise": _both(_on((900, 1200), 150, 500), _noisy(6)),
    "JPEG": _jpeg(40),
    "poor JPEG": _jpeg(20),
    "small JPEG": _both(_scaled(0.5), _jpeg(50)),
    "transparent": _transparent,
    "dark border": _edged(5, 0, ALL_SIDES),
    "grey border": _edged(5, 120, ALL_SIDES),
    "white on black, in a border": _both(_edged(5, 0, ALL_SIDES), _inverted),
    "border in noise": _both(_edged(8, 0, ALL_SIDES), _noisy(5)),
    "border in uneven light": _both(_edged(8, 40, ALL_SIDES), _lit(50, -30)),
    "border as JPEG": _both(_edged(6, 0, ALL_SIDES), _jpeg(60)),
    "drawn box": _both(_edged(3, 60, ALL_SIDES), lambda picture: np.pad(picture, 15, constant_values=255)),
    "dark edge": _edged(6, 0, (0,)),
    "grey edge": _edged(8, 90, (1,)),
    "light edge": _both(_edged(6, 0, (0,)), _both(_inverted, _lit(0, 0, contrast=0.5))),
    "edges that meet": _edged(6, 0, (0, 1)),
    "edges on three sides": _edged(6, 30, (0, 1, 3)),
    "edges that meet, in noise": _both(_edged(6, 0, (0, 1)), _noisy(4)),
}


@pytest.fixture(scope="module")
def drawn(shipped: DigitClassifier) -> list[tuple[Grey, str]]:
    """Drawings that the model is sure of, and its labels."""
    random = np.random.default_rng(SEED)
    pictures = [draw_by_hand(digit, random) for digit in GLYPHS for _ in range(HANDS)]
    pictures += [draw_digit(digit, thickness=thickness) for digit in GLYPHS for thickness in (0.06, 0.12, 0.17)]
    return _sure(pictures, shipped)


@pytest.fixture(scope="module")
def enlarged(shipped: DigitClassifier) -> list[tuple[Grey, str]]:
    """Digits of 43 people, 8×8 pixels enlarged to 96 (Alpaydin & Kaynak 1998, as scikit-learn has them)."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed (make install)")
    images = np.rint(255 - datasets.load_digits().images[:SCANS] * 255 / 16).astype(np.uint8)
    return _sure([np.pad(_scaled(12)(image), 12, constant_values=255) for image in images], shipped)


def _sure(pictures: Sequence[Grey], shipped: DigitClassifier) -> list[tuple[Grey, str]]:
    frames = np.stack([shipped.frame(picture).image for picture in pictures])
    rows = shipped.infer(frames).probabilities
    labels = shipped.manifest.labels
    sure = [(picture, labels[row.argmax()]) for picture, row in zip(pictures, rows, strict=True) if row.max() > 0.9]
    assert len(sure) > 0.8 * len(pictures)
    return sure


def _misread(pictures: list[tuple[Grey, str]], change: Change, shipped: DigitClassifier) -> list[str]:
    frames = np.stack([shipped.frame(change(picture)).image for picture, _ in pictures])
    labels = [shipped.manifest.labels[position] for position in shipped.infer(frames).probabilities.argmax(axis=1)]
    return [f"{truth} as {label}" for label, (_, truth) in zip(labels, pictures, strict=True) if label != truth]


@pytest.mark.parametrize("name", CHANGES)
def test_changed_drawing_keeps_its_label(name: str, drawn: list[tuple[Grey, str]], shipped: DigitClassifier) -> None:
    assert _misread(drawn, CHANGES[name], shipped) == []


@pytest.mark.parametrize("name", CHANGES)
def test_changed_scan_keeps_its_label(name: str, enlarged: list[tuple[Grey, str]], shipped: DigitClassifier) -> None:
    assert _misread(enlarged, CHANGES[name], shipped) == []


@pytest.mark.parametrize("change", [_tight(1), _tight(0), _both(_tight(0), _inverted), _both(_tight(0), _noisy(4))])
def test_drawing_cropped_to_its_ink_keeps_its_label_nearly_always(
    change: Change, drawn: list[tuple[Grey, str]], shipped: DigitClassifier
) -> None:
    assert len(_misread(drawn, change, shipped)) <= 0.05 * len(drawn)


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3])
def test_frame_in_strong_noise_keeps_its_label_nearly_always(
    sigma: float, drawn: list[tuple[Grey, str]], shipped: DigitClassifier
) -> None:
    frames = [(shipped.frame(picture).image[0], truth) for picture, truth in drawn for _ in range(2)]
    random = np.random.default_rng(SEED)

    def noisy(frame: Grey) -> Grey:
        return np.rint(frame + random.normal(0, 255 * sigma, frame.shape)).clip(0, 255).astype(np.uint8)

    assert len(_misread(frames, noisy, shipped)) <= 0.05 * len(frames)
