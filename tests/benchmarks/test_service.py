"""The benchmark of the service, as far as it goes without loading anything for minutes."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from benchmarks import limit
from benchmarks.cell import Cell, loaded
from benchmarks.contender import Contender, ContenderError, running
from benchmarks.service import ALONE, BARE, CELLS, ONE, OURS, contenders, jobs, ratios, table_of
from benchmarks.wrk import Load

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def _cell(cpu_ms: float) -> Cell:
    return Cell(Load(100, 1000.0, 1.0, 2.0, 3.0, 0), cpu_ms, 1000.0)


def test_cells_name_servers_and_requests_that_there_are() -> None:
    names = {contender.name for contender in contenders()}
    assert {server for server, _, _ in CELLS} == names
    assert {kind for _, kind, _ in CELLS} == set(jobs())


def test_request_of_each_kind_is_answered_by_the_service(tmp_path: Path) -> None:
    kinds = jobs()
    ours = next(contender for contender in contenders() if contender.name == ALONE)
    with running(ours, kinds[ONE], tmp_path / "log") as server:
        for job in kinds.values():
            assert httpx.post(server.url + job.path, content=job.body, headers=dict(job.headers)).status_code == 200
        assert server.first_answer_s > 0
        assert server.cpu_s() > 0
        assert server.memory_mb()[0] > 20
        pids = server.pids
    assert pids
    assert not server.pids


def test_loaded_counts_what_the_server_answered(tmp_path: Path) -> None:
    bare = next(contender for contender in contenders() if contender.name == BARE)
    with running(bare, jobs()[ONE], tmp_path / "log") as server:
        cell = loaded(server, jobs()[ONE], 2, 1)
    assert cell.load.errors == 0
    assert cell.load.requests > 10
    assert 0 < cell.cpu_ms < 50


def test_contender_that_ends_says_so_and_where_its_log_is(tmp_path: Path) -> None:
    broken = Contender("broken", (sys.executable, "-c", "import sys; sys.exit('no such thing')"))
    with (
        pytest.raises(ContenderError, match=f"broken: It ended with 1.*{tmp_path}"),
        running(broken, jobs()[ONE], tmp_path / "log"),
    ):
        raise AssertionError("it did not start")
    assert (tmp_path / "log").read_text() == "no such thing\n"


def test_table_and_ratios_compare_with_the_limit() -> None:
    cells = {key: [_cell(0.4 if key[0] == OURS else 0.2)] * 3 for key in CELLS}
    assert table_of(cells, 0.2).row_count == len(CELLS)
    found = ratios(cells, 0.2, limit.Parts(decoding=0.03, model=0.1))
    assert found["CPU of an upload at 64 clients over the limit"] == pytest.approx(2)
