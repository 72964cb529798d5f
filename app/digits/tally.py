"""What answered pictures look like, in counts: training writes them into the manifest, the service compares its own with them.

One class counts on both sides, so the two cannot differ by how they count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.digits.classifier import Prediction
from app.digits.preprocessing import Frame

INK_MAX = 255


class Tally:
    """Counts of five features; each picture falls into one bin of each.

    Attributes:
        pictures: how many were counted.
        label: (C,) by most probable label, abstained or not, in the labels' order.
        probability: (B,) by probability of the most probable label, between the edges.
        abstained: how many got no answer.
        ink: (B,) by ink ratio (``ink_ratios``), between the edges.
        framing: by the steps that framing took.
    """

    def __init__(self, labels: Sequence[str], probability_edges: Sequence[float], ink_edges: Sequence[float]) -> None:
        """Begin at zero.

        Args:
            labels: of the model.
            probability_edges: ascending inner edges of the bins; a value on an edge belongs to the bin above.
            ink_edges: the same for the ink ratio.
        """
        self.pictures = 0
        self.label = [0] * len(labels)
        self.probability = [0] * (len(probability_edges) + 1)
        self.abstained = 0
        self.ink = [0] * (len(ink_edges) + 1)
        self.framing: Counter[tuple[str, ...]] = Counter()
        self._positions = {label: position for position, label in enumerate(labels)}
        self._probability_edges = probability_edges
        self._ink_edges = ink_edges

    def add(self, answered: Sequence[tuple[Frame, Prediction]]) -> None:
        """Count answered pictures, at least one; sixty-four together take half of what each would by itself."""
        frames, predictions = zip(*answered, strict=True)
        self.pictures += len(answered)
        for label, count in Counter([prediction.top_k[0].label for prediction in predictions]).items():
            self.label[self._positions[label]] += count
        _count([prediction.probability for prediction in predictions], self._probability_edges, self.probability)
        self.abstained += sum([prediction.abstained for prediction in predictions])
        _count(ink_ratios(frames), self._ink_edges, self.ink)
        self.framing.update([frame.steps for frame in frames])


def ink_ratios(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Mean of each frame's pixels (N,), 0 (paper only) to 1 (ink only); of at least one frame."""
    pixels = np.concatenate([frame.image for frame in frames]).reshape(len(frames), -1)
    ratios: NDArray[np.float64] = pixels.sum(axis=1) / (INK_MAX * pixels.shape[1])
    return ratios


def _count(values: ArrayLike, edges: Sequence[float], counts: list[int]) -> None:
    """Add each value to the count of its bin."""
    bins = np.searchsorted(edges, values, side="right")
    for index, count in enumerate(np.bincount(bins, minlength=len(counts)).tolist()):
        counts[index] += count
