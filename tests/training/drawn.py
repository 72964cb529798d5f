"""A data set of our own that a network learns in seconds."""

from pathlib import Path

import numpy as np

from app.digits.preprocessing import mnist_frame
from training.data import Split
from training.strokes import GLYPHS, as_png, draw_digit


def drawn_split(seed: int, per_digit: int) -> Split:
    """Strokes of varied slant and thickness, framed as MNIST's digits are."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(GLYPHS)), per_digit)
    images = [
        mnist_frame(draw_digit(str(label), slant=random.uniform(-0.2, 0.3), thickness=random.uniform(0.06, 0.13))).image[0]
        for label in labels
    ]
    return Split(np.stack(images), labels)


def draw_folder(folder: Path) -> Path:
    """Pictures of three classes as a person would keep them, FOLDER/LABEL/*.png: dark pen on light paper, all sizes."""
    random = np.random.default_rng(5)
    for label, digit in (("hook", "7"), ("ring", "0"), ("wave <s>", "2")):
        (folder / label).mkdir(parents=True)
        for number in range(24):
            size, slant = int(random.integers(30, 90)), random.uniform(-0.2, 0.3)
            picture = draw_digit(digit, size=size, slant=slant, thickness=random.uniform(0.06, 0.13))
            (folder / label / f"{number}.png").write_bytes(as_png(picture))
    return folder
