"""Pictures a second of ``digits classify-many`` beside a plain loop, and the memory that each takes.

    python -m benchmarks.mnist_files /somewhere/mnist
    python -m benchmarks.many compare /somewhere/mnist/test --ray

Every way runs in a process of its own, in turn, and all its descendants count. ``start`` is the time until the first pictures
are done; the rate is that of the rest. On a machine that others use, compare CPU time and the ratios of one run. Linux only.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from app.digits.classifier import DigitClassifier
from app.many.parts import PART_PICTURES
from app.settings import PROJECT

WIDTH: Final = 120
SAMPLE_S: Final = 0.25
MEBIBYTE: Final = 1024 * 1024
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(slots=True)
class Course:
    """How one way went.

    Attributes:
        wall_s: from start to end.
        start_s: until the first pictures were done.
        rss_bytes: of all its processes together, over time.
        cpu_s: of each process that was ever seen, so far.
    """

    wall_s: float = 0.0
    start_s: float = 0.0
    rss_bytes: list[int] = field(default_factory=list)
    cpu_s: dict[int, float] = field(default_factory=dict)

    def sample(self, pid: int) -> None:
        """Note what a process and all its descendants have used."""
        rss = 0
        for each in descendants(pid):
            try:
                fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it has just ended
                continue
            self.cpu_s[each] = (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
            rss += int(fields[21]) * PAGE
        self.rss_bytes.append(rss)

    def rss_at(self, share: float) -> int:
        """MiB at a share of its time."""
        return self.rss_bytes[int(share * (len(self.rss_bytes) - 1))] // MEBIBYTE


def descendants(pid: int) -> list[int]:
    """A process and all that it started, directly or not, of those that live."""
    found = [pid]
    for parent in found:
        try:
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
        except OSError:  # it has just ended
            continue
    return found


def follow(command: Sequence[str], has_begun: Callable[[], bool]) -> Course:
    """Run a command to its end, looking at it four times a second.

    Raises:
        CalledProcessError: it failed.
    """
    course = Course()
    started = time.monotonic()
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            course.sample(process.pid)
            if not course.start_s and has_begun():
                course.start_s = time.monotonic() - started
            time.sleep(SAMPLE_S)
    course.wall_s = time.monotonic() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return course


app = typer.Typer(help=__doc__, add_completion=False)


@app.command(hidden=True)
def loop(folder: Path, begun: Path) -> None:
    """What one writes first: each file, one after the other, through the classifier."""
    classifier = DigitClassifier.load(PROJECT / "models/cnn", provider="cpu", intra_op_threads=1)
    for index, path in enumerate(sorted(folder.rglob("*.png"))):
        classifier.classify([path.read_bytes()], top_k=1)
        if index + 1 == PART_PICTURES:
            begun.touch()


@app.command()
def compare(
    folder: Annotated[Path, typer.Argument(help="PNG files of digits, some thousands of them.")],
    with_ray: Annotated[bool, typer.Option("--ray", help="--engine ray, too.")] = False,
    workers: Annotated[
        list[int] | None, typer.Option(help="Of each engine; may be given several times.", show_default="1 and 2")
    ] = None,
) -> None:
    """Print the table."""
    pictures = sum(1 for _ in folder.rglob("*.png"))
    table = Table(box=box.MARKDOWN)
    for column in ("way", "pictures/s", "× loop", "CPU ms a picture", "start s", "MiB at 25, 50, 75 % of its time; most"):
        table.add_column(column, no_wrap=True)
    with tempfile.TemporaryDirectory() as scratch:
        begun, out = Path(scratch) / "begun", Path(scratch) / "out.csv"
        first = [sys.executable, "-m", "benchmarks.many", "loop", str(folder), str(begun)]
        plain = follow(first, begun.exists)
        _add(table, "plain loop", plain, plain, pictures)
        parts = out.with_name(out.name + ".parts")
        for name in ("local", "ray") if with_ray else ("local",):
            for count in workers or [1, 2]:
                command = [sys.executable, "-m", "app.cli", "classify-many", str(folder), "--out", str(out), "--overwrite"]
                course = follow([*command, "--engine", name, "--workers", str(count)], functools.partial(_holds_a_part, parts))
                _add(table, f"--engine {name} --workers {count}", course, plain, pictures)
    Console(width=WIDTH).print(table)


def _holds_a_part(folder: Path) -> bool:
    return any(folder.glob("*.csv"))


def _add(table: Table, way: str, course: Course, plain: Course, pictures: int) -> None:
    rates = [(pictures - PART_PICTURES) / (each.wall_s - each.start_s) for each in (course, plain)]
    cpu_ms = sum(course.cpu_s.values()) / pictures * 1000
    memory = ", ".join(f"{course.rss_at(share):,}" for share in (0.25, 0.5, 0.75))
    most = f"; {max(course.rss_bytes) // MEBIBYTE:,}"
    cells = f"{rates[0]:,.0f}", f"{rates[0] / rates[1]:.2f}", f"{cpu_ms:.2f}", f"{course.start_s:.1f}", memory + most
    table.add_row(way, *cells)


if __name__ == "__main__":
    app()
