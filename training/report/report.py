"""``report/index.html`` and ``report.json`` of one or more models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from training.figures.catalogue import Section
from training.report.material import Material
from training.report.numbers import ModelNumbers, numbers_of, rounded
from training.report.page import Shown, render, shown
from training.report.study import Study
from training.runs import git_commit, now

PAGE, NUMBERS = "index.html", "report.json"
OF_ALL: tuple[Section, ...] = ("zoo", "data")  # sections that are drawn once, for all models

Figures = dict[Section, list[Shown]]


@dataclass(frozen=True)
class ModelPart:
    """What the page says about one model; no figures for a page of tables."""

    numbers: ModelNumbers
    figures: Figures


def write_report(studies: Sequence[Study], out: Path, *, command: str) -> Path:
    """Measure models on one data set, and write the page and its numbers.

    Args:
        studies: at least one, all of one data set; the first draws what is common to all.
        out: folder to write to.
        command: that the page names as its origin.

    Returns:
        The page.
    """
    of_each = [section for section in get_args(Section) if section not in OF_ALL]
    parts = [ModelPart(numbers_of(study), {section: shown(study, section) for section in of_each}) for study in studies]
    common = {section: shown(studies[0], section) for section in OF_ALL}
    origin = {"made": now(), "command": command, "commit": git_commit()}
    out.mkdir(parents=True, exist_ok=True)
    (out / PAGE).write_text(page_of(parts, studies[0].data, common, **origin), encoding="utf-8")
    numbers = origin | {"models": [rounded(part.numbers.model_dump(mode="json")) for part in parts]}
    (out / NUMBERS).write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return out / PAGE


def page_of(parts: Sequence[ModelPart], data: Material, common: Figures, **origin: str) -> str:
    """The page's HTML; ``origin`` says when, by which command and at which commit it was made."""
    return render("report.html", models=parts, data=data, common=common, **origin)
