"""Which pixels decided."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from app.digits.occlusion import LEAST_SHOWN, Occlusion
from training.figures.style import DIVERGING, MUTED, tile, tiles
from training.report.study import Study

PICTURES = 5


def occlusion(study: Study) -> Figure:
    """How far the answer's probability falls where a patch of ink is hidden, for five test pictures."""
    split = study.split("test")
    labels = range(min(PICTURES, len(study.labels)))
    chosen = [int(np.flatnonzero(split.labels == label)[0]) for label in labels if (split.labels == label).any()]
    made, grid = tiles("Which pixels decided", 2, len(chosen), foot=0.2)
    for column, position in enumerate(chosen):
        frame = study.classifier.frame(split.images[position]).image
        hidden = Occlusion.of(frame)
        probabilities = study.classifier.infer(hidden.images).probabilities
        fall = hidden.drops(probabilities, int(probabilities[0].argmax()))
        tile(grid[0][column], frame[0])
        bound = max(float(np.abs(fall).max()), LEAST_SHOWN)
        grid[1][column].imshow(frame[0], cmap="gray", vmin=0, vmax=510, interpolation="none")
        grid[1][column].imshow(fall, cmap=DIVERGING, vmin=-bound, vmax=bound, interpolation="none")
        grid[1][column].set_title(f"{-100 * fall.max():+.1f} points", loc="center", fontsize=8.5, color=MUTED)
    return made
