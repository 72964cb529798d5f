"""The paper under the ink: its level everywhere, though light falls off and shadows lie on it, and its noise."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]
Reals = NDArray[np.float64]

# A quadratic needs few points; at this side its fit costs less than decoding the picture did.
THUMB_SIDE: Final = 32
# A border that varies by no more than this is paper of one level: a drawing or a scan, most often.
EVEN_LEVELS: Final = 2
# Share of the shorter side that counts as border: paper, by all experience, where a photograph was cropped loosely.
BORDER_SHARE: Final = 0.06
# Terms of the surface in each round: first its level, then its slope, then its curve. Beginning with the curve, it would
# bend towards thick ink before the outliers are known.
TERMS: Final = (1, 3, 6, 6)
# Median absolute deviation → standard deviation, for normally distributed values.
MAD_TO_SIGMA: Final = 1.4826
# Rounding to 8 bits leaves 0.29 grey levels.
LEAST_NOISE: Final = 0.5


def paper_level(grey: Grey) -> NDArray[np.int16]:
    """The paper's grey level under each pixel.

    A quadratic surface is fitted to the border first, then again and again to all that lies close to it (iteratively
    trimmed least squares), so ink and dark frame edges drop out whatever their polarity.

    Args:
        grey: uint8 (H, W).

    Returns:
        int16 (H, W); may leave 0–255 in the corners of a steep gradient.
    """
    height, width = grey.shape
    edge = outline(grey)
    if int(edge.max()) - int(edge.min()) <= EVEN_LEVELS:
        return np.full(grey.shape, np.median(edge), np.int16)
    size = (min(width, THUMB_SIDE), min(height, THUMB_SIDE))
    thumb = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX), np.float64)
    terms = _terms(_positions(thumb.shape[0])[:, None], _positions(thumb.shape[1])[None, :]).reshape(-1, TERMS[-1])
    coefficients = _trimmed_fit(terms, thumb.ravel(), _border(thumb.shape).ravel())
    surface = _terms(_positions(height)[:, None], _positions(width)[None, :]) @ coefficients
    level: NDArray[np.int16] = np.rint(surface.clip(-512, 767)).astype(np.int16)
    return level


def outline(grey: Grey) -> Grey:
    """The pixels along the four sides; a corner counts for both of its own."""
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def noise_of(residual: Reals, smooth: Reals) -> float:
    """Standard deviation of the noise that is left in ``smooth``, in grey levels.

    Args:
        residual: (H, W), picture less paper.
        smooth: (H, W), the same after ``smoothed``.
    """
    if 2 * np.count_nonzero(smooth) < smooth.size:  # a drawing: the medians below would all be 0
        return LEAST_NOISE
    step = 1 + min(smooth.shape) // 64  # a few thousand pixels tell a median as well as all do
    smooth = smooth[::step, ::step]
    fine = residual[::step, ::step] - smooth
    # What the 3×3 binomial removes of white noise is 1.5 times what it leaves.
    from_grain = 0.65 * MAD_TO_SIGMA * float(np.median(np.abs(fine - np.median(fine))))
    whole = MAD_TO_SIGMA * float(np.median(np.abs(smooth - np.median(smooth))))
    grain = max(from_grain, LEAST_NOISE)
    return max(grain, min(whole, 3 * grain))


def smoothed(values: Reals) -> Reals:
    """A 3×3 binomial blur; the edge repeats."""
    padded = np.pad(values, 1, mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    blurred: Reals = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    return blurred


def _trimmed_fit(terms: Reals, values: Reals, border: NDArray[np.bool_]) -> Reals:
    centre = np.median(values[border])
    spread = MAD_TO_SIGMA * np.median(np.abs(values[border] - centre))
    kept = border & (np.abs(values - centre) <= max(2 * spread, 6))
    coefficients = np.zeros(terms.shape[1])
    for count in TERMS:
        coefficients[:count] = _least_squares(terms[kept, :count], values[kept])
        distance = np.abs(values - terms @ coefficients)
        close = distance <= 2.5 * max(MAD_TO_SIGMA * float(np.median(distance[kept])), 1.0) + 1
        if close.mean() < 0.2:  # so little paper that the surface would be a guess
            break
        kept = close
    return coefficients


def _least_squares(terms: Reals, values: Reals) -> Reals:
    """By the normal equations: six terms within -1 … 1 are well conditioned, and numpy's SVD would wake BLAS's threads."""
    ridge = 1e-9 * len(values) * np.eye(terms.shape[1])  # for a picture of one pixel's width, where terms coincide
    solution: Reals = np.linalg.solve(np.einsum("ni,nj->ij", terms, terms) + ridge, np.einsum("ni,n->i", terms, values))
    return solution


def _terms(y: Reals, x: Reals) -> Reals:
    """(H, W, 6) values of 1, x, y, x², xy, y²."""
    return np.stack(np.broadcast_arrays(1.0, x, y, x * x, x * y, y * y), axis=-1)


def _positions(count: int) -> Reals:
    """Pixel centres along a side, -1 … 1."""
    return (np.arange(count) + 0.5) / count * 2 - 1


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    width = max(1, round(BORDER_SHARE * min(shape)))
    border = np.ones(shape, bool)
    border[width:-width, width:-width] = False
    return border
