"""One self-contained HTML file: styles, tables and figures inside, nothing fetched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader

from training.figures.catalogue import FIGURES, Section, draw
from training.figures.style import NotApplicable, as_inline_svg
from training.report.study import Study


@dataclass(frozen=True)
class Shown:
    """A figure as the page shows it.

    Attributes:
        name: in the catalogue.
        svg: its drawing; empty where there is nothing to draw.
        caption: what to look at, or why there is nothing.
        wide: whether it takes the page's whole width.
    """

    name: str
    svg: str
    caption: str
    wide: bool


def shown(study: Study, section: Section) -> list[Shown]:
    """All figures of a section, those that the model has not got with the reason."""
    return [_shown(study, name) for name, entry in FIGURES.items() if entry.section == section]


def render(template: str, **values: object) -> str:
    """Fill one of the templates beside this file."""
    return _environment().get_template(template).render(**values)


def _shown(study: Study, name: str) -> Shown:
    entry = FIGURES[name]
    try:
        svg = as_inline_svg(draw(name, study), f"{study.manifest.name}-{name}")
    except NotApplicable as exc:
        return Shown(name, "", str(exc), wide=False)
    return Shown(name, svg, entry.caption, entry.wide)


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("training.report", "templates"), autoescape=True, trim_blocks=True)
    environment.filters["percent"] = percent
    environment.filters["interval"] = lambda pair: f"{percent(pair[0])} – {percent(pair[1])}"
    environment.filters["number"] = lambda value: f"{value:,}"
    return environment


def percent(share: float | None, places: int = 2) -> str:
    """A share 0–1 for people."""
    return "–" if share is None else f"{share:.{places}%}"
