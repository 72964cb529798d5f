from __future__ import annotations

import contextlib

import numpy as np
import pytest

from app.digits.classifier import DigitClassifier
from app.digits.errors import BlankPicture, NoReader, TooManyDigits
from app.digits.manifest import Preprocessing
from app.digits.preprocessing import Grey
from app.digits.reader import Reader
from tests.digits.written import written


@pytest.fixture(scope="module")
def reader(shipped: DigitClassifier) -> Reader:
    return Reader(shipped)


def test_read_number_is_its_text_boxes_and_probability(reader: Reader) -> None:
    reading = reader.read(written("90210"))
    assert reading.text == "90210"
    assert [digit.label for digit in reading.digits] == list("90210")
    assert reading.probability == pytest.approx(np.prod([digit.prediction.probability for digit in reading.digits]))
    lefts = [digit.box[0] for digit in reading.digits]
    assert lefts == sorted(lefts)
    (line,) = reading.lines
    assert line.box[0] == lefts[0]


def test_read_several_lines_are_joined_by_line_feeds(reader: Reader) -> None:
    assert reader.read(written(["2346", "57", "980"])).text == "2346\n57\n980"


@pytest.mark.parametrize("text", ["27", "35", "4690"])
def test_read_touching_digits_are_split(reader: Reader, text: str) -> None:
    assert reader.read(written(text, gap=-0.42)).text == text


def _inverted(picture: Grey) -> Grey:
    return 255 - picture


def _ruled(picture: Grey) -> Grey:
    ruled = picture.copy()
    for y in range(12, len(ruled), 40):
        ruled[y : y + 2] = np.minimum(ruled[y : y + 2], 170)
    return ruled


def _shaded(picture: Grey) -> Grey:
    return (picture * np.linspace(1, 0.6, picture.shape[1])).astype(np.uint8)


def _specked(picture: Grey) -> Grey:
    specked = picture.copy()
    specked[4:7, 4:7] = specked[-8:-5, -30:-27] = 30
    return specked


def _boxed(picture: Grey) -> Grey:
    """Each digit in a cell of a form, as ``written`` lays them out."""
    boxed = picture.copy()
    for x in range(21, boxed.shape[1] - 10, 64):
        boxed[14:94, x : x + 2] = 60
    boxed[14:16, 21 : boxed.shape[1] - 19] = boxed[92:94, 21 : boxed.shape[1] - 19] = 60
    return boxed


@pytest.mark.parametrize("change", [_inverted, _ruled, _shaded, _specked, _boxed])
def test_read_paper_light_and_polarity_change_nothing(reader: Reader, change: object) -> None:
    assert callable(change)
    assert reader.read(change(written("3749"))).text == "3749"


@pytest.mark.parametrize("factor", [2, 6])
def test_read_larger_picture_has_its_boxes_in_the_original(reader: Reader, factor: int) -> None:
    small = written("468")
    large = reader.read(small.repeat(factor, axis=0).repeat(factor, axis=1))
    assert large.text == "468"
    for digit, other in zip(large.digits, reader.read(small).digits, strict=True):
        assert np.abs(np.subtract(digit.box, np.multiply(other.box, factor))).max() <= 3 * factor


def test_read_broken_stroke_stays_one_digit(reader: Reader) -> None:
    picture = written("253")
    picture[:, 21 + 64 : 21 + 128][18 : 24 + 21] = 255  # a gap of the pen between the 5's flag and its body
    assert len(reader.read(picture).digits) == 3


@pytest.mark.parametrize(("grain", "side"), [(4, 28), (4, 112), (32, 1280), (100, 1280)])
def test_read_texture_costs_no_more_runs_than_ten_doubtful_pieces(grain: int, side: int, shipped: DigitClassifier) -> None:
    spots = np.random.default_rng(0).random((side // grain, side // grain)) < 0.33
    rounds = Reader(shipped).rounds(np.kron(spots, np.full((grain, grain), 255)).astype(np.uint8))
    images, count = next(rounds), 0
    with contextlib.suppress(StopIteration):
        while True:
            count += len(images)
            images = rounds.send(shipped.infer(images))
    assert count < 64 + 64 + 10 * 2 * 51


def test_read_blank_page_is_blank(reader: Reader) -> None:
    with pytest.raises(BlankPicture):
        reader.read(np.full((90, 400), 255, np.uint8))


def test_read_more_digits_than_the_limit_is_refused_before_the_model_runs(shipped: DigitClassifier) -> None:
    rounds = Reader(shipped, most_digits=4).rounds(written("12345"))
    with pytest.raises(TooManyDigits, match="5"):
        next(rounds)


def test_reader_model_of_whole_pictures_is_refused(shipped: DigitClassifier) -> None:
    manifest = shipped.manifest.model_copy(update={"preprocessing": Preprocessing(name="fit", version="1")})
    with pytest.raises(NoReader, match="fit"):
        Reader(DigitClassifier(manifest, shipped.session))


def test_rounds_pieces_are_one_batch(shipped: DigitClassifier) -> None:
    images = next(Reader(shipped).rounds(written(["12345", "67890"])))
    assert images.shape == (10, 1, 28, 28)
    assert images.dtype == np.uint8
