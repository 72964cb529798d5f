"""How the run went, from ``history.csv``."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.figures.style import BLUE, GREEN, INK, MUTED, RED, NotApplicable, figure, plain_log
from training.report.study import Study


def curves(study: Study) -> Figure:
    """Loss, accuracy and learning rate by epoch, with the gap between training and validation marked at the end."""
    rows = study.history
    if not rows:
        raise NotApplicable(f"{study.manifest.name} has no history.csv, so its training curves are not known.")
    epochs = [row.epoch for row in rows]
    made = figure(6.2, f"Training of {study.manifest.name}: {len(rows)} epochs")
    loss, accuracy, rate = made.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    loss.plot(epochs, [row.train_loss for row in rows], color=RED, label="training (augmented, smoothed labels)")
    loss.plot(epochs, [row.validation_loss for row in rows], color=BLUE, label="validation (averaged weights)")
    plain_log(loss)
    loss.set(ylabel="loss, nats")
    errors_train = [max(1e-5, 1 - row.train_accuracy) * 100 for row in rows]
    errors_validation = [max(1e-5, 1 - row.validation_accuracy) * 100 for row in rows]
    accuracy.plot(epochs, errors_train, color=RED)
    accuracy.plot(epochs, errors_validation, color=BLUE)
    plain_log(accuracy)
    accuracy.set(ylabel="error (100 − accuracy), %")
    _mark_gap(accuracy, epochs[-1], errors_train[-1], errors_validation[-1])
    rate.plot(epochs, [row.learning_rate for row in rows], color=GREEN)
    rate.set(ylabel="learning rate", xlabel="epoch", ylim=(0, None))
    rate.xaxis.get_major_locator().set_params(integer=True)
    made.legend(*loss.get_legend_handles_labels(), loc="outside lower left", ncols=1)
    return made


def _mark_gap(axes: Axes, epoch: int, train: float, validation: float) -> None:
    """An arrow between the two last errors, and the gap in points; validation above training is overfitting."""
    axes.annotate("", (epoch, validation), (epoch, train), arrowprops={"arrowstyle": "<->", "color": INK, "linewidth": 1.0})
    gap = validation - train
    word = "overfitting" if gap > 0 else "no overfitting"
    axes.text(
        0.98,
        0.95,
        f"gap at the end {gap:+.2f} points: {word}".replace("-", "−"),
        transform=axes.transAxes,
        ha="right",
        va="top",
        color=INK,
        fontsize=8.5,
    )
    axes.plot([epoch, epoch], [train, validation], "o", color=MUTED, markersize=3)
