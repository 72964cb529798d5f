from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.digits import table
from app.digits.errors import BrokenTable
from tests.pictures import CSVS, SEVEN, csv

ROW = b",".join([b"7"] * 28) + b"\n"


@pytest.mark.parametrize("name", CSVS)
def test_parse_table_gives_every_pixel(name: str) -> None:
    assert table.looks_like_table(CSVS[name])
    np.testing.assert_array_equal(table.parse(CSVS[name]), SEVEN)


@given(arrays(np.uint8, (28, 28)).filter(lambda grey: grey.max() > 1), st.sampled_from(",;\t"))
def test_parse_any_picture_comes_back(grey: np.ndarray, separator: str) -> None:
    np.testing.assert_array_equal(table.parse(csv(grey, separator=separator)), grey)


def test_parse_shares_are_read_as_of_255() -> None:
    grey = np.arange(784, dtype=np.uint8).reshape(28, 28)
    np.testing.assert_array_equal(table.parse(csv(grey, shares=True)), grey)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ROW * 27, "27 rows"),
        (ROW * 29, "29 rows"),
        (ROW * 30, "30 rows"),
        (b"", "0 rows"),
        (ROW * 27 + ROW[2:], "Row 28 of the CSV has 27 values"),
        (ROW * 27 + ROW.replace(b"7", b"seven", 1), "'seven', which is not a number"),
        (ROW * 27 + ROW.replace(b"7", b"", 1), "'', which is not a number"),
        (ROW * 27 + ROW.replace(b"7", b"NaN", 1), "holds NaN"),
        (ROW * 27 + ROW.replace(b"7", b"inf", 1), "holds inf"),
        (ROW * 27 + ROW.replace(b"7", b"300", 1), "holds 300"),
        (ROW * 27 + ROW.replace(b"7", b"-1", 1), "holds -1"),
        (b"\xff\xfe" + ROW * 28, "not UTF-8"),
        (b" " * 70_000, "at most"),
    ],
)
def test_parse_bad_table_says_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(BrokenTable, match=message):
        table.parse(data)


@given(st.text(alphabet="0123456789.,;\t\n -+eainf_x", max_size=300))
def test_parse_any_text_raises_broken_table_only(text: str) -> None:
    with pytest.raises(BrokenTable):  # 300 characters hold no 784 numbers
        table.parse(text.encode())


@pytest.mark.parametrize("data", [b"Dear reader, this, and that, are words.\n", b"", b"\0" + ROW * 28, b"a\n" + ROW * 28])
def test_looks_like_table_prose_is_none(data: bytes) -> None:
    assert not table.looks_like_table(data)
