"""The models beside each other."""

from __future__ import annotations

from matplotlib.figure import Figure

from training.figures.style import BLUE, MUTED, RED, figure
from training.report.study import Study


def frontier(study: Study) -> Figure:
    """Test error against multiply-adds, from the manifests; joined are the models that no other beats in both."""
    zoo = sorted(study.zoo, key=lambda manifest: manifest.cost.macs)
    made = figure(4.0, "What accuracy costs")
    axes = made.subplots()
    best: list[tuple[float, float]] = []
    for manifest in zoo:
        test, cost = manifest.metrics["test"], manifest.cost.macs / 1e6
        error, low, high = (100 * (1 - share) for share in (test.accuracy, test.interval[1], test.interval[0]))
        leads = not best or error < best[-1][1]
        if leads:
            best.append((cost, error))
        colour = RED if manifest.name == study.manifest.name else BLUE if leads else MUTED
        axes.errorbar(cost, error, [[error - low], [high - error]], color=colour, fmt="o", elinewidth=0.9, capsize=2)
        axes.annotate(manifest.name, (cost, error), (6, 5), textcoords="offset points", fontsize=8.5, color=colour)
    axes.plot(*zip(*best, strict=True), color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
    axes.set(xscale="log", yscale="log", xlabel="million multiply-adds a picture", ylabel="test error, % (95 % interval)")
    axes.margins(x=0.25, y=0.15)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _place: f"{value:g}")
        axis.set_minor_formatter(lambda value, _place: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    return made
