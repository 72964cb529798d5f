"""What is noted first and told later is what prometheus_client itself would have counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from app.buffered import NOTED_TOGETHER, BufferedCounter, BufferedHistogram, RowHistogram

BOUNDS = (0.1, 1.0, 5.0)
VALUES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from((0.0, 0.1, 0.3, 1.0, 4.0, 5.0, 9.0))))


def _told(counter: type[Counter], histogram: type[Histogram], values: list[tuple[str, float]], *, scraped: int) -> list[str]:
    registry = CollectorRegistry()
    count = counter("count", "Counted.", ("who",), registry=registry)
    spread = histogram("spread", "Spread.", ("who",), buckets=BOUNDS, registry=registry)
    for index, (who, value) in enumerate(values):
        count.labels(who).inc()
        spread.labels(who).observe(value)
        if index % (scraped + 1) == scraped:  # what was told once is not told again
            generate_latest(registry)
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@given(VALUES, st.integers(0, 3))
def test_buffered_numbers_are_the_librarys_own(values: list[tuple[str, float]], scraped: int) -> None:
    assert _told(BufferedCounter, BufferedHistogram, values, scraped=scraped) == _told(
        Counter, Histogram, values, scraped=scraped
    )


@given(st.lists(st.tuples(*[st.sampled_from((0.0, 0.5, 1.0, 9.0))] * 2), max_size=9), st.integers(0, 3))
def test_rows_are_counted_as_their_values_would_be(rows: list[tuple[float, float]], scraped: int) -> None:
    registries = CollectorRegistry(), CollectorRegistry()
    spread = RowHistogram("spread", "Spread.", ("who",), buckets=BOUNDS, registry=registries[0])
    librarys = Histogram("spread", "Spread.", ("who",), buckets=BOUNDS, registry=registries[1])
    children = [(spread.labels(who), librarys.labels(who)) for who in "ab"]
    for index, row in enumerate(rows):
        spread.observe_row(row)
        for (_, child), value in zip(children, row, strict=True):
            child.observe(value)
        if index % (scraped + 1) == scraped:
            generate_latest(registries[0])
    told, expected = (
        [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line] for registry in registries
    )
    assert told == expected


def test_many_rows_are_told_before_they_are_asked_for() -> None:
    spread = RowHistogram("spread", "Spread.", ("who",), buckets=BOUNDS, registry=None)
    spread.labels("a")
    for _ in range(NOTED_TOGETHER):
        spread.observe_row((0.5,))
    assert spread.labels("a")._sum.get() == NOTED_TOGETHER / 2
