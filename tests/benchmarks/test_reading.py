"""The measurement of reading, on pages that our code draws."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (make install)")

from benchmarks.reading import rate, tesseract
from training.pages import Layout, Page, made_up_page
from training.strokes import draw_digit


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    images = np.stack([255 - draw_digit(digit) for digit in "0123456789"])
    return [made_up_page(images, range(10), seed, Layout(digits=(3, 4), rules=("plain",))) for seed in range(3)]


def test_rate_counts_exact_texts_with_their_interval(pages: list[Page]) -> None:
    exact = [page.text for page in pages]
    assert str(rate(exact, pages)).startswith("100.0% (43.9%")
    assert rate([exact[0], exact[1] + "1", ""], pages).hits == 1


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed (apt-get install tesseract-ocr)")
def test_tesseract_reads_each_page(pages: list[Page]) -> None:
    texts = tesseract(pages)
    assert len(texts) == len(pages)
    assert all(text.isdecimal() or not text for text in texts)
