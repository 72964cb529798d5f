"""What the network has learnt: filters, position embeddings, attention."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from training.figures.graph import Graph
from training.figures.style import DIVERGING, MOSAIC_GAP, MUTED, REDS, WIDTH, bare, figure, mosaic, tile, tiles
from training.report.study import Study

MOST_FILTERS = 64
FILTERS_ACROSS = 8
PICTURES = 4
COMMON_SIDE = 30  # of filters of 3, 5 and 7 pixels beside each other


def filters(study: Study) -> Figure:
    """First-layer weights as pictures: vermilion where ink excites, blue where it inhibits, each scaled by itself."""
    layers = Graph(study.folder).filters()
    sides = {layer.shape[1] for layer in layers}
    side = COMMON_SIDE if len(sides) > 1 else sides.pop()
    shown = np.concatenate([_strongest(layer, MOST_FILTERS // len(layers), side) for layer in layers])
    total = sum(map(len, layers))
    of = "" if len(shown) == total else f" of {total}"
    sizes = ", ".join(f"{layer.shape[1]}×{layer.shape[2]}" for layer in layers)
    title = f"First layer of {study.manifest.name}: {len(shown)}{of} filters of {sizes} pixels"
    return _shown(title, mosaic(shown, FILTERS_ACROSS), len(shown), FILTERS_ACROSS)


def position_embeddings(study: Study) -> Figure:
    """For each patch of the grid, how alike its position embedding is to all others: neighbours should be."""
    embeddings = Graph(study.folder).position_embeddings()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    alike = unit @ unit.T
    side = round(len(embeddings) ** 0.5)
    bound = float(np.abs(alike - np.eye(len(alike))).max())
    whole = mosaic(alike.reshape(-1, side, side) / bound, side)
    return _shown(f"Position embeddings of {study.manifest.name}: {side}×{side} patches", whole, side * side, side)


def attention(study: Study) -> Figure:
    """What the class token looks at in each block, heads averaged, for four test pictures."""
    graph, split = Graph(study.folder), study.split("test")
    labels = range(min(PICTURES, len(study.labels)))
    chosen = [int(np.flatnonzero(split.labels == label)[0]) for label in labels if (split.labels == label).any()]
    maps = [graph.attention(study.classifier.frame(split.images[position]).image).mean(axis=1) for position in chosen]
    blocks = len(maps[0])
    title = f"Where {study.manifest.name} looks: the class token's attention"
    made, grid = tiles(title, len(chosen), blocks + 1, heading=0, foot=0.4)
    for row, position, of_blocks in zip(grid, chosen, maps, strict=True):
        tile(row[0], split.images[position])
        for axes, one in zip(row[1:], of_blocks, strict=True):
            tile(axes, split.images[position])
            axes.imshow(one / one.max(), cmap=REDS, vmin=0, vmax=1, interpolation="none", extent=(-0.5, 27.5, 27.5, -0.5))
    for block, axes in enumerate(grid[0][1:], 1):
        axes.set_title(f"block {block}" if blocks <= 4 else str(block), loc="center", fontsize=8.5)
    return made


def _strongest(layer: NDArray[np.floating], most: int, side: int) -> NDArray[np.floating]:
    """A layer's largest filters, each scaled to -1–1 and enlarged: (K, side, side)."""
    chosen = layer[np.argsort(-np.abs(layer).sum(axis=(1, 2)), kind="stable")][:most]
    bounds = np.abs(chosen).max(axis=(1, 2), keepdims=True)
    nearest = np.arange(side) * layer.shape[1] // side
    return (chosen / np.where(bounds > 0, bounds, 1))[:, nearest][:, :, nearest]


def _shown(title: str, whole: NDArray[np.floating], count: int, across: int) -> Figure:
    """A mosaic of values from -1 (blue) to 1 (vermilion), each of its tiles framed."""
    made = figure((WIDTH - 0.1) / whole.shape[1] * whole.shape[0] + 0.45, title)
    axes = made.subplots()
    axes.imshow(whole, cmap=DIVERGING, vmin=-1, vmax=1, interpolation="none")
    bare(axes)
    rows = -(-count // across)
    width, height = (whole.shape[1] + MOSAIC_GAP) / across, (whole.shape[0] + MOSAIC_GAP) / rows
    frames = [
        Rectangle((place % across * width - 0.5, place // across * height - 0.5), width - MOSAIC_GAP, height - MOSAIC_GAP)
        for place in range(count)
    ]
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=MUTED, linewidth=0.5, clip_on=False))
    return made
