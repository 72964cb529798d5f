"""What is noted first and told later is what prometheus_client itself would have counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from app.buffered import BufferedCounter, BufferedHistogram

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
