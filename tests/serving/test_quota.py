from __future__ import annotations

import threading

import pytest

from app.serving import quota
from app.serving.quota import ClientQuota, parse_quota, share_of


def test_client_quota_spent_says_when_to_try_again() -> None:
    clients = ClientQuota(parse_quota("3/hour"))
    assert [clients.take("a") for _ in range(3)] == [None] * 3
    wait_s = clients.take("a")
    assert wait_s is not None
    assert wait_s == pytest.approx(1200, rel=0.01)
    assert clients.take("b") is None


def test_client_quota_is_refilled() -> None:
    clients = ClientQuota(parse_quota("1000/second burst 1"))
    assert clients.take("a") is None
    assert any(clients.take("a") is None for _ in range(100_000))


def test_client_quota_many_clients_take_bounded_room_and_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_CLIENTS", 100)
    clients = ClientQuota(parse_quota("1/hour"))
    threads = threading.active_count()
    assert all(clients.take(f"client {number}") is None for number in range(300))
    assert clients.take("client 299") is not None  # remembered
    assert clients.take("client 0") is None  # forgotten: the longest silent
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("text", "count", "period_s", "burst"),
    [("100/second", 100, 1, 100), ("600/minute burst 50", 600, 60, 50), (" 5 per hour ", 5, 3600, 5)],
)
def test_parse_quota_is_read(text: str, count: int, period_s: int, burst: int) -> None:
    parsed = parse_quota(text)
    assert (parsed.rate.limit, parsed.period_sec, parsed.burst) == (count, period_s, burst)


@pytest.mark.parametrize("text", ["many", "0/second", "5/fortnight", "5/second burst 0", "5/second, 100/minute", "-1/second"])
def test_parse_quota_unreadable_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_quota(text)


@pytest.mark.parametrize(("text", "workers", "per_second", "burst"), [("100/second", 4, 25, 25), ("1/second", 4, 0.25, 1)])
def test_share_of_workers_sums_to_the_whole(text: str, workers: int, per_second: float, burst: int) -> None:
    share = share_of(parse_quota(text), workers)
    assert share.fill_rate == pytest.approx(per_second)
    assert share.emission_interval == pytest.approx(1 / per_second)
    assert share.burst == burst


def test_share_of_one_worker_is_all_of_it() -> None:
    assert share_of(parse_quota("7/minute burst 3"), 1) == parse_quota("7/minute burst 3")
