"""The paper under the ink: its level everywhere, though light falls off and shadows lie on it, and its noise."""

from __future__ import annotations

import functools
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
Reals = NDArray[np.float32]
Level = TypeVar("Level", np.uint8, np.float32, np.int32)

# A quadratic needs few points, and a point that averages over many pixels shows more of the paper than of a thin stroke on it.
THUMB_SIDE: Final = 16
# A border of which this share lies so close to its median is paper of one level, whatever crosses it: a drawing or a scan.
EVEN_LEVELS: Final = 1
EVEN_SHARE: Final = 0.6
# If so much of the border lies off the surface, by this share of the picture's contrast, then strokes cross it all around: the
# picture is cropped to its digit, and corners are where digits rarely reach.
CROSSED_SHARE: Final = 0.33
OFF_SHARE: Final = 0.15
CORNER_SHARE: Final = 0.08
# Unless it lies within so many deviations of the border's own noise.
GRAIN_SIGMA: Final = 2.0
# Share of the shorter side that counts as border: paper, by all experience, where a photograph was cropped loosely.
BORDER_SHARE: Final = 0.06
# Terms of the surface in each round: first its level and slope, then its curve. Beginning with the curve, it would bend
# towards thick ink before the outliers are known.
TERMS: Final = (3, 6, 6)
# Median absolute deviation → standard deviation, for normally distributed values.
MAD_TO_SIGMA: Final = 1.4826
# Rounding to 8 bits leaves 0.29 grey levels.
LEAST_NOISE: Final = 0.5


def paper_level(grey: Grey) -> Reals:
    """The paper's grey level under each pixel.

    A quadratic surface is fitted to the border first, then again and again to all that lies close to it (iteratively
    trimmed least squares), so ink and dark frame edges drop out whatever their polarity.

    Args:
        grey: uint8 (H, W).

    Returns:
        float32 (H, W), or (1, 1) where it is the same everywhere; may leave 0–255 in the corners of a steep gradient.
    """
    height, width = grey.shape
    edge = outline(grey).astype(np.float32)
    level = median(edge)
    distance = np.abs(edge - level)
    if np.count_nonzero(distance <= EVEN_LEVELS) > EVEN_SHARE * edge.size:
        return np.full((1, 1), level, np.float32)
    size = (min(width, THUMB_SIDE), min(height, THUMB_SIDE))
    thumb = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX)).astype(np.float32)
    one, x, y, xx, xy, yy = _trimmed_fit(thumb)
    across, down = _positions(width), _positions(height)[:, None]
    surface: Reals = xy * down * across
    surface += one + x * across + xx * across**2
    surface += y * down + yy * down**2
    grain = _deviation(np.diff(edge)) / 2**0.5
    off = np.abs(outline(surface) - edge) > max(OFF_SHARE * np.ptp(grey), GRAIN_SIGMA * grain)
    if np.count_nonzero(off) > CROSSED_SHARE * edge.size:
        return np.full((1, 1), _corner_level(grey), np.float32)
    return surface


def outline(values: NDArray[Level]) -> NDArray[Level]:
    """The values along the four sides; a corner counts for both of its own."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def median(values: NDArray[Level]) -> float:
    """The middle value, or the mean of the two middle ones: numpy's own takes several times as long on a few hundred."""
    middle = values.size // 2
    ordered = np.partition(values, (middle - 1 + values.size % 2, middle), axis=None)
    return (float(ordered[middle - 1 + values.size % 2]) + float(ordered[middle])) / 2


def _corner_level(grey: Grey) -> float:
    """The middle one of the four corners' levels."""
    side = max(1, round(CORNER_SHARE * min(grey.shape)))
    ends = slice(side), slice(-side, None)
    corners = (grey[rows, columns] for rows in ends for columns in ends)
    return median(np.array([median(corner) for corner in corners], np.float32))


def noise_of(residual: Reals, smooth: Reals) -> float:
    """Standard deviation of the noise that is left in ``smooth``, in grey levels.

    Args:
        residual: (H, W), picture less paper.
        smooth: (H, W), the same after ``smoothed``.
    """
    if 2 * np.count_nonzero(smooth) < smooth.size:  # a drawing: the medians below would all be 0
        return LEAST_NOISE
    step = 1 + min(smooth.shape) // 48  # a thousand pixels tell a median as well as all do
    smooth, residual = smooth[::step, ::step], residual[::step, ::step]
    # What the 3×3 binomial leaves of white noise is 0.47 times what it removes.
    grain = max(0.47 * _deviation(residual - smooth), LEAST_NOISE)
    distance = np.abs(smooth)
    paper = distance[distance <= 2.5 * MAD_TO_SIGMA * median(distance)]  # ink is a third of a picture that it fills
    return max(grain, min(MAD_TO_SIGMA * median(paper), 4.2 * grain))


def smoothed(values: Reals) -> Reals:
    """A 3×3 binomial blur; the edge repeats."""
    for axis in (0, 1):
        source = values if axis == 0 else values.T
        blurred = 2 * source
        blurred[1:] += source[:-1]
        blurred[:-1] += source[1:]
        blurred[[0, -1]] += source[[0, -1]]
        blurred *= 0.25
        values = blurred if axis == 0 else blurred.T
    return values


def _deviation(values: Reals) -> float:
    """Robust standard deviation from 0, where most of the paper lies."""
    return MAD_TO_SIGMA * median(np.abs(values))


def _trimmed_fit(thumb: Reals) -> list[float]:
    """The surface's six coefficients: of 1, x, y, x², xy, y²; it begins with the border where that is near its median."""
    terms, values = _terms(*thumb.shape), thumb.ravel()
    border = _border(*thumb.shape)
    distance = np.abs(values - median(values[border]))
    kept = border & (distance <= max(2 * MAD_TO_SIGMA * median(distance[border]), 6))
    if not kept.any():
        kept = border
    coefficients = np.zeros(TERMS[-1], np.float32)
    for count in TERMS:
        coefficients[:count] = _least_squares(terms[:count], values, kept)
        distance = np.abs(values - coefficients @ terms)
        close = distance <= 2.5 * max(_deviation(distance[kept]), 1.0) + 1
        if np.count_nonzero(close) < 0.2 * close.size:  # so little paper that the surface would be a guess
            break
        kept = close
    solution: list[float] = coefficients.tolist()
    return solution


def _least_squares(terms: Reals, values: Reals, kept: NDArray[np.bool_]) -> Reals:
    """By the normal equations: six terms within -1 … 1 are well conditioned, and numpy's SVD would wake BLAS's threads."""
    weighted = terms * kept
    ridge = 1e-6 * len(values) * np.eye(len(terms), dtype=np.float32)  # where a picture is a pixel wide, terms coincide
    solution: Reals = np.linalg.solve(weighted @ terms.T + ridge, weighted @ values)
    return solution


@functools.lru_cache
def _terms(height: int, width: int) -> Reals:
    """(6, H · W) values of 1, x, y, x², xy, y²."""
    y, x = _positions(height)[:, None], _positions(width)[None, :]
    return np.stack([term.ravel() for term in np.broadcast_arrays(np.float32(1), x, y, x * x, x * y, y * y)])


def _positions(count: int) -> Reals:
    """Pixel centres along a side, -1 … 1."""
    positions: Reals = (np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(count) * 2 - 1
    return positions


@functools.lru_cache
def _border(height: int, width: int) -> NDArray[np.bool_]:
    edge = max(1, round(BORDER_SHARE * min(height, width)))
    border = np.ones((height, width), bool)
    border[edge:-edge, edge:-edge] = False
    return border.ravel()
