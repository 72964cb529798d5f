"""Made-up pages: single digits laid on paper as a camera sees them, with the numbers and boxes that are really there.

For tests, training and measurements of reading, which would else depend on pictures that we may not ship. The digits are the
caller's: MNIST's training pictures, scikit-learn's ``load_digits``, or drawn ones. Needs Pillow and numpy only.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.rules import RULES, Rules, drawn_rules

Grey = NDArray[np.uint8]
Reals = NDArray[np.float64]
Box = tuple[int, int, int, int]

# Coverage above which a pixel is a digit's: what its box is measured on, and what touches its neighbour.
INKED: Final = 0.5
# Of the digit's height; the canvas is this much larger on each side, so that no corner of a warped page is empty.
BLEED: Final = 1.0
# Of the width: what a turn by 3° moves the ends of a line up or down.
ROOM_TO_TURN: Final = 0.027


@dataclass(frozen=True, slots=True)
class Page:
    """A picture of handwritten numbers.

    Attributes:
        image: uint8 (H, W), as decoded from its JPEG.
        lines: the digits of each line, from the top.
        boxes: x, y, width, height of each digit's ink in pixels, line by line.
        rules: what is printed on the paper.
    """

    image: Grey
    lines: tuple[str, ...]
    boxes: tuple[tuple[Box, ...], ...]
    rules: Rules

    @property
    def text(self) -> str:
        """All lines, joined by line feeds."""
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Layout:
    """What is written on a page; the rest is chance.

    Attributes:
        digits: least and most digits of a line.
        lines: least and most lines.
        touching: whether each digit touches the one before it; else there is paper between them.
        rules: what may be printed on the paper: any of ``RULES``.
    """

    digits: tuple[int, int] = (3, 10)
    lines: tuple[int, int] = (1, 1)
    touching: bool = False
    rules: Sequence[Rules] = RULES


SPACED: Final = Layout()
TOUCHING_PAIR: Final = Layout(digits=(2, 2), touching=True, rules=("plain", "ruled", "squared"))


def made_up_page(images: Grey, labels: Sequence[int] | NDArray[np.integer], seed: int, layout: Layout = SPACED) -> Page:
    """Write digits on paper and photograph it; the same page for the same arguments.

    Digits are 24 to 72 pixels high and lie up to 3° askew, in perspective, under a gradient of light. One page in seven
    is light on dark.

    Args:
        images: uint8 (N, H, W) single digits, ink 255 on paper 0.
        labels: (N,) what each of them is.
        seed: of everything random.
        layout: how many digits, and how they lie.
    """
    random = np.random.default_rng(seed)
    height = float(random.uniform(24, 72))
    counts = random.integers(layout.digits[0], layout.digits[1] + 1, random.integers(layout.lines[0], layout.lines[1] + 1))
    chosen = [random.integers(len(images), size=count) for count in counts]
    rules = layout.rules[int(random.integers(len(layout.rules)))]
    writing = _write([[_glyph(images[i], height, random) for i in line] for line in chosen], height, rules, layout, random)
    coverage, owners = _warped(writing.coverage, writing.owners, round(BLEED * height), random)
    image = _photographed(coverage, height, random)
    boxes = iter(_boxes(owners, sum(counts)))
    return Page(
        image,
        tuple("".join(str(labels[i]) for i in line) for line in chosen),
        tuple(tuple(next(boxes) for _ in line) for line in chosen),
        rules,
    )


@dataclass(frozen=True, slots=True)
class _Writing:
    """Ink and rules, flat on the page: coverage 0–1 (H, W), and each pixel's digit from 1, 0 for none (H, W)."""

    coverage: Reals
    owners: NDArray[np.int32]


def _glyph(image: Grey, height: float, random: np.random.Generator) -> Reals:
    """A digit's coverage, cropped to its ink, its longer side about ``height``."""
    ys, xs = np.nonzero(image > 32)
    cropped = Image.fromarray(image[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1])
    scale = height * random.uniform(0.9, 1.1) / max(cropped.size)
    size = (max(2, round(cropped.width * scale)), max(2, round(cropped.height * scale)))
    return np.asarray(cropped.resize(size, Image.Resampling.BICUBIC), np.float64) / 255


def _write(lines: list[list[Reals]], height: float, rules: Rules, layout: Layout, random: np.random.Generator) -> _Writing:
    """Lay the glyphs along base lines; in form cells, one in the middle of each."""
    margin = (BLEED + random.uniform(0.3, 1.2)) * height
    pitch = random.uniform(1.5, 2.2) * height
    cell = random.uniform(1.25, 1.6) * height
    starts = [
        _in_cells(line, cell) if rules == "cells" else _side_by_side(line, height, layout.touching, random) for line in lines
    ]
    ends = [start[-1] + line[-1].shape[1] for start, line in zip(starts, lines, strict=True)]
    width = round(max(ends) + cell * (rules == "cells") / 2 + 2 * margin)
    above = margin + ROOM_TO_TURN * width
    bases = [above + height + row * pitch for row in range(len(lines))]
    shape = (round(bases[-1] + above), width)
    coverage, owners = np.zeros(shape), np.zeros(shape, np.int32)
    number = 0
    for base, line, start in zip(bases, lines, starts, strict=True):
        for glyph, x in zip(line, start, strict=True):
            number += 1
            bottom = round(base + random.normal(0, 0.03) * height)
            y, x = max(0, bottom - glyph.shape[0]), round(margin + x)
            here = np.s_[y : y + glyph.shape[0], x : x + glyph.shape[1]]
            np.maximum(coverage[here], glyph, out=coverage[here])
            owners[here][glyph > INKED] = number
    coverage *= 1 - random.uniform(0, 0.25) * _smooth_noise(shape, height, random).clip(0, 1)
    counts = [len(line) for line in lines]
    printed = drawn_rules(rules, shape, height, bases, [(margin, cell, count) for count in counts], random)
    return _Writing(np.maximum(coverage, printed), owners)


