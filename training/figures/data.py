"""What the model learns from: samples, balance, pixels, augmentation."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from matplotlib.figure import Figure

from training.augment import augment
from training.figures.style import INK, MUTED, SERIES, WIDE, figure, tile, tiles
from training.report.study import Study

SEED = 0
COPIES = 5


def samples(study: Study) -> Figure:
    """Sixteen training pictures at random, with their labels."""
    split = study.data.splits["train"]
    chosen = np.random.default_rng(SEED).choice(len(split), min(16, len(split)), replace=False)
    made, grid = tiles(f"{study.data.name}: {len(chosen)} training pictures at random", 4, 4)
    for axes, position in zip(chain(*grid), chosen, strict=False):
        tile(axes, split.images[position])
        axes.set_title(study.labels[split.labels[position]], loc="center")
    return made


def class_balance(study: Study) -> Figure:
    """Each class's share of each split."""
    made = figure(0.34 * len(study.labels) + 1.7, f"{study.data.name}: how often each class occurs")
    axes = made.subplots()
    splits = study.data.splits
    height = 0.8 / len(splits)
    places = np.arange(len(study.labels))
    for number, (name, split) in enumerate(splits.items()):
        share = np.bincount(split.labels, minlength=len(study.labels)) / len(split)
        offset = (number - (len(splits) - 1) / 2) * height
        axes.barh(places + offset, share * 100, height, color=SERIES[number], label=f"{name} ({len(split):,})")
    axes.axvline(100 / len(study.labels), color=INK, linewidth=0.8, linestyle=":")
    axes.set(yticks=places, yticklabels=study.labels, xlabel="share of the split, % (dotted: all alike)", ylabel="class")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    made.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=3, columnspacing=1.0, handlelength=1.0)
    return made


def pixel_values(study: Study) -> Figure:
    """One picture with each pixel's value written over it."""
    split = study.data.splits["train"]
    picture, label = split.images[0], study.labels[split.labels[0]]
    made = figure(9.6, f"What the model gets: 28×28 numbers from 0 (paper) to 255 (ink), here a {label!r}", width=WIDE)
    axes = made.subplots()
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none")
    for (row, column), value in np.ndenumerate(picture):
        axes.text(column, row, str(value), ha="center", va="center", fontsize=6.5, color="white" if value < 140 else "black")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set(xticks=range(0, 28, 3), yticks=range(0, 28, 3), xlabel="column, pixels", ylabel="row, pixels")
    return made


def augmentation(study: Study) -> Figure:
    """Training pictures before augmentation, and as five epochs would see them."""
    split = study.data.splits["train"]
    chosen = [int(np.flatnonzero(split.labels == label)[0]) for label in range(min(4, len(study.labels)))]
    originals = torch.from_numpy(split.images[chosen])[:, None].float() / 255
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        changed = [augment(originals, study.recipe) for _ in range(COPIES)]
    columns = [originals, *changed]
    made, grid = tiles("Augmentation: no epoch sees the same picture twice", len(chosen), len(columns), heading=0, foot=0.2)
    for row in range(len(chosen)):
        for column, pictures in enumerate(columns):
            tile(grid[row][column], (pictures[row, 0].numpy() * 255).round().astype(np.uint8))
    grid[0][0].set_title("before", loc="center", color=INK)
    for number, axes in enumerate(grid[0][1:], 1):
        axes.set_title(f"epoch {number}" if number == 1 else f"{number}", loc="center", color=MUTED)
    return made
