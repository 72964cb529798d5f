"""A data set of our own that a network learns in seconds."""

import numpy as np

from app.digits.preprocessing import mnist_frame
from training.data import Split
from training.strokes import GLYPHS, draw_digit


def drawn_split(seed: int, per_digit: int) -> Split:
    """Strokes of varied slant and thickness, framed as MNIST's digits are."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(GLYPHS)), per_digit)
    images = [
        mnist_frame(draw_digit(str(label), slant=random.uniform(-0.2, 0.3), thickness=random.uniform(0.06, 0.13))).image[0]
        for label in labels
    ]
    return Split(np.stack(images), labels)
