"""The dashboard without Grafana: ``python -m tests.container.draw_dashboard``.

Each panel's queries, as Prometheus answers them over a minute of traffic, in the panel's place; a look at what is asked, not at
how Grafana draws it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.settings import PROJECT
from tests.container.prometheus import PANELS, filled, scraping, traffic
from tests.server import Server

PICTURE: Final = PROJECT / "figures/dashboard.png"
# Grafana's grid has 24 columns; a row of it is 30 pixels.
COLUMNS: Final = 24
INCHES: Final = 0.75, 0.3
STEP_S: Final = 1
LONGEST_LEGEND: Final = 30


def main(
    out: Annotated[Path, typer.Argument(help="The picture.")] = PICTURE,
    seconds: Annotated[int, typer.Option(min=20, help="Of traffic.")] = 60,
) -> None:
    """Draw every panel."""
    program = shutil.which("prometheus")
    if program is None:
        raise typer.BadParameter("there is no prometheus command")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digits-")))
        server = stack.enter_context(Server(folder / "server.log"))
        prometheus = stack.enter_context(scraping(program, server, folder))
        with traffic(server):
            time.sleep(seconds)
        _drawn(prometheus, time.time() - seconds, time.time()).savefig(out, dpi=60)


def _drawn(prometheus: httpx.Client, start: float, end: float) -> Figure:
    lines = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in PANELS)
    figure = Figure(figsize=(COLUMNS * INCHES[0], lines * INCHES[1]))
    for panel in PANELS:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        place = (x + 1) / COLUMNS, 1 - (y + h - 1.2) / lines, (w - 1.6) / COLUMNS, (h - 2.4) / lines
        axes = figure.add_axes(place)
        axes.set_title(panel["title"], fontsize=11, loc="left")
        axes.tick_params(labelsize=8)
        _draw(axes, panel, prometheus, start, end)
    return figure


def _draw(axes: Axes, panel: dict[str, Any], prometheus: httpx.Client, start: float, end: float) -> None:
    found = [
        (_legend(target, series["metric"]), np.array(series["values"], float), series["metric"])
        for target in panel["targets"]
        for series in _asked(prometheus, target["expr"], start, end)
    ]
    match panel["type"]:
        case "table":
            axes.axis("off")
            text = "\n".join(f"{m['model']} {m['version']} {m['provider']} {m['sha256'][:8]}" for _, _, m in found)
            axes.text(0, 1, text, va="top", fontsize=7, family="monospace")
        case "stat":
            axes.axis("off")
            axes.text(0.5, 0.5, f"{found[0][1][-1, 1]:g}", ha="center", va="center", fontsize=40)
        case "heatmap":
            _heatmap(axes, {name: values for name, values, _ in found}, start)
        case _:
            for name, values, _ in found:
                axes.plot(values[:, 0] - start, values[:, 1], label=name)
            axes.set_ylim(0, 1.2 * max(values[:, 1].max() for _, values, _ in found) or 1)
            axes.set_ylabel(panel["fieldConfig"]["defaults"]["unit"], fontsize=8)
            axes.legend(fontsize=7, loc="upper left", ncols=2)


def _heatmap(axes: Axes, by_bound: dict[str, np.ndarray[Any, Any]], start: float) -> None:
    """Buckets hold all below their bound; a cell shows what is between two bounds."""
    bounds = sorted(by_bound, key=float)
    below = np.array([by_bound[bound][:, 1] for bound in bounds])
    times = by_bound[bounds[0]][:, 0] - start
    axes.imshow(np.diff(below, axis=0, prepend=0), aspect="auto", origin="lower", extent=(times[0], times[-1], 0, len(bounds)))
    axes.set_yticks(np.arange(len(bounds)) + 0.5, bounds)


def _asked(prometheus: httpx.Client, expression: str, start: float, end: float) -> list[dict[str, Any]]:
    query: dict[str, str | float] = {"query": filled(expression), "start": start, "end": end, "step": STEP_S}
    found: list[dict[str, Any]] = (
        prometheus.get("/api/v1/query_range", params=query).raise_for_status().json()["data"]["result"]
    )
    return found


def _legend(target: dict[str, Any], metric: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda label: metric.get(label[1], ""), target.get("legendFormat", ""))[:LONGEST_LEGEND]


if __name__ == "__main__":
    typer.run(main)
