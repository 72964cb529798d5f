"""``digits classify-many --engine ray`` gives the rows of ``--engine local``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.many.run import Tally
from tests.many.conftest import BAD, GOOD, MakeRun

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]


def test_rows_of_ray_are_those_of_this_machine(
    cluster: Any, tmp_path: Path, make_run: MakeRun, start: Callable[..., Tally | None]
) -> None:
    from app.many.cluster import on_ray

    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    start(make_run(here))
    tally = start(make_run(there, engine=on_ray))
    assert tally is not None
    assert tally.pictures == len(GOOD | BAD)
    assert there.read_bytes() == here.read_bytes()
