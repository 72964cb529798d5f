"""What is around a digit and none of it: edges of a sheet, bands along the border, a box that was drawn."""

from __future__ import annotations

from typing import Final

import numpy as np

from app.digits.components import Component, Labels, Mask, Reals, components
from app.digits.morphology import grown
from app.digits.paper import outline

# A part that touches the border and lies within this share of the side is the edge of a frame or a sheet.
EDGE_SHARE: Final = 0.13
# A part with this share of both sides, that fills its own box's outline, is a frame around the digit or the sheet inside one.
FRAME_SHARE: Final = 0.6
FRAME_OUTLINE_SHARE: Final = 0.9
LEAST_FRAME: Final = 20
SHEET_SHARE: Final = 0.65  # of its box, or it is a box itself
FRAME_BLUR: Final = 2  # pixels in which its edge may blur


def border_bands(smooth: Reals, threshold: float, least_ink: float, edge: float | None = None) -> Mask | None:
    """Bands along the border: a sheet's edge, a strip of another picture.

    Args:
        smooth: float32 (H, W), grey levels away from the paper, of either sign.
        threshold: what stands out from the paper.
        least_ink: what something else must reach, or there would be nothing left.
        edge: pixels from the border within which a band lies; ``EDGE_SHARE`` of each side if None.

    Returns:
        bool (H, W), true on the bands and what blurs from them; None if there are none.
    """
    if np.abs(outline(smooth)).max() <= threshold:
        return None  # most pictures: nothing touches the border
    edges, others = np.zeros(smooth.shape, bool), 0
    for strength in (smooth, -smooth):
        labels, parts = components(strength > threshold, strength)
        bands = {part.label for part in parts if part.touches and _is_band(part, smooth.shape, edge)}
        edges |= np.isin(labels, list(bands))
        others += sum(part.peak > least_ink for part in parts if part.label not in bands)
    return grown(edges, 2) if others and edges.any() else None


def _is_band(part: Component, shape: tuple[int, ...], edge: float | None) -> bool:
    height, width = shape
    across, down = (max(2.0, EDGE_SHARE * side if edge is None else edge) for side in (width, height))
    return part.x + part.width <= across or part.x >= width - across or part.y + part.height <= down or part.y >= height - down


def is_frame(part: Component, labels: Labels) -> bool:
    """Whether a large part is a rectangle: the sheet inside a border of another level, or a box drawn around the digit."""
    height, width = labels.shape
    if part.width < max(FRAME_SHARE * width, LEAST_FRAME) or part.height < max(FRAME_SHARE * height, LEAST_FRAME):
        return False
    return any(_coverage(part, labels, inset) > FRAME_OUTLINE_SHARE for inset in range(FRAME_BLUR + 1))


def _coverage(part: Component, labels: Labels, inset: int) -> float:
    """The part's share of the outline of its own box, which is made smaller by ``inset`` on each side."""
    own = outline(labels[within(part, inset)]) == part.label
    return float(np.count_nonzero(own) / own.size)


def within(part: Component, inset: int) -> tuple[slice, slice]:
    """Rows and columns of a part's box, made smaller by ``inset`` on each side."""
    return slice(part.y + inset, part.y + part.height - inset), slice(part.x + inset, part.x + part.width - inset)


def is_sheet(frame: Component, labels: Labels) -> bool:
    """Whether a frame is full, and goes as far as the edges of a sheet do; what a 0 on it encloses is of it, too."""
    height, width = labels.shape
    if frame.width < (1 - 2 * EDGE_SHARE) * width or frame.height < (1 - 2 * EDGE_SHARE) * height:
        return False
    inside = labels[within(frame, 0)]
    return bool(np.count_nonzero(inside) > SHEET_SHARE * inside.size)
