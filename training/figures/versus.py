"""Where two models differ."""

from __future__ import annotations

from itertools import chain

import numpy as np
from matplotlib.figure import Figure

from training.figures.predictions import columns, lines, read_as
from training.figures.style import tile, tiles
from training.report.study import Study

MOST = 15


def right_by_one(right: Study, wrong: Study) -> Figure | None:
    """Test pictures that one model reads right and the other wrong, with the other's answer; None where there are none."""
    differ = np.flatnonzero(right.answers("test").right & ~wrong.answers("test").right)
    if not len(differ):
        return None
    order = np.argsort(-wrong.answers("test").confidence[differ], kind="stable")
    shown = differ[order][:MOST]
    title = f"{len(differ)} that only {right.manifest.name} reads right; {wrong.manifest.name} says"
    across = columns(right, 5)
    made, grid = tiles(title, -(-len(shown) // across), across, heading=lines(right))
    for axes, position in zip(chain(*grid), shown, strict=False):
        tile(axes, wrong.split("test").images[position])
        read_as(wrong, axes, int(position))
    return made
