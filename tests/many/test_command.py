"""``digits classify-many`` as a person calls it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from app.settings import PROJECT
from tests import pictures

SAMPLES = PROJECT / "samples"
PNGS = str(SAMPLES / "[0-2].png")


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["digits", "classify-many", *arguments])
    try:
        return cli.main()
    except SystemExit as exc:
        return int(exc.code or 0)


@pytest.mark.parametrize(
    ("source", "out", "options", "message"),
    [
        ("absent", "out.csv", [], "There is no absent"),
        ("empty", "out.csv", [], "no picture in empty"),
        ("*.xyz", "out.csv", [], "no picture in"),
        (PNGS, "out.txt", [], "not .txt"),
        (PNGS, "absent/out.csv", [], "absent/out.csv cannot be written: No such file or directory"),
        (PNGS, "folder.csv", ["--overwrite"], "is a folder"),
        (PNGS, "there.csv", [], "--overwrite"),
        (PNGS, "out.csv", ["--model", "absent"], "'absent'"),
        (PNGS, "out.csv", ["--resume", "--overwrite"], "take one"),
    ],
)
def test_what_cannot_begin_is_one_sentence_and_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    source: str,
    out: str,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "folder.csv"):
        (tmp_path / folder).mkdir()
    (tmp_path / "there.csv").write_text("earlier rows")
    assert _run(monkeypatch, source, "--out", out, "--device", "cpu", *options) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "folder.csv", "there.csv"]
    assert (tmp_path / "there.csv").read_text() == "earlier rows"


def test_result_is_written_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    assert _run(monkeypatch, PNGS, "--out", str(out), "--device", "cpu") == 0
    assert "3 pictures" in capsys.readouterr().out
    assert len(out.read_text().splitlines()) == 4
    assert _run(monkeypatch, PNGS, "--out", str(out), "--device", "cpu", "--resume") == 0
    assert "finished already" in capsys.readouterr().out


def test_killed_run_goes_on_with_nothing_lost_or_doubled(tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out.jsonl"
    folder.mkdir()
    frame = pictures.png(size=28)
    names = [str(folder / f"{number:05d}.png") for number in range(4500)]
    for name in names:
        Path(name).write_bytes(frame)
    command = [sys.executable, "-m", "app.cli", "classify-many", str(folder), "--out", str(out), "--workers", "2"]
    process = subprocess.Popen([*command, "--device", "cpu"], cwd=PROJECT, stderr=subprocess.DEVNULL)
    parts = Path(f"{out}.parts")
    _wait_until(lambda: len(list(parts.glob("*.jsonl"))) > 1 or process.poll() is not None)
    workers = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists(), "it was too fast to be killed"
    _wait_until(lambda: not any(map(_lives, workers)))
    again = subprocess.run([*command, "--device", "cpu", "--resume"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "4,500 pictures" in again.stdout
    assert "by an earlier run" in again.stdout
    assert [line.split('"')[3] for line in out.read_text().splitlines()] == names
    assert not parts.exists()


def _wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
