"""Pictures of other hands, and of what is no digit, through the HTTP service: what it reads, declines and refuses.

    python -m benchmarks.pictures --data-dir ../shared/data

Every ``handwriting/*.npz`` of the data folder is a set (see ``training.handwriting``). What is no digit should be declined.
The polarity is told to nobody.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from app.client import DigitsClient, Reading, Result
from app.client.pictures import BatchLimits
from training.calibrate import wilson_interval
from training.handwriting import FOLDER, pictures_of

# Small enough that a request of photographs is answered within the service's time limit on a busy machine.
LIMITS: Final = BatchLimits(max_files=16)
START_TIMEOUT_S: Final = 60.0
WIDTH: Final = 120


@dataclass(slots=True)
class Score:
    """What the service made of one set.

    Attributes:
        n: pictures.
        right: whose most probable label is the true one, abstained or not.
        answered: without abstaining.
        answered_right: and rightly.
        abstained: by reason.
        refused: by the slug of the problem; ``blank`` is the usual one.
        are_digits: whether the set's pictures have a true label.
    """

    n: int = 0
    right: int = 0
    answered: int = 0
    answered_right: int = 0
    abstained: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    are_digits: bool = True

    def add(self, result: Result, label: int) -> None:
        """Count one picture; ``label`` is its digit, or below 0."""
        self.n += 1
        self.are_digits = label >= 0
        if not isinstance(result, Reading):
            self.refused[result.problem.type.rpartition("/")[2]] += 1
            return
        is_right = result.top_k[0].label == str(label)
        self.right += is_right
        if result.abstained:
            self.abstained[str(result.reason)] += 1
        else:
            self.answered += 1
            self.answered_right += is_right

    @property
    def rejected(self) -> int:
        """Declined or blank: what is right for a picture of no digit."""
        return self.abstained.total() + self.refused["blank"]

    def as_json(self) -> dict[str, Any]:
        """Counts, and for digits the accuracy with Wilson's 95 % interval."""
        content: dict[str, Any] = {
            "n": self.n,
            "answered": self.answered,
            "abstained": dict(self.abstained),
            "refused": dict(self.refused),
        }
        if self.are_digits:
            shares = {"accuracy": self.right / self.n, "interval": wilson_interval(self.right, self.n)}
            return content | {"right": self.right, "answered_right": self.answered_right} | shares
        return content | {"rejected": self.rejected / self.n, "interval": wilson_interval(self.rejected, self.n)}


def measure(client: DigitsClient, pictures: Iterable[tuple[bytes, int]], model: str | None = None) -> Score:
    """Send pictures and hold the answers against their labels."""
    files, labels = zip(*pictures, strict=True)
    score = Score()
    for result, label in zip(client.predict_many(files, model=model, top_k=1), labels, strict=True):
        score.add(result, label)
    return score


@contextmanager
def service(log: Path) -> Iterator[str]:
    """A service of this working tree, for as long as the block: its URL. Settings are the environment's but for the port."""
    settings = {"DIGITS_PORT": "0", "DIGITS_DRAIN_DELAY_S": "0", "DIGITS_REQUEST_TIMEOUT_MS": "30000"}
    command = [sys.executable, "-m", "app.cli", "serve"]
    with log.open("wb") as errors, subprocess.Popen(command, env=os.environ | settings, stderr=errors) as process:
        try:
            yield _address(process, log)
        finally:
            process.terminate()


def render(scores: dict[str, Score]) -> Table:
    """The sets as rows that can be pasted into Markdown."""
    table = Table(box=box.MARKDOWN)
    for column in ("set", "pictures", "top label right", "95 % interval", "abstained", "right if not", "blank", "rejected"):
        table.add_column(column, justify="left" if column == "set" else "right", no_wrap=True)
    for name, score in scores.items():
        table.add_row(name, *_cells(score))
    return table


def main(
    url: Annotated[str | None, typer.Option(help="A service that runs; one is started if absent.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option(help="Model by name.", show_default="the service's default")] = None,
    data_dir: Annotated[Path, typer.Option(envvar="DIGITS_DATA_DIR", help=f"Folder that holds {FOLDER}/*.npz.")] = Path("data"),
    names: Annotated[
        list[str] | None, typer.Option("--set", help="Only this set; may be repeated.", show_default=False)
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the counts here too.", show_default=False)] = None,
) -> None:
    """Measure the service on every set of pictures; exit code 1 if there is none."""
    paths = [path for path in sorted((data_dir / FOLDER).glob("*.npz")) if not names or path.stem in names]
    if not paths:
        print(f"error: there is no set in {data_dir / FOLDER}; set DIGITS_DATA_DIR.", file=sys.stderr)
        raise typer.Exit(1)
    if url is None:
        with TemporaryDirectory() as folder, service(Path(folder) / "log") as started:
            scores = _measured(started, paths, model)
    else:
        scores = _measured(url, paths, model)
    Console(width=WIDTH).print(render(scores))
    if json_file is not None:
        content = {name: score.as_json() for name, score in scores.items()}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _measured(url: str, paths: list[Path], model: str | None) -> dict[str, Score]:
    with DigitsClient(url, os.environ.get("DIGITS_API_KEY"), timeout_s=60, deadline_s=120, limits=LIMITS) as client:
        return {path.stem: measure(client, pictures_of(path), model) for path in paths}


def _cells(score: Score) -> list[str]:
    n, declined = score.n, score.abstained.total()
    fixed = [f"{declined / n:.1%}", _share(score.answered_right, score.answered), f"{score.refused['blank'] / n:.1%}"]
    low, high = wilson_interval(score.right if score.are_digits else score.rejected, n)
    interval = f"{low:.1%} – {high:.1%}"
    if score.are_digits:
        return [f"{n:,}", f"{score.right / n:.2%}", interval, *fixed, ""]
    return [f"{n:,}", "", interval, fixed[0], "", fixed[2], f"{score.rejected / n:.2%}"]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else ""


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the log line that tells the port.

    Raises:
        RuntimeError: the service ended, or did not start in time; with its log.
    """
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"running on (http://[^\s\"]+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"The service did not start:\n{log.read_text()}")


if __name__ == "__main__":
    typer.run(main)
