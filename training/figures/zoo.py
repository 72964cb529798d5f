"""The models beside each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Bbox

from app.digits.manifest import ModelManifest
from training.figures.style import BLUE, MUTED, RED, figure
from training.report.study import Study

Place = tuple[int, int, Literal["left", "center", "right"]]

# Where a name may stand, from its point, in typographic points: the first that is free is taken.
PLACES: Final[tuple[Place, ...]] = (
    *((7, y, "left") for y in (3, -9, 14, -20)),
    *((-7, y, "right") for y in (3, -9, 14, -20)),
    *((0, y, "center") for y in (12, -18, 24, -30, 36, -42)),
)
# Which multiples of powers of ten are written, up to so many decades of an axis.
STEPS: Final = ((1, (1, 1.5, 2, 3, 5, 7)), (2.5, (1, 2, 5)), (math.inf, (1,)))


@dataclass(frozen=True)
class Point:
    """A model as the figure shows it: million multiply-adds, test error in percent and its interval."""

    name: str
    cost: float
    error: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, manifest: ModelManifest) -> Point:
        test = manifest.metrics["test"]
        low, high = test.interval
        return cls(manifest.name, manifest.cost.macs / 1e6, 100 * (1 - test.accuracy), (100 * (1 - high), 100 * (1 - low)))


def frontier(study: Study) -> Figure:
    """Test error against multiply-adds, from the manifests; joined are the models that no other beats in both."""
    points = sorted(map(Point.of, study.zoo), key=lambda point: (point.cost, point.error))
    made = figure(4.4, "What accuracy costs")
    axes = made.subplots()
    best: list[Point] = []
    colours = {}
    for point in points:
        if leads := not best or point.error < best[-1].error:
            best.append(point)
        colours[point] = RED if point.name == study.manifest.name else BLUE if leads else MUTED
        low, high = point.interval
        errors = [[point.error - low], [high - point.error]]
        axes.errorbar(point.cost, point.error, errors, color=colours[point], fmt="o", elinewidth=0.9, capsize=2)
    joined = [(point.cost, point.error) for point in best]
    (line,) = axes.plot(*zip(*joined, strict=True), color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
    _scale(axes)
    made.draw_without_rendering()  # what is free is known once everything has its place
    taken = [_extent(axes, point) for point in points]
    for point in points:
        taken.append(_named(axes, point, colours[point], taken, line))
    return made


def _scale(axes: Axes) -> None:
    axes.set(xscale="log", yscale="log", xlabel="million multiply-adds a picture", ylabel="test error, % (95 % interval)")
    axes.margins(x=0.25, y=0.15)
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=next(steps for decades, steps in STEPS if high <= low * 10**decades)))
        axis.set_major_formatter(lambda value, _place: f"{value:g}")
        axis.set_minor_locator(NullLocator())


def _extent(axes: Axes, point: Point) -> Bbox:
    """A point and its interval, in pixels."""
    (x, low), (_, high) = axes.transData.transform([(point.cost, bound) for bound in point.interval])
    return Bbox.from_extents(x - 4, low, x + 4, high)


def _named(axes: Axes, point: Point, colour: str, taken: list[Bbox], line: Line2D) -> Bbox:
    """Write a point's name where nothing is, or where at least no other name is crossed."""
    where = (point.cost, point.error)
    note = axes.annotate(point.name, where, (0, 0), textcoords="offset points", fontsize=8.5, color=colour)
    path = line.get_transform().transform_path(line.get_path())

    def extent_at(place: Place) -> Bbox:
        note.set(position=place[:2], ha=place[2])
        return note.get_window_extent()

    def crowding(place: Place) -> int:
        extent = extent_at(place)
        inside = axes.bbox.x0 <= extent.x0 and extent.x1 <= axes.bbox.x1
        free = inside and not any(extent.overlaps(other) for other in taken)
        return 2 * (not free) + path.intersects_bbox(extent, filled=False)

    return extent_at(min(PLACES, key=crowding))
