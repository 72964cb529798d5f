"""Whether probabilities mean what they say, and what they are good for."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import softmax

from app.digits.session import Floats
from training.calibrate import expected_calibration_error
from training.figures.style import BLUE, GREEN, INK, MUTED, RED, NotApplicable, figure, percent
from training.report.scores import reliability, selective
from training.report.study import Study


def reliability_diagram(study: Study) -> Figure:
    """Confidence against accuracy before and after calibration, and how many answers there are at each."""
    answers = study.answers("test")
    made = figure(5.6, f"Reliability of {study.manifest.name} on {len(answers):,} test pictures")
    upper, lower = made.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1.2, label="perfectly calibrated")
    _show(upper, lower, study, softmax(answers.logits, axis=1), -0.008, RED, "s", "before calibration")
    margins = study.manifest.margins
    way = f"margins to the power of {margins.power:.2f}" if margins else f"temperature {study.manifest.temperature:.2f}"
    _show(upper, lower, study, answers.probabilities, 0.008, BLUE, "o", f"after it ({way})")
    upper.set(ylabel="share that is right (95 % interval)", xlim=(0, 1.02), ylim=(0, 1.02))
    lower.set(yscale="log", ylabel="answers", xlabel="probability of the answer", ylim=(0.7, None))
    for axis in (upper.xaxis, upper.yaxis):
        axis.set_major_formatter(percent)
    made.legend(*upper.get_legend_handles_labels(), loc="outside lower left")
    return made


def confidence(study: Study) -> Figure:
    """How sure right and wrong answers are."""
    answers = study.answers("test")
    made = figure(3.4, "How sure the answers are: right and wrong ones")
    axes = made.subplots()
    edges = np.linspace(0, 1, 41).tolist()
    for right, colour, word in ((True, BLUE, "right"), (False, RED, "wrong")):
        values = answers.confidence[answers.right == right]
        if len(values):
            axes.hist(values, edges, color=colour, alpha=0.75, label=f"{word}: {len(values):,}, median {np.median(values):.1%}")
    axes.set(
        yscale="log", xlabel="probability of the answer", ylabel="test pictures (log scale)", xlim=(0, 1), ylim=(0.7, None)
    )
    axes.xaxis.set_major_formatter(percent)
    made.legend(*axes.get_legend_handles_labels(), loc="outside lower left")
    return made


def selective_accuracy(study: Study) -> Figure:
    """Accuracy of the answers that are given, if the least sure ones are not."""
    answers = study.answers("test")
    if answers.right.all():
        raise NotApplicable(f"{study.manifest.name} reads every test picture right, at any coverage.")
    points = selective(answers.confidence, answers.right, np.linspace(0.8, 1, 201))
    made = figure(3.4, "Fewer answers, fewer errors")
    axes = made.subplots()
    axes.plot([point.coverage * 100 for point in points], [(1 - point.accuracy) * 100 for point in points], color=BLUE)
    clean = [point for point in points if point.accuracy == 1]
    if clean:
        best = clean[-1]
        axes.plot(best.coverage * 100, 0, "o", color=GREEN)
        note = f"no error on the surest {best.coverage:.1%}"
        axes.annotate(note, (best.coverage * 100, 0), (0, 14), textcoords="offset points", ha="right", color=INK, fontsize=8.5)
    axes.set(xlabel="coverage: share of test pictures that are answered, %", ylabel="errors among them, %", ylim=(-0.02, None))
    return made


def _show(
    upper: Axes, lower: Axes, study: Study, probabilities: Floats, aside: float, colour: str, marker: str, word: str
) -> None:
    truths = study.answers("test").truths
    bins = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truths)
    x = np.array([one.confidence for one in bins])
    y = np.array([one.accuracy for one in bins])
    errors = np.abs(np.array([one.interval for one in bins]).T - y)
    label = f"{word}: ECE {expected_calibration_error(probabilities, truths):.2%}"
    upper.errorbar(x + aside, y, errors, color=colour, fmt=marker, markersize=4.5, elinewidth=0.9, capsize=2, label=label)
    lower.bar(x + aside * 2, [one.n for one in bins], 0.018, color=colour)