def _in_cells(line: list[Reals], cell: float) -> list[float]:
    return [place * cell + (cell - glyph.shape[1]) / 2 for place, glyph in enumerate(line)]


def _side_by_side(line: list[Reals], height: float, touching: bool, random: np.random.Generator) -> list[float]:
    starts, gap = [0.0], random.uniform(0.15, 0.45)
    for left, right in itertools.pairwise(line):
        if touching:
            starts.append(starts[-1] + _contact(left, right) - random.uniform(0.01, 0.08) * height)
        else:
            starts.append(starts[-1] + left.shape[1] + max(0.1, random.normal(gap, 0.1)) * height)
    return starts


def _contact(left: Reals, right: Reals) -> int:
    """How far right of ``left``'s start ``right`` must start for their ink to touch just so, both on one base line."""
    height = min(len(left), len(right))
    lefts, rights = left[-height:] > INKED, right[-height:] > INKED
    both = lefts.any(axis=1) & rights.any(axis=1)
    last = left.shape[1] - lefts[:, ::-1].argmax(axis=1)
    return int((last - rights.argmax(axis=1))[both].max()) if both.any() else left.shape[1]


def _warped(
    coverage: Reals, owners: NDArray[np.int32], bleed: int, random: np.random.Generator
) -> tuple[Reals, NDArray[np.int32]]:
    """Turn the page and tilt it; what lies within ``bleed`` pixels of the sides is cut off."""
    height, width = coverage.shape
    angle = np.deg2rad(random.uniform(-3, 3))
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    centre = np.array([width / 2, height / 2])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilt = random.uniform(-0.025, 0.025, (4, 2)) * [min(width, 3 * height), height]
    coefficients = _perspective(corners, (corners - centre) @ turn + centre + tilt)
    size, inner = (width, height), np.s_[bleed : height - bleed, bleed : width - bleed]
    flat = Image.fromarray(coverage.astype(np.float32))
    seen = flat.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    whose = Image.fromarray(owners).transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.NEAREST)
    return np.asarray(seen, np.float64)[inner].clip(0, 1), np.asarray(whose)[inner]


def _perspective(to: Reals, source: Reals) -> list[float]:
    """Pillow's eight coefficients of the map that takes each corner of ``to`` to its place in ``source``, both (4, 2)."""
    rows = []
    for (x, y), (u, v) in zip(to, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solution: list[float] = np.linalg.solve(np.array(rows), source.ravel()).tolist()
    return solution


def _photographed(coverage: Reals, height: float, random: np.random.Generator) -> Grey:
    """Paper, light, blur, noise and JPEG; uint8 (H, W)."""
    shape = coverage.shape[0], coverage.shape[1]
    paper = random.uniform(170, 250) * _gradient(shape, random)
    paper += random.uniform(0, 4) * _smooth_noise(shape, height / 2, random) + random.normal(0, random.uniform(0, 2), shape)
    picture = paper * (1 - random.uniform(0.45, 0.95) * coverage)
    if random.random() < 1 / 7:
        picture = 255 - picture
    sharp = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    blurred = np.asarray(sharp.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.03) * height)), np.float64)
    noisy = blurred + random.normal(0, random.uniform(0, 6), shape)
    file = io.BytesIO()
    Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=int(random.integers(40, 96)))
    return np.asarray(Image.open(file))


def _gradient(shape: tuple[int, int], random: np.random.Generator) -> Reals:
    """Light that falls off evenly across the page: 1 at its brightest, down to 0.65."""
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.linspace(-0.5, 0.5, shape[0])[:, None], np.linspace(-0.5, 0.5, shape[1])
    along = np.cos(angle) * x + np.sin(angle) * y
    light: Reals = 1 - random.uniform(0, 0.35) * (along - along.min()) / np.ptp(along)
    return light


def _smooth_noise(shape: tuple[int, int], grain: float, random: np.random.Generator) -> Reals:
    """Normal noise whose spots are about ``grain`` pixels wide."""
    cells = random.normal(size=[max(2, round(side / grain)) for side in shape]).astype(np.float32)
    return np.asarray(Image.fromarray(cells).resize(shape[::-1], Image.Resampling.BICUBIC), np.float64)


def _boxes(owners: NDArray[np.int32], count: int) -> list[Box]:
    boxes = []
    for number in range(1, count + 1):
        ys, xs = np.nonzero(owners == number)
        x, y = int(xs.min()), int(ys.min())
        boxes.append((x, y, int(xs.max()) - x + 1, int(ys.max()) - y + 1))
    return boxes
