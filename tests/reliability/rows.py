"""What a scenario found, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich import box
from rich.table import Table

from tests.reliability.load import Outcome, lost, p99_ms, wrong

COLUMNS: Final = ("requests", "accepted", "lost", "wrong", "p99 before", "during", "after", "memory MB")


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario.

    Attributes:
        scenario: its name.
        requests: sent well-formed by the callers who are measured.
        accepted: of these, answered with 200.
        lost: accepted and not answered, or answered with an error.
        wrong: answered with another label than the picture's, or refused without ``Retry-After``.
        p99_ms: of the callers' answers before, during and after it; NaN where it has no such time.
        memory_mb: resident memory of the process before and after; NaN where it ended.
        kept: what else was promised, and whether it was kept.
        in_time: the same of promises about time, which a busy machine breaks too.
    """

    scenario: str
    requests: int
    accepted: int
    lost: int
    wrong: int
    p99_ms: tuple[float, float, float] = (float("nan"),) * 3
    memory_mb: tuple[float, float] = (float("nan"),) * 2
    kept: dict[str, bool] = field(default_factory=dict)
    in_time: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        scenario: str,
        phases: Sequence[Sequence[Outcome]],
        log: str,
        memory_mb: tuple[float, float] = (float("nan"),) * 2,
        kept: dict[str, bool] | None = None,
        in_time: dict[str, bool] | None = None,
    ) -> Row:
        """Count the outcomes of the time before, during and after, or of one time."""
        outcomes = [outcome for phase in phases for outcome in phase]
        accepted = sum(outcome.status == 200 for outcome in outcomes)
        before, during, after = map(p99_ms, phases if len(phases) == 3 else ([], outcomes, []))
        counts = len(outcomes), accepted, lost(outcomes, log), wrong(outcomes)
        return cls(scenario, *counts, (before, during, after), memory_mb, kept or {}, in_time or {})

    @property
    def broken(self) -> list[str]:
        """The promises that were not kept, but those about time; empty where all is well."""
        counts = [f"{self.lost} lost"] * (self.lost > 0) + [f"{self.wrong} wrong"] * (self.wrong > 0)
        return counts + [promise for promise, kept in self.kept.items() if not kept]

    @property
    def late(self) -> list[str]:
        """The promises about time that were not kept."""
        return [promise for promise, kept in self.in_time.items() if not kept]


def table_of(rows: Iterable[Row]) -> Table:
    """All rows, in a form that can be pasted into Markdown."""
    table = Table("scenario", *COLUMNS, "also", box=box.MARKDOWN)
    for row in rows:
        numbers = [f"{number:,}" for number in (row.requests, row.accepted, row.lost, row.wrong)]
        times = [_shown(value) for value in row.p99_ms]
        memory = " → ".join(map(_shown, row.memory_mb))
        kept = "; ".join(promise if kept else f"NOT KEPT: {promise}" for promise, kept in (row.kept | row.in_time).items())
        table.add_row(row.scenario, *numbers, *times, memory, kept)
    return table


def _shown(value: float) -> str:
    return "–" if value != value else f"{value:.0f}"
