"""Letters of other scripts, as pen strokes of our own: kana, some kanji, Greek and Cyrillic, for models to learn doubt on.

Left out is what a hand may mean as a digit: く, し, そ, ち, て, ら, る and ろ, the katakana that begin like フ, イ, エ, ヨ and
ロ, β, δ, σ, Э, Ч, and what Latin has too. つ is drawn wide.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.nondigits import Grey, curve, drawn_by_pen, framed, often_small

# Strokes divided by a slash, each of points x y in hundredths of a square, to the right and down, in the order of writing.
KANA: Final[dict[str, str]] = {
    "あ": "22 26 78 22 / 44 8 42 58 50 86 / 64 40 54 72 30 86 20 70 42 50 70 50 82 68 70 86 54 92",
    "い": "20 20 20 60 32 80 42 70 / 72 24 82 44 84 64",
    "う": "42 10 62 18 / 26 40 56 30 74 44 70 68 46 92",
    "え": "42 8 60 16 / 28 36 68 32 24 90 46 64 58 86 82 86",
    "お": "16 30 62 26 / 38 8 38 84 22 82 26 66 60 50 82 66 72 86 58 86 / 72 20 86 32",
    "か": "16 34 56 28 66 44 58 84 44 82 / 40 10 34 50 18 88 / 74 26 88 50",
    "き": "26 22 72 16 / 20 40 78 32 / 40 6 68 60 / 34 64 28 78 46 90 68 88",
    "け": "20 14 16 50 22 86 28 74 / 44 34 86 32 / 68 12 68 60 52 90",
    "こ": "30 20 72 18 / 24 62 30 82 76 82",
    "さ": "20 32 78 24 / 42 8 66 58 / 32 62 28 78 44 90 66 88",
    "す": "12 28 88 26 / 56 8 58 58 46 70 38 58 50 46 60 58 52 84 40 94",
    "せ": "12 44 88 36 / 68 12 68 56 58 60 / 32 20 32 78 44 88 76 86",
    "た": "14 28 54 24 / 36 8 18 86 / 54 44 82 42 / 50 66 54 82 86 82",
    "つ": "6 40 52 26 86 32 90 52 72 70 42 80",
    "と": "32 10 42 44 / 78 28 34 54 26 76 46 88 80 86",
    "な": "14 26 50 22 / 36 8 18 58 / 68 22 86 36 / 62 44 62 80 46 88 36 78 50 68 84 84",
    "に": "20 14 16 50 22 86 28 74 / 48 28 84 26 / 46 64 52 80 86 80",
    "ぬ": "20 22 40 78 / 56 12 44 54 24 82 16 62 36 36 66 28 84 48 80 76 64 88 54 78 68 68 92 88",
    "ね": "30 10 30 92 / 14 34 38 28 16 76 / 16 76 52 34 74 32 78 60 74 84 58 86 56 74 70 70 90 86",
    "の": "54 24 46 64 28 80 16 62 30 32 60 22 84 40 82 66 58 88",
    "は": "20 14 16 50 22 86 28 74 / 44 34 86 30 / 66 12 68 78 54 86 44 76 56 68 88 86",
    "ひ": "12 26 44 18 26 50 30 80 52 88 70 66 70 28 / 70 28 88 56",
    "ふ": "46 10 62 20 / 44 32 38 48 58 66 52 86 36 84 / 20 58 14 76 / 72 52 88 70",
    "へ": "8 60 38 32 92 74",
    "ほ": "20 14 16 50 22 86 28 74 / 46 18 84 16 / 44 42 86 38 / 66 18 68 80 54 88 44 78 56 70 88 88",
    "ま": "22 24 78 22 / 26 46 76 44 / 52 8 54 78 40 88 28 78 42 68 78 88",
    "み": "24 20 52 18 30 70 18 80 12 66 34 54 86 70 / 76 42 72 68 54 92",
    "む": "14 30 56 26 / 34 8 36 66 26 74 20 60 32 52 38 66 40 86 72 88 78 70 / 70 26 86 44",
    "め": "22 24 42 80 / 58 12 46 56 24 84 14 64 36 36 68 32 86 54 78 78 58 90",
    "も": "46 8 40 72 54 90 74 82 74 62 / 22 30 68 30 / 20 54 66 54",
    "や": "12 48 60 28 84 38 78 58 58 60 / 50 10 60 24 / 28 24 52 92",
    "ゆ": "18 22 14 68 22 46 44 26 72 28 82 48 68 68 44 60 / 54 10 56 62 40 90",
    "よ": "54 28 80 24 / 52 8 54 76 38 88 24 78 40 68 80 88",
    "り": "28 14 26 48 32 54 / 66 10 72 48 52 92",
    "れ": "30 10 30 92 / 14 34 38 28 16 76 / 16 76 52 36 66 34 66 70 72 86 90 74",
    "わ": "30 10 30 92 / 14 34 38 28 16 76 / 16 76 50 38 78 42 80 66 56 88",
    "を": "20 24 76 20 / 48 8 24 54 48 44 56 72 / 82 42 44 62 38 82 56 92 80 90",
    "ん": "52 8 14 90 36 54 50 60 54 86 72 84 88 60",
    "オ": "12 32 88 32 / 60 10 60 90 48 86 / 58 34 14 80",
    "カ": "16 34 82 34 74 88 60 84 / 46 10 40 50 16 90",
    "キ": "20 30 78 24 / 14 56 86 48 / 44 8 58 92",
    "サ": "10 34 90 34 / 32 12 32 60 / 68 12 68 52 46 90",
    "シ": "22 16 44 28 / 14 40 36 52 / 20 86 56 74 86 30",
    "ス": "22 20 74 20 54 60 14 88 / 54 58 84 88",
    "セ": "12 44 84 34 70 58 / 36 12 36 84 82 84",
    "タ": "44 8 16 46 / 36 26 80 26 62 68 22 92 / 36 46 66 64",
    "ツ": "18 26 26 48 / 44 20 52 42 / 84 22 70 66 34 90",
    "ナ": "12 36 88 36 / 54 8 50 60 22 92",
    "ニ": "22 28 78 28 / 10 76 90 76",
    "ネ": "46 6 56 16 / 20 28 76 28 14 70 / 48 48 48 94 / 60 52 84 70",
    "ハ": "38 20 12 82 / 60 18 88 82",
    "ヒ": "24 12 24 80 80 80 / 24 46 74 34",
    "ホ": "12 32 88 32 / 50 8 50 90 / 30 50 14 76 / 70 50 86 76",
    "ミ": "24 16 76 28 / 26 42 72 54 / 20 70 80 86",
    "ム": "48 12 18 82 / 18 82 78 78 / 62 56 86 90",
    "メ": "76 10 54 62 16 90 / 28 34 76 78",
    "モ": "22 22 76 22 / 12 50 86 50 / 46 22 46 84 80 84",
    "ヤ": "12 42 84 28 66 54 / 34 12 54 92",
    "ル": "34 16 32 60 12 88 / 58 10 58 86 88 60",
}
# As a brush runs them together.
CURSIVE: Final[dict[str, tuple[str, ...]]] = {
    "き": ("24 20 76 10 24 42 78 30 40 6 66 58 30 66 36 90 74 94", "20 24 78 14 / 22 48 80 38 50 4 66 64 26 66 40 92 76 92"),
    "つ": (
        "8 42 50 22 84 26 90 44 74 60 50 74",
        "14 36 40 26 70 18 88 30 80 48 56 66 36 76",
        "8 58 30 46 62 26 86 30 88 50 70 66 46 70",
    ),
    "は": ("24 8 16 60 26 88 44 40 66 34 56 12 58 74 46 86 42 72 62 76 80 88",),
    "や": ("12 42 40 24 70 14 88 34 64 54 52 44 / 34 8 50 60 46 94",),
    "れ": ("30 6 30 60 18 72 44 30 66 30 50 66 46 84 60 92 86 76",),
}
OTHERS: Final[dict[str, str]] = {
    "大": "12 36 88 36 / 50 8 46 50 14 92 / 50 44 86 92",
    "木": "10 34 90 34 / 50 8 50 92 / 48 36 12 78 / 52 36 88 78",
    "人": "50 10 46 50 12 90 / 50 40 88 90",
    "中": "18 28 82 28 82 62 18 62 18 28 / 50 8 50 94",
    "山": "50 12 50 84 / 16 42 16 86 84 86 / 84 42 84 86",
    "川": "20 14 20 60 12 88 / 50 18 50 80 / 82 12 82 92",
    "水": "50 8 50 90 38 82 / 14 36 40 36 12 78 / 82 24 56 44 / 54 42 88 82",
    "手": "72 10 28 18 / 22 36 78 34 / 10 56 90 56 / 50 16 52 88 38 86",
    "文": "50 8 52 22 / 12 28 88 28 / 70 30 52 64 14 92 / 30 32 52 66 86 92",
    "α": "82 22 64 60 40 82 20 66 22 38 44 26 64 52 84 82",
    "γ": "12 30 30 22 50 70 48 92 42 74 84 20",
    "η": "14 34 26 24 30 76 34 44 56 24 72 36 68 92",
    "λ": "22 12 38 14 80 90 / 50 44 18 90",
    "μ": "26 26 18 92 / 24 64 40 76 62 62 / 70 24 66 66 84 72",
    "π": "10 34 30 24 90 24 / 36 26 26 86 / 66 26 66 76 80 84",
    "φ": "34 30 14 54 32 76 62 74 84 48 70 28 54 40 44 94",
    "ψ": "14 28 22 62 48 74 76 60 84 26 / 54 10 46 94",
    "ω": "30 26 12 56 24 80 48 66 50 46 50 66 76 80 88 52 72 26",
    "Σ": "78 14 22 14 56 48 20 86 82 86",
    "Γ": "24 90 24 12 78 12",
    "Ω": "14 88 38 88 18 56 26 22 50 10 76 22 82 56 62 88 86 88",
    "Ψ": "16 16 20 48 50 60 80 48 84 16 / 50 8 50 92",
    "Д": "12 94 12 76 88 76 88 94 / 24 76 44 12 74 12 74 76",
    "Ж": "50 10 50 90 / 14 12 50 50 12 90 / 86 12 50 50 88 90",
    "И": "20 10 20 88 80 12 80 90",
    "Л": "14 88 28 70 36 12 78 12 78 90",
    "П": "22 90 22 12 78 12 78 90",
    "Ф": "50 8 50 92 / 50 24 18 30 18 62 50 68 82 62 82 30 50 24",
    "Ц": "20 10 20 80 76 80 76 10 / 76 80 90 80 90 94",
    "Ш": "14 12 14 86 86 86 86 12 / 50 12 50 86",
    "Ю": "16 10 16 90 / 16 50 42 50 / 66 12 42 50 66 90 90 50 66 12",
    "Я": "76 90 76 12 40 16 30 36 46 52 76 50 / 50 52 22 90",
}

KANA_SHARE: Final = 0.55
CURSIVE_SHARE: Final = 0.2
WORN_BELOW: Final = 0.6  # of white


def letter_frames(count: int, *, seed: int) -> Grey:
    """Letters as the service frames them, uint8 (count, 28, 28), ink 255 on paper 0; the same ones for the same seed."""
    random = np.random.default_rng(seed)
    frames: list[Grey] = []
    while len(frames) < count:
        frame = framed(often_small(draw_letter(random), random))
        if frame is not None:
            frames.append(frame.image[0])
    return np.stack(frames)


def draw_letter(random: np.random.Generator) -> Grey:
    """One letter, its strokes apart or joined as fast hands join them, whole or worn as in old print; dark on light."""
    script, joins = _script(random)
    strokes = strokes_of(script[random.integers(len(script))])
    if joins and len(strokes) > 2:
        if random.random() < 0.5:  # two that are joined are often a 2 or a 6
            strokes = _joined(strokes, random)
        if random.random() < 0.3:  # as in a column of writing
            width = random.uniform(0.5, 0.8)
            strokes = [0.5 + (stroke - 0.5) * (width, 1) for stroke in strokes]
    picture = drawn_by_pen([curve(stroke) for stroke in strokes], random)
    return _worn(picture, random) if random.random() < 0.4 else picture


def _script(random: np.random.Generator) -> tuple[list[str], bool]:
    """Letters to choose from, and whether their strokes may be joined; the cursive ones are."""
    place = random.random()
    if place < CURSIVE_SHARE:
        forms = list(CURSIVE.values())
        return list(forms[random.integers(len(forms))]), False
    return list((KANA if place < CURSIVE_SHARE + KANA_SHARE else OTHERS).values()), True


def strokes_of(text: str) -> list[NDArray[np.float64]]:
    """A letter's strokes, each of points (N, 2) in a unit square."""
    return [np.array(stroke.split(), float).reshape(-1, 2) / 100 for stroke in text.split("/")]


def _joined(strokes: list[NDArray[np.float64]], random: np.random.Generator) -> list[NDArray[np.float64]]:
    """All of them in one, or one of them with the next: the pen was not lifted."""
    if random.random() < 0.5:
        return [np.concatenate(strokes)]
    at = random.integers(len(strokes) - 1)
    return [*strokes[:at], np.concatenate(strokes[at : at + 2]), *strokes[at + 2 :]]


def _worn(picture: Grey, random: np.random.Generator) -> Grey:
    """Its edges eaten and swollen by smooth noise."""
    grain = random.normal(size=(side := random.integers(10, 24), side)).astype(np.float32)
    waves = np.asarray(Image.fromarray(grain).resize(picture.shape[::-1], Image.Resampling.BICUBIC))
    soft = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(random.uniform(2, 4)))) / 255
    return np.where(soft + random.uniform(0.08, 0.2) * waves < WORN_BELOW, 0, 255).astype(np.uint8)
