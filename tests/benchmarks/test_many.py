from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.many import descendants, follow
from tests import pictures


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_follow_counts_what_a_childs_child_uses(tmp_path: Path) -> None:
    busy = "import time; held = bytearray(64 * 2**20); [i * i for i in range(5_000_000)]; time.sleep(0.6)"
    parent = (
        f"import subprocess, sys, pathlib; pathlib.Path(sys.argv[1]).touch(); subprocess.run([sys.executable, '-c', {busy!r}])"
    )
    course = follow([sys.executable, "-c", parent, str(tmp_path / "begun")], (tmp_path / "begun").exists)
    assert len(course.cpu_s) >= 2
    assert max(course.rss_bytes) > 64 * 2**20
    assert sum(course.cpu_s.values()) > 0.05
    assert 0 < course.start_s <= course.wall_s


def test_follow_of_a_way_that_fails_says_so() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        follow([sys.executable, "-c", "raise SystemExit(3)"], lambda: False)


def test_loop_reads_every_picture(tmp_path: Path) -> None:
    for digit in "17":
        (tmp_path / f"{digit}.png").write_bytes(pictures.png(digit))
    command = [sys.executable, "-m", "benchmarks.many", "loop", str(tmp_path), str(tmp_path / "begun")]
    assert follow(command, lambda: True).wall_s > 0
    assert descendants(0x7FFFFFF) == [0x7FFFFFF]
