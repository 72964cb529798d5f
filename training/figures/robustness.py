"""What spoils the answers, and what is told from digits."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from training.figures.style import BLUE, BLUES, INK, MUTED, RED, NotApplicable, bare, figure, mosaic, percent
from training.report.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from training.report.robustness import confidence_in, rejection_threshold
from training.report.study import Study


def corruptions(study: Study) -> Figure:
    """One picture under every corruption, from weak to strong."""
    picture = study.bench.sample.images[:1]
    spoilt = np.concatenate([corrupt(picture, kind, strength) for kind in CORRUPTIONS for strength in STRENGTHS])
    whole = mosaic(spoilt, len(STRENGTHS))
    made = figure(4.6 / whole.shape[1] * whole.shape[0] * 0.78 + 0.9, "What the corruptions do")
    axes = made.subplots()
    axes.imshow(whole, cmap="gray", vmin=0, vmax=255, interpolation="none")
    bare(axes)
    height, width = whole.shape[0] / len(CORRUPTIONS), whole.shape[1] / len(STRENGTHS)
    axes.set_yticks((np.arange(len(CORRUPTIONS)) + 0.45) * height, list(CORRUPTIONS))
    axes.set_xticks((np.arange(len(STRENGTHS)) + 0.45) * width, [str(strength) for strength in STRENGTHS])
    axes.tick_params(length=0)
    axes.set_xlabel("strength")
    made.draw_without_rendering()  # beside a picture of fixed aspect, the names get their room in a second pass only
    return made


def robustness(study: Study) -> Figure:
    """Accuracy by corruption and strength."""
    measured = study.robustness
    kinds = sorted(measured.corruptions, key=lambda kind: -sum(measured.corruptions[kind]))
    values = np.array([measured.corruptions[kind] for kind in kinds]) * 100
    made = figure(0.29 * len(kinds) + 1.4, "Accuracy under corruption, %")
    axes = made.subplots()
    axes.imshow((100 - values) / 100, cmap=BLUES, vmin=0, vmax=1, interpolation="none", aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8.5, color="white" if value < 45 else INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xticks=range(len(STRENGTHS)), xticklabels=STRENGTHS, yticks=range(len(kinds)), yticklabels=kinds)
    axes.set_xlabel(f"strength ({measured.n:,} test pictures each)")
    return made


def rejection(study: Study) -> Figure:
    """The probabilities of digits and of what is no digit, and the threshold between them."""
    bench = study.bench
    if not bench.nondigits:
        raise NotApplicable("There are no pictures without a digit to reject: the labels are not the ten digits.")
    digits = study.answers("test").confidence
    sets = (bench.frames_of_set(study.classifier, name) for name in bench.nondigits)
    others = np.concatenate([confidence_in(study.classifier, frames) for frames in sets])
    threshold = rejection_threshold(study.manifest, study.answers("validation"))
    made = figure(3.4, "Digits and what is none, by the greatest probability")
    axes = made.subplots()
    edges = np.linspace(0, 1, 41).tolist()
    for values, colour, word in ((digits, BLUE, "digits (test)"), (others, RED, "no digits")):
        weights = np.full(len(values), 100 / len(values))
        axes.hist(values, edges, weights=weights, color=colour, alpha=0.7, label=f"{word}: {len(values):,}")
    axes.axvline(threshold, color=MUTED, linestyle="--", linewidth=1.2, label=f"1 % of validation lies below {threshold:.1%}")
    axes.set(yscale="log", xlabel="greatest probability", ylabel="share of each, % (log scale)", xlim=(0, 1))
    axes.xaxis.set_major_formatter(percent)
    made.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return made
