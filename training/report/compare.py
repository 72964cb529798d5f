"""Two models on the same pictures: a baseline beside what should be better."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.errors import TrainingError
from training.evaluate import metrics_of
from training.figures.style import as_inline_svg, look
from training.figures.versus import right_by_one
from training.report.latency import measure_latency
from training.report.mcnemar import Verdict, mcnemar
from training.report.numbers import rounded
from training.report.page import percent, render
from training.report.scores import brier
from training.report.study import Study
from training.runs import git_commit, now

PAGE, NUMBERS = "index.html", "compare.json"


@dataclass(frozen=True)
class Row:
    """One quantity of both models, as data and for people; ``difference`` is the second's less the first's."""

    name: str
    first: float
    second: float
    show: Callable[[float], str]

    @property
    def difference(self) -> str:
        sign = "+" if self.second > self.first else "−" if self.second < self.first else "±"
        size = abs(self.second - self.first)
        return sign + (f"{100 * size:.2f} points" if self.show is percent else self.show(size))


@dataclass(frozen=True)
class Comparison:
    """What was measured of two models on the test split."""

    names: tuple[str, str]
    n: int
    rows: list[Row]
    verdict: Verdict


def compare(first: Study, second: Study) -> Comparison:
    """Measure both; raises TrainingError where they were not given the same pictures."""
    if first.data is not second.data:
        raise TrainingError("Models are compared on the same pictures only.")
    of_first, of_second = _values(first), _values(second)
    answers = first.answers("test"), second.answers("test")
    return Comparison(
        names=(first.manifest.name, second.manifest.name),
        n=len(answers[0]),
        rows=[Row(name, of_first[name], of_second[name], show) for name, show in QUANTITIES.items()],
        verdict=mcnemar(answers[0].right, answers[1].right),
    )


def sentence(comparison: Comparison) -> str:
    """The verdict in words."""
    first, second = comparison.names
    verdict = comparison.verdict
    low, high = (100 * bound for bound in verdict.interval)
    counts = f"{first} alone is right on {verdict.only_first:,} pictures, {second} alone on {verdict.only_second:,}"
    p_value = "p < 0.001" if verdict.p_value < 0.001 else f"p = {verdict.p_value:.2g}"
    test = f"McNemar's exact test: {p_value}; difference {100 * verdict.difference:+.2f} points"
    meaning = "more than chance explains" if verdict.p_value < 0.05 else "no more than chance explains"
    return f"{counts}. {test} (95 % interval {low:+.2f} to {high:+.2f}), {meaning} at 5 %."


def write_comparison(first: Study, second: Study, out: Path, *, command: str) -> Comparison:
    """Compare, and write ``index.html`` and ``compare.json`` into a folder."""
    found = compare(first, second)
    with look():
        drawings = [right_by_one(first, second), right_by_one(second, first)]
    figures = [as_inline_svg(made, f"side-{number}") for number, made in enumerate(drawings) if made]
    origin = {"made": now(), "command": command, "commit": git_commit()}
    out.mkdir(parents=True, exist_ok=True)
    page = render("compare.html", found=found, sentence=sentence(found), drawings=figures, data=first.data, **origin)
    (out / PAGE).write_text(page, encoding="utf-8")
    numbers: dict[str, Any] = {
        "models": list(found.names),
        "n": found.n,
        "quantities": {row.name: [row.first, row.second] for row in found.rows},
        "mcnemar": asdict(found.verdict) | {"interval": list(found.verdict.interval)},
    }
    (out / NUMBERS).write_text(json.dumps(origin | rounded(numbers), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def _values(study: Study) -> dict[str, float]:
    answers, cost = study.answers("test"), study.manifest.cost
    metrics = metrics_of(answers)
    latency = measure_latency(study.folder, study.split("test").images[:32])
    values = (
        metrics.accuracy,
        metrics.nll,
        metrics.ece,
        brier(answers.probabilities, answers.truths),
        float(np.mean([one.mean() for one in _by_class(study)])),
        float(cost.parameters),
        float(cost.macs),
        float(cost.bytes),
        latency.single_ms,
    )
    return dict(zip(QUANTITIES, values, strict=True))


def _by_class(study: Study) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    answers = study.answers("test")
    return [answers.right[answers.truths == label] for label in np.unique(answers.truths)]


QUANTITIES: dict[str, Callable[[float], str]] = {
    "accuracy": percent,
    "NLL, nats": lambda value: f"{value:.4f}",
    "ECE": percent,
    "Brier": lambda value: f"{value:.4f}",
    "mean accuracy of the classes": percent,
    "parameters": lambda value: f"{value:,.0f}",
    "multiply-adds a picture": lambda value: f"{value:,.0f}",
    "bytes of model.onnx": lambda value: f"{value:,.0f}",
    "CPU ms a picture": lambda value: f"{value:.2f}",
}
