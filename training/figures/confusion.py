"""Which classes are taken for which."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from training.figures.predictions import columns, lines, read_as, short
from training.figures.style import BLUES, INK, MUTED, NotApplicable, figure, tile, tiles
from training.report.scores import confused_pairs, confusion_matrix
from training.report.study import Study

PAIRS = 5


def confusion(study: Study) -> Figure:
    """The confusion matrix of the test split; colour by share of the row's errors, so that the diagonal does not drown them."""
    answers, size = study.answers("test"), len(study.labels)
    matrix = confusion_matrix(answers.truths, answers.labels, size)
    side = max(4.2, 0.42 * size + 1.0)
    made = figure(side + 0.3, f"Confusion matrix: {study.manifest.name} on {len(answers):,} test pictures", width=side + 0.5)
    axes = made.subplots()
    errors = matrix * (1 - np.eye(size, dtype=np.int64))
    depth = errors / max(1, errors.max()) * 0.85
    depth[np.diag_indices(size)] = 0.12
    axes.imshow(depth, cmap=BLUES, vmin=0, vmax=1, interpolation="none")
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if depth[row, column] > 0.5 else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8.5, color=colour)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    places = range(size)
    axes.set(xticks=places, yticks=places, xticklabels=study.labels, yticklabels=study.labels, xlabel="answer", ylabel="truth")
    axes.tick_params(length=0)
    if max(map(len, study.labels)) > 2:
        axes.tick_params(axis="x", rotation=45)
    return made


def pairs(study: Study) -> Figure:
    """The pairs of classes that are confused most, each with its errors."""
    answers = study.answers("test")
    found = confused_pairs(confusion_matrix(answers.truths, answers.labels, len(study.labels)), PAIRS)
    if not found:
        raise NotApplicable(f"{study.manifest.name} confuses no classes on the test split.")
    examples = columns(study, 5) - 1
    made, grid = tiles(
        "Most confused pairs, with their surest errors", len(found), examples + 1, heading=lines(study), first=1.4
    )
    for row, pair in zip(grid, found, strict=True):
        first, second = short(study, pair.first), short(study, pair.second)
        counts = f"{first} as {second}: {pair.first_as_second}\n{second} as {first}: {pair.second_as_first}"
        name = f"{first} ↔ {second}" if len(first + second) < 8 else f"{first}\n↔ {second}"
        row[0].text(0, 0.62, name, fontsize=11, fontweight="bold", color=INK, va="bottom")
        row[0].text(0, 0.5, counts, fontsize=8.5, color=MUTED, va="top")
        between = {(pair.first, pair.second), (pair.second, pair.first)}
        for axes, position in zip(row[1:], _errors(study, between)[:examples], strict=False):
            tile(axes, study.split("test").images[position])
            read_as(study, axes, position)
    return made


def _errors(study: Study, between: set[tuple[int, int]]) -> list[int]:
    answers = study.answers("test")
    everything = study.sure_errors(len(answers))
    return [i for i in everything if (int(answers.truths[i]), int(answers.labels[i])) in between]
