"""Real files of every format, hurt at random, through each room in this process; over HTTP they are in ``fuzz``.

The long form: ``pytest tests/reliability/test_fuzz.py --hypothesis-profile long``. What broke something has a test beside the
code that was mended: ``test_crowd`` (a JPEG of empty segments), ``test_uploads`` (a form of parts), ``test_logs`` (libtiff),
``test_image`` (a WebP where memory is short).
"""

from __future__ import annotations

import contextlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from app.api.multipart import parse_multipart
from app.api.problems import BodyTooLarge, InvalidTensor, MalformedInference, MalformedMultipart, TooManyFiles, TooManyImages
from app.api.v2.tensors import files_of, images_of
from app.api.v2.wire import split
from app.digits.errors import BrokenTable, DigitsError
from app.digits.image import Grey, Limits, decode
from app.digits.preprocessing import mnist_frame
from app.digits.segmentation import find_lines
from app.digits.table import parse
from tests import pictures
from tests.reliability.fuzz import FORM, hurt_inference
from tests.reliability.mutate import SEEDS, mutated

LIMITS = Limits(max_image_pixels=40_000)
CHANCES = st.integers(0, 2**64).map(random.Random)
SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)
PICTURES = arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 3, 130, 252, 255]))
WARNINGS = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def _framed(grey: Grey) -> None:
    with contextlib.suppress(DigitsError):
        image = mnist_frame(grey).image
        assert image.dtype == np.uint8
        assert image.shape == (1, 28, 28)


def _segmented(grey: Grey) -> None:
    with contextlib.suppress(DigitsError):
        page = find_lines(grey)
        for piece in (piece for line in page.lines for piece in line):
            x, y, width, height = page.in_original(piece)
            assert 0 <= x < x + width <= grey.shape[1]
            assert 0 <= y < y + height <= grey.shape[0]


@WARNINGS
@given(CHANCES, st.sampled_from(sorted(SEEDS)))
def test_file_hurt_at_random_is_framed_and_segmented_or_refused(chance: random.Random, name: str) -> None:
    with contextlib.suppress(DigitsError):
        grey = decode(mutated(SEEDS[name], chance), LIMITS)
        _framed(grey)
        _segmented(grey)


@given(PICTURES)
def test_picture_of_any_pixels_is_framed_and_segmented_or_refused(grey: Grey) -> None:
    _framed(grey)
    _segmented(grey)


@given(CHANCES, st.sampled_from(sorted(pictures.CSVS)))
def test_table_hurt_at_random_is_read_or_refused(chance: random.Random, name: str) -> None:
    with contextlib.suppress(BrokenTable):
        grey = parse(mutated(pictures.CSVS[name], chance))
        assert grey.dtype == np.uint8
        assert grey.shape == (28, 28)


@given(CHANCES)
def test_form_hurt_at_random_is_read_or_refused(chance: random.Random) -> None:
    with contextlib.suppress(MalformedMultipart, TooManyFiles):
        assert parse_multipart(mutated(FORM, chance), b"b", max_files=64)


@given(CHANCES, st.sampled_from(["UINT8", "FP32"]))
def test_binary_tensor_hurt_at_random_is_read_or_refused(chance: random.Random, datatype: str) -> None:
    with contextlib.suppress(MalformedInference, InvalidTensor, TooManyImages, BodyTooLarge):
        request, binary = split(*hurt_inference(datatype, chance))
        images = images_of(request.inputs[0], binary, 256)
        assert images.shape[1:] == (1, 28, 28)


@given(CHANCES)
def test_binary_files_hurt_at_random_are_told_apart_or_refused(chance: random.Random) -> None:
    with contextlib.suppress(MalformedInference, InvalidTensor, TooManyFiles, BodyTooLarge):
        body, header_length = hurt_inference("BYTES", chance)
        request, binary = split(body, header_length)
        files = files_of(request.inputs[0], binary, 64)
        assert sum(map(len, files)) <= len(body)
