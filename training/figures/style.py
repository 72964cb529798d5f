"""The one look of all figures: colours that the colour-blind tell apart (Okabe and Ito 2008), type, and how they are saved.

Figures are made without pyplot, so nothing global is touched and no screen is needed.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from app.digits.preprocessing import Grey
from training.errors import TrainingError

WIDTH: Final = 4.8  # inches: a phone's width at readable type, two beside each other on a desk
WIDE: Final = 9.8
MOSAIC_SIDE: Final = 28  # pixels
MOSAIC_GAP: Final = 3
TITLE_LETTERS: Final = 52  # in a line of that width

INK: Final = "#1f2328"
MUTED: Final = "#6b7280"
RULE: Final = "#d7dbe0"
BLUE: Final = "#0072b2"
RED: Final = "#d55e00"  # Okabe and Ito's vermilion: told from green by those who cannot see red
GREEN: Final = "#009e73"
ORANGE: Final = "#e69f00"
PURPLE: Final = "#cc79a7"
SERIES: Final = (BLUE, RED, GREEN, PURPLE, ORANGE, MUTED)
# In a page these follow its theme, light or dark.
VARIABLES: Final = {INK: "--ink", MUTED: "--muted", RULE: "--rule", BLUE: "--blue", RED: "--red", GREEN: "--green"}
# From nothing to blue: whatever lies behind shows through where there is nothing.
BLUES: Final = LinearSegmentedColormap.from_list("blues", [(0, 0.447, 0.698, 0.0), (0, 0.447, 0.698, 1.0)])
REDS: Final = LinearSegmentedColormap.from_list("reds", [(0.835, 0.369, 0, 0.0), (0.835, 0.369, 0, 1.0)])
# Blue for less, vermilion for more, nothing in the middle.
DIVERGING: Final = LinearSegmentedColormap.from_list(
    "diverging", [(0, 0.447, 0.698, 1.0), (0.5, 0.45, 0.4, 0.0), (0.835, 0.369, 0, 1.0)]
)

RC: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 9.5,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=SERIES),
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "digits",
    "svg.fonttype": "path",
}


Tiles = tuple[Figure, list[list[Axes]]]


class NotApplicable(TrainingError):
    """The figure shows something that this model or this data has not got; the message says what."""


def figure(height: float, title: str, *, width: float = WIDTH) -> Figure:
    """An empty figure with its title; sizes in inches. Belongs inside ``look``."""
    made = Figure(figsize=(width, height))
    lines = textwrap.fill(title, round(TITLE_LETTERS * width / WIDTH))
    made.suptitle(lines, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return made


def tiles(title: str, rows: int, columns: int, *, heading: int = 1, first: float = 1.0, foot: float = 0.0) -> Tiles:
    """A figure of square tiles, as high as they need.

    Args:
        title: of the figure.
        rows: of tiles.
        columns: of tiles.
        heading: lines of text above each tile.
        first: width of the first column, in tiles.
        foot: inches for what comes below.

    Returns:
        The figure, and its axes by row; bare ones.
    """
    side = (WIDTH - 0.2) / (columns - 1 + first) - 0.06
    height = rows * (side + (0.06 + 0.17 * heading)) + 0.4 + foot
    made = figure(height, title)
    grid = made.subplots(rows, columns, squeeze=False, width_ratios=(first, *[1] * (columns - 1)))
    for axes in grid.flat:
        bare(axes)
    return made, grid.tolist()


@contextmanager
def look() -> Iterator[None]:
    """Matplotlib's settings while figures are made or saved."""
    with mpl.rc_context(RC):
        yield


def mosaic(pictures: NDArray[np.generic], columns: int) -> NDArray[np.floating]:
    """Many small pictures (N, h, w) as one, with see-through gaps (NaN) between them: quicker to draw than N axes.

    Args:
        pictures: of one size.
        columns: how many stand beside each other.

    Returns:
        Float (H, W); small ones are enlarged by whole pixels, to ``MOSAIC_SIDE`` at least.
    """
    factor = -(-MOSAIC_SIDE // pictures.shape[1])
    large = pictures.repeat(factor, axis=1).repeat(factor, axis=2).astype(np.float64)
    rows = -(-len(large) // columns)
    padded = np.pad(large, ((0, rows * columns - len(large)), (0, MOSAIC_GAP), (0, MOSAIC_GAP)), constant_values=np.nan)
    padded[len(large) :] = np.nan
    height, width = padded.shape[1:]
    joined = padded.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
    return joined[:-MOSAIC_GAP, :-MOSAIC_GAP]


def tile(axes: Axes, picture: Grey, *, frame: str | None = None) -> None:
    """Show one picture uint8 (H, W) by its pixels, light ink on dark paper as the model gets it; ``frame`` is a colour."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none")
    bare(axes)
    for side in axes.spines.values():
        side.set(visible=frame is not None, color=frame or INK, linewidth=2.5)


def plain_log(axes: Axes) -> None:
    """A logarithmic y axis whose numbers are written out; call it once all is plotted, as a short range stays linear."""
    low, high = axes.dataLim.intervaly
    if high < 3 * low:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_plain)
    axes.yaxis.set_minor_formatter(lambda value, _place: _plain(value) if f"{value:e}"[0] in "25" else "")


def percent(value: float, _place: float = 0) -> str:
    """A share 0–1 as a tick says it."""
    return f"{value:.0%}"


def _plain(value: float, _place: float = 0) -> str:
    return f"{value:,.10g}"


def bare(axes: Axes) -> None:
    """No ticks, no grid, no frame."""
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def save(made: Figure, path: Path) -> None:
    """Write a file by its suffix: svg, png or pdf, on white.

    Raises:
        TrainingError: of another suffix.
    """
    kind = path.suffix[1:].lower()
    if kind not in ("svg", "png", "pdf"):
        raise TrainingError(f"{path.name}: a figure is saved as .svg, .png or .pdf.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_drawn(made, kind, "white"))


def as_inline_svg(made: Figure, name: str) -> str:
    """The figure as an element of a page, see-through, whose greys and colours follow the page's theme.

    Args:
        made: the figure.
        name: is put before the element ids, which must differ between the figures of a page.
    """
    svg = _drawn(made, "svg", "none").decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    return svg


def _drawn(made: Figure, kind: str, background: str) -> bytes:
    out = io.BytesIO()
    metadata = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}[kind]
    with look():
        made.savefig(out, format=kind, facecolor=background, dpi=160, metadata=metadata)
    return out.getvalue()
