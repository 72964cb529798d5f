"""The quick form of every scenario: nothing lost, nothing wrong. Times are for ``make soak``: CI's machines are busy."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.reliability import machine, models, rude, stops
from tests.reliability.flood import crowd, flood
from tests.reliability.fuzz import mutants
from tests.reliability.manners import rudeness
from tests.reliability.rows import Row, table_of
from tests.reliability.soak import soak

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
RUDE = (rude.slow_body, rude.chunked_bomb, rude.leave_before_the_answer, rude.unread_answers, rude.tiny_parts)


def _assert_kept(scenario: Coroutine[None, None, Row | list[Row]]) -> None:
    found = asyncio.run(scenario)
    rows = [found] if isinstance(found, Row) else found
    assert rows
    assert [(row.scenario, row.broken) for row in rows if row.broken] == []
    assert all(row.accepted > 0 for row in rows)
    assert table_of(rows).row_count == len(rows)


def test_flood_refuses_the_surplus_and_loses_nothing(tmp_path: Path) -> None:
    _assert_kept(flood(tmp_path, seconds=2, capacity=50))


def test_crowd_at_the_real_model_is_refused_in_part_and_loses_nothing(tmp_path: Path) -> None:
    _assert_kept(crowd(tmp_path, seconds=2))


def test_rude_clients_leave_nothing_behind(tmp_path: Path) -> None:
    _assert_kept(rudeness(tmp_path, seconds=0.8, idle=300, kinds=RUDE))


def test_sigterm_loses_nothing(tmp_path: Path) -> None:
    _assert_kept(stops.terminations(tmp_path, times=2, seconds=1))


def test_crashed_worker_is_not_noticed_by_a_client_that_tries_again(tmp_path: Path) -> None:
    _assert_kept(stops.killed_workers(tmp_path, times=1, seconds=1, ends=("crash",)))  # test_workers has the other


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_rolling_restart_is_not_noticed_behind_a_proxy(tmp_path: Path) -> None:
    _assert_kept(stops.rolling_restart(tmp_path, seconds=0.5))


def test_files_damaged_leave_the_loaded_model_serving(tmp_path: Path) -> None:
    _assert_kept(models.damaged_files(tmp_path, seconds=0.5, kinds=("altered", "deleted")))


def test_graphs_that_fail_are_told_and_end(tmp_path: Path) -> None:
    _assert_kept(models.faulty_graphs(tmp_path, seconds=1.8, kinds=("nan", "hang")))


def test_reloads_in_a_flood_lose_nothing(tmp_path: Path) -> None:
    _assert_kept(models.reload_in_a_flood(tmp_path, seconds=1, swaps=2))


def test_clock_that_jumps_is_not_looked_at_by_what_waits() -> None:
    waits = re.compile(r"time\.time\(|datetime\.now|utcnow")
    files = {path for path in (PROJECT / "app").rglob("*.py") if waits.search(path.read_text())}
    # A Retry-After may be a date, and a line of the log has one.
    assert files == {PROJECT / "app/client/retries.py", PROJECT / "app/logs.py"}


def test_file_descriptors_gone_are_told_and_come_back(tmp_path: Path) -> None:
    _assert_kept(machine.no_file_descriptors(tmp_path, seconds=1))


def test_disk_full_is_survived(tmp_path: Path) -> None:
    _assert_kept(machine.full_disk(tmp_path, seconds=1))


def test_memory_gone_is_told_and_comes_back(tmp_path: Path) -> None:
    _assert_kept(machine.no_memory(tmp_path, seconds=1))


@pytest.mark.skipif(not machine.can_hide_names(), reason="no namespace of mounts can be made here")
def test_names_are_never_asked_for(tmp_path: Path) -> None:
    _assert_kept(machine.no_names(tmp_path, seconds=0.5))


@pytest.mark.skipif(machine.FAKETIME is None, reason="libfaketime is not installed")
def test_clock_jumps_are_not_noticed(tmp_path: Path) -> None:
    _assert_kept(machine.clock_jumps(tmp_path, seconds=1))


def test_home_read_only_is_not_needed(tmp_path: Path) -> None:
    _assert_kept(machine.no_home(tmp_path, seconds=0.5))


def test_mutated_files_get_no_fault_and_no_hang(tmp_path: Path) -> None:
    _assert_kept(mutants(tmp_path, inputs=1000))


def test_mixed_requests_leave_no_trace(tmp_path: Path) -> None:
    row = asyncio.run(soak(tmp_path, requests=600))
    assert row.wrong == 0
    assert set(row.broken) <= {"memory within 5 %"}  # which needs the long form to show
