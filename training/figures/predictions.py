"""Single pictures and what the model says to them."""

from __future__ import annotations

from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from training.figures.style import BLUE, GREEN, MUTED, RED, NotApplicable, figure, tile, tiles
from training.report.study import Study

WORST = 25
LONGEST = 10  # letters of a label above a tile
SIZE = 8.5


def predictions(study: Study) -> Figure:
    """The first test picture of each class: green and ✓ where it is read right, vermilion and ✗ where not."""
    answers, size = study.answers("test"), len(study.labels)
    across = min(columns(study, 5), size)
    made, grid = tiles("One test picture of each class", -(-size // across), across)
    for label, axes in zip(range(size), chain(*grid), strict=False):
        found = np.flatnonzero(answers.truths == label)
        if len(found):
            _answered(study, axes, int(found[0]))
    return made


def single(study: Study) -> Figure:
    """The test picture that is read right with the least probability, and the probability of every label."""
    answers = study.answers("test")
    if not answers.right.any():
        raise NotApplicable(f"{study.manifest.name} reads no test picture right.")
    position = int(np.flatnonzero(answers.right)[answers.confidence[answers.right].argmin()])
    truth, probabilities = int(answers.truths[position]), answers.probabilities[position] * 100
    made = figure(max(2.6, 0.26 * len(study.labels) + 0.9), "A close call: the least sure answer that is right")
    left, right = made.subplots(1, 2, width_ratios=(1, 1.5))
    tile(left, study.split("test").images[position])
    left.set_title(f"true: {short(study, truth)}", loc="center", color=BLUE)
    places = np.arange(len(study.labels))
    bars = right.barh(places, probabilities, color=[GREEN if place == truth else MUTED for place in places])
    right.bar_label(bars, [f"{value:.1f}" if value >= 0.05 else "" for value in probabilities], padding=3, fontsize=8)
    names = [short(study, place) for place in places.tolist()]
    right.set(yticks=places, yticklabels=names, xlabel="probability, %", xlim=(0, max(probabilities) * 1.25))
    right.invert_yaxis()
    right.grid(visible=False, axis="y")
    return made


def worst_errors(study: Study) -> Figure:
    """The test pictures that are read wrong with the greatest probability: answer in vermilion, truth in blue."""
    worst = study.sure_errors(WORST)
    if not worst:
        raise NotApplicable(f"{study.manifest.name} reads every test picture right.")
    errors = int((~study.answers("test").right).sum())
    across = columns(study, 5)
    made, grid = tiles(
        f"The {len(worst)} surest of {errors} errors on test", -(-len(worst) // across), across, heading=lines(study)
    )
    for axes, position in zip(chain(*grid), worst, strict=False):
        tile(axes, study.split("test").images[position])
        read_as(study, axes, position)
    return made


def right_and_wrong(study: Study) -> Figure:
    """Pictures that are read right beside some of the same classes that are read wrong."""
    across = columns(study, 6)
    wrong = study.sure_errors(across)
    if not wrong:
        raise NotApplicable(f"{study.manifest.name} reads every test picture right.")
    answers = study.answers("test")
    made, grid = tiles("Right (above) and wrong (below), of the same classes", 2, across)
    used: set[int] = set()
    for column, position in enumerate(wrong):
        alike = [int(i) for i in np.flatnonzero(answers.right & (answers.truths == answers.truths[position])) if i not in used]
        if alike:
            used.add(alike[0])
            _answered(study, grid[0][column], alike[0])
        _answered(study, grid[1][column], position)
    return made


def read_as(study: Study, axes: Axes, position: int) -> None:
    """Write above a tile what it was read as, what it is, and how sure the answer was; in so many ``lines``."""
    answers = study.answers("test")
    said, truth = short(study, int(answers.labels[position])), short(study, int(answers.truths[position]))
    sure = f"  {answers.confidence[position]:.0%}"
    axes.set_title("\n".join(" " * lines(study)), fontsize=SIZE)  # makes room
    lowest = axes.text(0, 1.04, "", transform=axes.transAxes, va="bottom", fontsize=SIZE)
    if lines(study) == 1:
        _write(axes, lowest, (1, 0), ((said, RED), (" not ", MUTED), (truth, BLUE), (sure, MUTED)))
    else:
        lowest.set_text("not ")
        lowest.set_color(MUTED)
        _write(axes, lowest, (1, 0), ((truth, BLUE),))
        _write(axes, lowest, (0, 1.1), ((said, RED), (sure, MUTED)))


def lines(study: Study) -> int:
    """How many lines ``read_as`` takes."""
    return 2 if _is_wordy(study) else 1


def columns(study: Study, most: int) -> int:
    """How many tiles stand beside each other, so that the labels above them fit."""
    return min(most, 4) if _is_wordy(study) else most


def short(study: Study, position: int) -> str:
    """The label, or its beginning; ``blank`` for -1."""
    label = study.labels[position] if position >= 0 else "blank"
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"


def _is_wordy(study: Study) -> bool:
    return max(map(len, study.labels)) > 2


def _answered(study: Study, axes: Axes, position: int) -> None:
    answers = study.answers("test")
    is_right = bool(answers.right[position])
    colour = GREEN if is_right else RED
    tile(axes, study.split("test").images[position], frame=colour)
    said = f"{'✓' if is_right else '✗'} {short(study, int(answers.labels[position]))}"
    axes.set_title(f"{said}  {answers.confidence[position]:.0%}", loc="center", color=colour, fontsize=SIZE)


def _write(axes: Axes, start: Text, where: tuple[float, float], words: tuple[tuple[str, str], ...]) -> None:
    """Words of several colours, each beginning where the one before ends."""
    for word, colour in words:
        start = axes.annotate(word, where, xycoords=start, va="bottom", fontsize=SIZE, color=colour)
        start.set_in_layout(False)
        where = (1, 0)
