"""Pictures that are no digit, made by our own code: for models to learn doubt on, and for their abstaining to be measured.

Letters, signs, scribbles, filled shapes, textures, and digits that are several or in pieces. What a hand may well mean as a
digit is left out (O, S, Z, I, halves of an 8): it would teach doubt about real ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.digits.errors import BlankPicture
from app.digits.preprocessing import Frame, mnist_frame
from training.data import Split
from training.strokes import Stroke, arc, draw_strokes

Grey = NDArray[np.uint8]
Maker = Callable[[np.random.Generator], Grey]

SIDE: Final = 84
MIDDLE: Final = 150  # darker counts as drawn
# As much of what is drawn must be framed, but for some pixels: the one stroke that is left over of several can be a good digit.
LEAST: Final = 0.9
ROUNDED: Final = 3
LYING: Final = (2, 3, 4, 5, 6, 7, 9)
MIRRORED: Final = (3, 4, 9)

# Strokes in a unit square, x to the right and y downwards, as in training.strokes.
LETTERS: Final[dict[str, list[Stroke]]] = {
    "A": [[(0.22, 0.90), (0.50, 0.10), (0.78, 0.90)], [(0.32, 0.62), (0.68, 0.62)]],
    "C": [arc(0.56, 0.50, 0.32, 0.40, -55, -305)],
    "E": [[(0.72, 0.12), (0.28, 0.12), (0.28, 0.88), (0.72, 0.88)], [(0.28, 0.50), (0.64, 0.50)]],
    "F": [[(0.74, 0.12), (0.30, 0.12), (0.30, 0.90)], [(0.30, 0.48), (0.64, 0.48)]],
    "H": [[(0.24, 0.10), (0.24, 0.90)], [(0.76, 0.10), (0.76, 0.90)], [(0.24, 0.50), (0.76, 0.50)]],
    "J": [[(0.64, 0.10), *arc(0.44, 0.68, 0.20, 0.22, 0, 170)], [(0.44, 0.10), (0.82, 0.10)]],
    "K": [[(0.28, 0.10), (0.28, 0.90)], [(0.74, 0.10), (0.28, 0.54)], [(0.42, 0.42), (0.76, 0.90)]],
    "L": [[(0.28, 0.10), (0.28, 0.88), (0.74, 0.88)]],
    "M": [[(0.16, 0.90), (0.22, 0.10), (0.50, 0.66), (0.78, 0.10), (0.84, 0.90)]],
    "N": [[(0.24, 0.90), (0.24, 0.10), (0.76, 0.90), (0.76, 0.10)]],
    "P": [[(0.30, 0.90), (0.30, 0.12)], [(0.30, 0.12), *arc(0.46, 0.32, 0.26, 0.20, -90, 90), (0.30, 0.52)]],
    "R": [[(0.28, 0.90), (0.28, 0.12), *arc(0.46, 0.31, 0.24, 0.19, -90, 90), (0.28, 0.50)], [(0.46, 0.50), (0.76, 0.90)]],
    "T": [[(0.18, 0.12), (0.82, 0.12)], [(0.50, 0.12), (0.50, 0.90)]],
    "V": [[(0.20, 0.10), (0.50, 0.90), (0.80, 0.10)]],
    "W": [[(0.12, 0.10), (0.32, 0.90), (0.50, 0.36), (0.68, 0.90), (0.88, 0.10)]],
    "X": [[(0.22, 0.10), (0.78, 0.90)], [(0.78, 0.10), (0.22, 0.90)]],
    "a": [arc(0.46, 0.62, 0.22, 0.26, 0, 360), [(0.70, 0.32), (0.70, 0.86), (0.80, 0.88)]],
    "d": [arc(0.42, 0.66, 0.22, 0.22, 0, 360), [(0.66, 0.10), (0.66, 0.90)]],
    "e": [[(0.26, 0.52), (0.74, 0.50), *arc(0.50, 0.52, 0.24, 0.30, -5, -310)]],
    "f": [[(0.72, 0.16), *arc(0.56, 0.26, 0.12, 0.14, -60, -180), (0.44, 0.90)], [(0.26, 0.44), (0.66, 0.44)]],
    "h": [[(0.30, 0.10), (0.30, 0.90)], [*arc(0.50, 0.62, 0.20, 0.18, 180, 360), (0.70, 0.90)]],
    "k": [[(0.32, 0.10), (0.32, 0.90)], [(0.66, 0.44), (0.32, 0.68), (0.70, 0.90)]],
    "m": [
        [(0.16, 0.34), (0.16, 0.90)],
        [*arc(0.33, 0.54, 0.17, 0.18, 180, 360), (0.50, 0.90)],
        [*arc(0.67, 0.54, 0.17, 0.18, 180, 360), (0.84, 0.90)],
    ],
    "n": [[(0.28, 0.32), (0.28, 0.90)], [*arc(0.50, 0.58, 0.22, 0.24, 180, 360), (0.72, 0.90)]],
    "r": [[(0.34, 0.32), (0.34, 0.90)], [(0.34, 0.56), *arc(0.54, 0.52, 0.18, 0.18, 190, 310)]],
    "t": [[(0.46, 0.10), (0.46, 0.78), *arc(0.58, 0.78, 0.12, 0.10, 180, 40)], [(0.26, 0.36), (0.70, 0.36)]],
    "w": [[(0.12, 0.34), (0.32, 0.88), (0.50, 0.44), (0.68, 0.88), (0.88, 0.34)]],
}
SIGNS: Final[dict[str, list[Stroke]]] = {
    "cup": [arc(0.58, 0.50, 0.34, 0.36, -70, -250)],
    "lines": [[(0.14, 0.24), (0.86, 0.24)], [(0.14, 0.50), (0.86, 0.50)], [(0.14, 0.76), (0.86, 0.76)]],
    "plus": [[(0.50, 0.14), (0.50, 0.86)], [(0.14, 0.50), (0.86, 0.50)]],
    "equals": [[(0.14, 0.36), (0.86, 0.36)], [(0.14, 0.64), (0.86, 0.64)]],
    "hash": [[(0.36, 0.1), (0.30, 0.9)], [(0.70, 0.1), (0.64, 0.9)], [(0.1, 0.36), (0.9, 0.36)], [(0.1, 0.66), (0.9, 0.66)]],
    "question": [[*arc(0.50, 0.30, 0.22, 0.20, -180, 60), (0.50, 0.56), (0.50, 0.68)], [(0.50, 0.86), (0.50, 0.88)]],
    "percent": [[(0.78, 0.10), (0.22, 0.90)], arc(0.28, 0.26, 0.14, 0.15, 0, 360), arc(0.72, 0.74, 0.14, 0.15, 0, 360)],
    "arrow": [[(0.10, 0.50), (0.90, 0.50)], [(0.62, 0.24), (0.90, 0.50), (0.62, 0.76)]],
    "tick": [[(0.12, 0.54), (0.38, 0.86), (0.90, 0.12)]],
    "star": [[(0.50, 0.06), (0.76, 0.92), (0.06, 0.38), (0.94, 0.38), (0.24, 0.92), (0.50, 0.06)]],
    "heart": [[*arc(0.30, 0.32, 0.22, 0.20, 180, 360), *arc(0.74, 0.32, 0.22, 0.20, 180, 360), (0.52, 0.92), (0.08, 0.36)]],
    "triangle": [[(0.50, 0.10), (0.90, 0.86), (0.10, 0.86), (0.50, 0.10)]],
    "asterisk": [[(0.50, 0.14), (0.50, 0.86)], [(0.18, 0.30), (0.82, 0.70)], [(0.82, 0.30), (0.18, 0.70)]],
    "wave": [[*arc(0.27, 0.50, 0.17, 0.20, 180, 360), *arc(0.61, 0.50, 0.17, 0.20, 180, 0), (0.90, 0.36)]],
    "zigzag": [[(0.06, 0.66), (0.28, 0.30), (0.46, 0.70), (0.64, 0.30), (0.82, 0.70), (0.94, 0.36)]],
    "house": [
        [(0.16, 0.90), (0.16, 0.46), (0.50, 0.10), (0.84, 0.46), (0.84, 0.90), (0.16, 0.90)],
        [(0.16, 0.46), (0.84, 0.46)],
    ],
}


def letter(random: np.random.Generator) -> Grey:
    """A letter, by pen or in heavy type."""
    return _glyph(LETTERS, random)


def sign(random: np.random.Generator) -> Grey:
    """A sign or a small drawing."""
    return _glyph(SIGNS, random)


def scribble(random: np.random.Generator) -> Grey:
    """One or two long curves without aim."""
    strokes = [curve(random.uniform(0.08, 0.92, (random.integers(8, 14), 2))) for _ in range(random.integers(1, 3))]
    return draw_strokes(strokes, size=SIDE, thickness=random.uniform(0.03, 0.10), ink=0, paper=255)


def character(random: np.random.Generator) -> Grey:
    """Three to six lines, hooks, arcs and loops, as in scripts that nobody here reads."""
    strokes = [_pen_stroke(random) for _ in range(random.integers(3, 7))]
    return _drawn(strokes, random.uniform(0.03, 0.14), random)


def flat(random: np.random.Generator) -> Grey:
    """One bent line, clearly wider than it is high, as no digit is."""
    bows = random.random() < 0.7
    if bows:
        first, sweep = random.uniform(0, 360), random.uniform(100, 270)
        points = np.array(arc(0.5, 0.5, 0.4, 0.4, first, first + sweep), float)
        points += np.linspace(0, random.uniform(0, 0.8), len(points))[:, None] * (points[-1] - points[0])
    else:
        points = random.uniform(0, 1, (random.integers(3, 6), 2))
    low, high = points.min(axis=0), points.max(axis=0)
    wide, height = 0.86, random.uniform(0.3, 0.78 if bows else 0.6)
    points = (points - low) / (high - low).clip(1e-6) * (wide, height) + (0.07, 0.5 - height / 2)
    return _drawn([curve(points)], random.uniform(0.05, 0.14), random)


def silhouette(random: np.random.Generator) -> Grey:
    """A filled outline that is about the same to the left and to the right, with some shade and pattern inside."""
    levels = np.linspace(0.1, 0.9, random.integers(3, 8))
    left, right = (random.uniform(0.06, 0.46, len(levels)) * random.uniform(0.5, 1) for _ in range(2))
    right = right if random.random() < 0.4 else left
    outline = [*zip(0.5 - left, levels, strict=True), *zip((0.5 + right)[::-1], levels[::-1], strict=True)]
    if random.random() < 0.4:  # lying: a shoe, a bag
        outline = [(y, x) for x, y in outline]
    return _filled([outline], random)


def blob(random: np.random.Generator) -> Grey:
    """What smooth noise leaves above a level: spots, clouds, rings."""
    coarse = random.normal(size=(side := random.integers(3, 10), side)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    inside = smooth > np.quantile(smooth, random.uniform(0.4, 0.85))
    if random.random() < 0.5:
        ys, xs = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
        inside &= xs**2 + ys**2 < random.uniform(0.5, 0.9)
    return np.where(inside, _shade(random), 255).astype(np.uint8)


def texture(random: np.random.Generator) -> Grey:
    """A swatch of stripes, checks or grain; without paper around them framing finds no ink."""
    return np.pad(_pattern(random)[10:-10, 10:-10], 10, constant_values=255)


def _pattern(random: np.random.Generator) -> Grey:
    """Stripes, checks or grain, uint8 (SIDE, SIDE)."""
    kind = random.integers(3)
    if kind == 2:
        grain = random.normal(size=(side := random.integers(8, 40), side)).astype(np.float32)
        waves = np.asarray(Image.fromarray(grain).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    else:
        ys, xs = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
        angle, lines = random.uniform(0, np.pi), random.uniform(4, 14)
        across, along = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
        waves = np.sin(2 * np.pi * lines * across) * (np.sin(2 * np.pi * lines * along) if kind else 1)
    return np.rint(127.5 + 127.5 * np.clip(waves * random.uniform(0.5, 4), -1, 1)).astype(np.uint8)


def several(random: np.random.Generator, digits: Split) -> Grey:
    """Two or three digits side by side, apart or touching."""
    chosen = digits.images[random.integers(len(digits), size=random.choice((2, 2, 3)))]
    row = np.zeros((40, 28 * len(chosen)), np.uint8)
    x = 0
    for digit in chosen:
        columns = np.flatnonzero(digit.any(axis=0))
        ink = digit[:, columns[0] : columns[-1] + 1]
        y = random.integers(4, 9)
        place = row[y : y + 28, x : x + ink.shape[1]]
        np.maximum(place, ink[:, : place.shape[1]], out=place)
        x += ink.shape[1] + random.integers(-2, 4)
    return _enlarged(255 - np.pad(row, 4))


def shuffled(random: np.random.Generator, digits: Split) -> Grey:
    """A digit whose sixteen squares have changed places."""
    digit = np.roll(digits.images[random.integers(len(digits))], random.integers(-2, 3, 2), (0, 1))
    squares = digit.reshape(4, 7, 4, 7).swapaxes(1, 2).reshape(16, 7, 7)
    squares = squares[random.permutation(16)].reshape(4, 4, 7, 7).swapaxes(1, 2).reshape(28, 28)
    return _enlarged(255 - np.pad(squares, 4))


def turned(random: np.random.Generator, digits: Split) -> Grey:
    """A digit lying on its side or mirrored, of those that are none then."""
    lies = random.random() < 0.6
    able = np.flatnonzero(np.isin(digits.labels, LYING if lies else MIRRORED))
    digit = digits.images[able[random.integers(len(able))]]
    return _enlarged(255 - np.pad(np.rot90(digit, random.choice((1, 3))) if lies else digit[:, ::-1], 4))


# Letters and foreign characters are what people send by mistake, so they come most often.
DRAWN: Final[dict[str, tuple[Maker, int]]] = {
    "letter": (letter, 9),
    "sign": (sign, 3),
    "scribble": (scribble, 2),
    "character": (character, 6),
    "flat": (flat, 4),
    "silhouette": (silhouette, 6),
    "blob": (blob, 2),
    "texture": (texture, 2),
}
TAKEN_APART: Final[dict[str, tuple[Callable[[np.random.Generator, Split], Grey], int]]] = {
    "several": (several, 2),
    "shuffled": (shuffled, 2),
    "turned": (turned, 3),
}
KINDS: Final = (*DRAWN, *TAKEN_APART)


def draw_nondigit(kind: str, digits: Split, random: np.random.Generator) -> Grey:
    """One picture that is no digit.

    Args:
        kind: of ``KINDS``.
        digits: for the kinds that are made of them.
        random: every choice comes from it.

    Returns:
        uint8 (H, W), dark on light; of 28 to 112 pixels a side.
    """
    return often_small(DRAWN[kind][0](random) if kind in DRAWN else TAKEN_APART[kind][0](random, digits), random)


def often_small(picture: Grey, random: np.random.Generator) -> Grey:
    """The picture, or half the time one of 28 pixels: half of what people send is small already."""
    if random.random() < 0.5:
        scale = 28 / min(picture.shape)
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    return picture


def nondigits(digits: Split, *, seed: int) -> Iterator[tuple[str, Frame]]:
    """Kinds and frames of such pictures, without end: framed as the service frames them, the same ones for the same seed."""
    random = np.random.default_rng(seed)
    weights = np.array([weight for _, weight in (*DRAWN.values(), *TAKEN_APART.values())], float)
    while True:
        kind = KINDS[random.choice(len(KINDS), p=weights / weights.sum())]
        frame = framed(draw_nondigit(kind, digits, random))
        if frame is not None:
            yield kind, frame


def framed(picture: Grey) -> Frame | None:
    """The picture as the service frames it; None where that finds nothing, or leaves a part of it out."""
    with contextlib.suppress(BlankPicture):
        if _is_whole(frame := mnist_frame(picture), picture):
            return frame
    return None


def nondigit_frames(count: int, digits: Split, *, seed: int) -> tuple[Grey, list[str]]:
    """The first ``count`` of ``nondigits``: uint8 (count, 28, 28), ink 255 on paper 0; and the kind of each."""
    kinds, frames = zip(*islice(nondigits(digits, seed=seed), count), strict=True)
    return np.stack([frame.image[0] for frame in frames]), list(kinds)


def _is_whole(frame: Frame, picture: Grey) -> bool:
    """Whether framing kept what was drawn, from side to side and from top to bottom."""
    dark = picture < MIDDLE
    drawn = [int(np.ptp(np.flatnonzero(dark.any(axis=axis)))) + 1 for axis in (0, 1)] if dark.any() else [0, 0]
    return all(kept >= LEAST * side - ROUNDED for kept, side in zip(frame.box[2:], drawn, strict=True))


def _glyph(glyphs: dict[str, list[Stroke]], random: np.random.Generator) -> Grey:
    form = list(glyphs.values())[random.integers(len(glyphs))]
    return drawn_by_pen(_serifs(form, random) if random.random() < 0.3 else form, random)


def drawn_by_pen(form: Sequence[Stroke], random: np.random.Generator) -> Grey:
    """Strokes in a unit square: uneven, slanted, narrow or wide; thin as by a pen or heavy as in print."""
    slant, width, shake = random.uniform(-0.2, 0.4), random.uniform(0.6, 1.1), random.choice((0.0, 0.006, 0.015))
    strokes = []
    for stroke in form:
        points = np.asarray(stroke) + random.normal(0, shake, (1, 2)) + random.normal(0, shake, (len(stroke), 2))
        xs, ys = points[:, 0], points[:, 1]
        moved = np.stack([0.5 + width * (xs - 0.5) + slant * (0.5 - ys), ys], axis=1)
        strokes.append([(x, y) for x, y in moved.clip(0.04, 0.96).tolist()])
    thickness = random.uniform(0.04, 0.12) if random.random() < 0.6 else random.uniform(0.12, 0.24)
    return _drawn(strokes, thickness, random)


def _drawn(strokes: Sequence[Stroke], thickness: float, random: np.random.Generator) -> Grey:
    """By a round pen, or by a broad nib, whose strokes are thick in one direction and thin in the other."""
    picture = draw_strokes(strokes, size=SIDE, thickness=thickness, ink=0, paper=255)
    if random.random() < 0.35:
        down, right = random.choice((-1, 0, 1)), random.choice((0, 1))
        for _ in range(random.integers(2, 7)):
            picture = np.minimum(picture, np.roll(picture, (down, right), (0, 1)))
    return picture


def _pen_stroke(random: np.random.Generator) -> Stroke:
    """A line, a hook, an arc or a loop, anywhere."""
    start, angle, length = random.uniform(0.1, 0.9, 2), random.uniform(0, 2 * np.pi), random.uniform(0.25, 0.8)
    kind = random.integers(4)
    if kind < 2:
        bend = random.normal(0, 0.4) if kind == 0 else random.choice((-1, 1)) * random.uniform(1, 2.6)
        middle = start + random.uniform(0.4, 0.8) * length * np.array([np.cos(angle), np.sin(angle)])
        end = middle + 0.4 * length * np.array([np.cos(angle + bend), np.sin(angle + bend)])
        points = np.stack([start, middle, end])
    else:
        sweep = random.uniform(80, 280) if kind == 2 else random.uniform(280, 420)
        first = float(np.degrees(angle))
        (x, y), (width, height) = random.uniform(0.3, 0.7, 2), random.uniform(0.1, 0.38, 2)
        points = np.array(arc(x, y, width, height, first, first + sweep), float)
        points += np.linspace(0, random.uniform(0, 0.4), len(points))[:, None] * (points[-1] - points[0])
    return curve(points.clip(0.05, 0.95))


def _serifs(strokes: list[Stroke], random: np.random.Generator) -> list[Stroke]:
    """Short level strokes at the ends that lie high or low, as in print."""
    reach = random.uniform(0.06, 0.12)
    ends = [end for stroke in strokes for end in (stroke[0], stroke[-1]) if abs(end[1] - 0.5) > 0.34]
    return [*strokes, *([(x - reach, y), (x + reach, y)] for x, y in ends)]


def curve(points: NDArray[np.float64]) -> Stroke:
    """A smooth way along points (N, 2): its corners are cut off three times (Chaikin 1974)."""
    for _ in range(3):
        near, far = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
        points = np.concatenate([points[:1], np.stack([near, far], axis=1).reshape(-1, 2), points[-1:]])
    return [(x, y) for x, y in points.tolist()]


def _filled(outlines: list[list[tuple[float, float]]], random: np.random.Generator) -> Grey:
    mask = Image.new("L", (2 * SIDE, 2 * SIDE))
    for outline in outlines:
        ImageDraw.Draw(mask).polygon([(2 * SIDE * x, 2 * SIDE * y) for x, y in outline], fill=255)
    cover = np.asarray(mask.reduce(2)) / 255
    return np.rint(255 - cover * (255.0 - _shade(random))).astype(np.uint8)


def _shade(random: np.random.Generator) -> NDArray[np.float64]:
    """Grey levels (SIDE, SIDE) of a thing's surface: even, or with a pattern, darker than its paper."""
    pattern = _pattern(random) / 255 if random.random() < 0.6 else np.zeros((SIDE, SIDE))
    depth = random.uniform(0, 150)
    return np.asarray(random.uniform(0, 90) + depth * pattern)


def _enlarged(picture: Grey) -> Grey:
    height, width = picture.shape
    return np.asarray(Image.fromarray(picture).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))
