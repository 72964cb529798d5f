"""The benchmark of peers, as far as it goes without them: what is sent, what is read, and the table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer import BadParameter

from app.settings import PROJECT
from benchmarks.cell import Cell, pictures
from benchmarks.contender import ContenderError
from benchmarks.peers import environments, table
from benchmarks.peers.__main__ import chosen
from benchmarks.peers.catalogue import OURS, PEERS, Peer, read_v2, v2_binary
from benchmarks.peers.measure import MANY, Turn, check
from benchmarks.peers.work import LABELS, Model, decode
from benchmarks.wrk import Load
from tests.server import Server

NAMED = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
BY_NAME = {peer.name: peer for peer in PEERS}


def turn(cpu_ms: float, *, errors: int = 0) -> Turn:
    cell = Cell(Load(100, 1000.0, 1.0, 2.0, 3.0, errors), cpu_ms, 1000.0)
    return Turn(1.5, {1: cell, 16: cell, 64: cell}, 200.0)


@NAMED
def test_peer_listens_on_the_port_that_it_is_given(peer: Peer) -> None:
    words = [*peer.contender.command, *peer.contender.environment.values()]
    assert sum("{port}" in word for word in words) == 1
    assert [word.format(port=1) for word in words]


@NAMED
def test_peer_pins_every_package_or_uses_ours(peer: Peer) -> None:
    if peer.requirements is None:
        assert peer.room is None
    else:
        lines = peer.requirements.read_text().splitlines()
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
        assert {"onnxruntime", "numpy", "pillow", *peer.packages} <= {line.partition("==")[0] for line in lines}


@NAMED
def test_request_of_a_peer_grows_with_its_pictures(peer: Peer) -> None:
    one, many = peer.make([b"seven"]), peer.make([b"seven", b"eight"])
    assert (one.pictures, many.pictures) == (1, 2)
    assert len(one.body) < len(many.body)


def test_v2_request_puts_its_files_behind_its_header() -> None:
    job = v2_binary("/infer")([b"seven", b"ten"])
    size = int(job.headers["Inference-Header-Content-Length"])
    (tensor,) = json.loads(job.body[:size])["inputs"]
    assert job.body[size:] == b"\5\0\0\0seven\3\0\0\0ten"
    assert tensor["shape"] == [2, 1] and tensor["parameters"]["binary_data_size"] == 16


def test_v2_answer_is_read_by_rows() -> None:
    outputs = [{"name": "probabilities"}, {"name": "labels", "shape": [2, 3], "data": ["7", "1", "2", "0", "6", "8"]}]
    assert read_v2({"outputs": outputs}) == [["7", "1", "2"], ["0", "6", "8"]]


def test_work_reads_the_drawn_digits() -> None:
    assert [answer["label"] for answer in Model().read([decode(png) for png in pictures()])] == list(LABELS)


def test_check_passes_our_service_and_refuses_wrong_labels(tmp_path: Path) -> None:
    ours = BY_NAME[OURS]
    with Server(tmp_path / "log", models="cnn") as server:
        check(ours, server.url, pictures())
        wrong = Peer(ours.name, None, ours.words, ours.make, lambda _: [["3", "2", "1"]], "", ())
        with pytest.raises(ContenderError, match="not the model's"):
            check(wrong, server.url, pictures())


def test_table_has_medians_ratios_of_the_same_round_and_why_a_peer_is_missing() -> None:
    peers = [BY_NAME[name] for name in (OURS, "Flask", "Triton")]
    turns = {OURS: {1: turn(0.2), 2: turn(0.4), 3: turn(0.3)}, "Flask": {1: turn(0.6), 3: turn(1.5, errors=4)}}
    page = table.page(peers, turns, {"Triton": "Round 1: No | wheel."}, {"n": "3 rounds"})
    assert "0.300 / 0.300 / 0.300" in page
    assert "| Flask | 4.00 (3.00 – 5.00) | 1.00 (1.00 – 1.00) |" in page
    assert "4 at 1, 4 at 16, 4 at 64" in page
    assert re.search(r"\| Triton \|( – \|)+ Round 1: No \\\| wheel\. \|", page)
    columns = {
        line.count(" | ")
        for line in page.splitlines()
        if line.startswith(("| server | req", "| Digits | 1", "| Triton | – | –"))
    }
    assert len(columns) == 1
    assert MANY in page


def test_environment_is_left_alone_while_its_pins_are_the_same(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("flask==3.1.3\n")
    (tmp_path / "installed.txt").write_text("flask==3.1.3\n")
    environments.ensure(tmp_path, requirements)
    assert not (tmp_path / "bin").exists()


def test_unknown_peer_is_refused_and_a_named_one_is_compared_with_ours() -> None:
    with pytest.raises(BadParameter, match="none of"):
        chosen(["torchserve"])
    assert [peer.name for peer in chosen(["triton"])] == [OURS, "Triton"]


def test_apps_are_where_the_catalogue_says() -> None:
    for peer in PEERS:
        assert any((PROJECT / "benchmarks" / "peers" / (peer.room or "fastapi")).glob("*.py"))
