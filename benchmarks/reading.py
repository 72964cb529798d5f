"""Numbers read exactly, on made-up pages: by the service, and by Tesseract beside it on the same pages.

    python -m benchmarks.reading --url http://127.0.0.1:8000

The pages (``training.pages``) hold digits of MNIST's validation split, which no model was trained on, or of its training
split, on other pages of which reading was developed. A number is right if all of its digits are, and no other was found.
Tesseract 5 (Debian's ``tesseract-ocr``) is made for print; it is what people try first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from app.client import DigitsClient, ProblemError
from app.client.results import PICTURE_PROBLEMS
from app.digits.classifier import DigitClassifier
from app.digits.errors import PictureError
from app.digits.image import decode
from app.digits.reader import Reader
from app.settings import PROJECT
from training.calibrate import wilson_interval
from training.data import LABELS, SplitName, load_split
from training.pages import SPACED, TOUCHING_PAIR, Layout, Page, made_up_page
from training.strokes import as_png

# What a page's sender would do: the text, or nothing where the service refuses the picture.
Read = Callable[[bytes], str]

SETS: Final = {"3 to 10 spaced digits": SPACED, "touching pairs": TOUCHING_PAIR}
WIDTH: Final = 120
# One line of digits only; its engine of neural networks.
TESSERACT: Final = ("--psm", "7", "--oem", "1", "-c", "tessedit_char_whitelist=0123456789")


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of n numbers were read exactly."""

    hits: int
    n: int

    def __str__(self) -> str:
        low, high = wilson_interval(self.hits, self.n)
        return f"{self.hits / self.n:.1%} ({low:.1%} – {high:.1%})"


def rate(texts: Sequence[str], pages: Sequence[Page]) -> Rate:
    """Exact texts, of as many pages as were read."""
    return Rate(sum(text == page.text for text, page in zip(texts, pages, strict=False)), len(texts))


def tesseract(pages: Sequence[Page]) -> list[str]:
    """What Tesseract reads on each page, spaces taken out; nothing where it fails, as it does on a few."""
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}
    command = ["tesseract", "-", "-", *TESSERACT]
    ended = [
        subprocess.run(command, input=as_png(page.image), capture_output=True, check=False, env=environment) for page in pages
    ]
    return ["" if run.returncode else "".join(run.stdout.decode().split()) for run in ended]


def pages_of(layout: Layout, count: int, seed: int, digits: SplitName) -> Iterator[Page]:
    """Pages whose digits are from one of MNIST's splits."""
    split = load_split(digits)
    labels = [int(LABELS[label]) for label in split.labels]
    return (made_up_page(split.images, labels, seed + index, layout) for index in range(count))


def main(
    url: Annotated[str, typer.Option(help="Of the service.")] = "http://127.0.0.1:8000",
    in_process: Annotated[bool, typer.Option("--in-process", help="Read with models/cnn here, without a service.")] = False,
    digits: Annotated[SplitName, typer.Option(help="MNIST's split that they come from.")] = "validation",
    pages: Annotated[int, typer.Option(min=1, help="Pages of each kind.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the first page; the next one's is one more.")] = 100_000,
    tesseract_pages: Annotated[int, typer.Option(min=0, help="Of them, how many Tesseract reads too.")] = 500,
) -> None:
    """Print how many numbers are read exactly, with Wilson's 95 % intervals."""
    here = shutil.which("tesseract") is not None
    table = Table(box=box.MARKDOWN)
    for column in ("pages", "n", "read exactly", f"Tesseract{'' if here else ' (not installed)'}"):
        table.add_column(column, no_wrap=True)
    read = _here() if in_process else _over_http(url)
    for name, layout in SETS.items():
        made = list(pages_of(layout, pages, seed, digits))
        texts = [read(as_png(page.image)) for page in made]
        theirs = tesseract(made[:tesseract_pages]) if here and tesseract_pages else []
        for title, chosen in _parts(name, made):
            ours = rate([texts[i] for i in chosen], [made[i] for i in chosen])
            seen = [i for i in chosen if i < len(theirs)]
            beside = f"{rate([theirs[i] for i in seen], [made[i] for i in seen])} of {len(seen)}" if seen else ""
            table.add_row(title, str(len(chosen)), str(ours), beside)
    Console(width=WIDTH).print(table)


def _parts(name: str, pages: Sequence[Page]) -> Iterator[tuple[str, list[int]]]:
    """All pages, then those of each kind of paper."""
    yield name, list(range(len(pages)))
    for rules in sorted({page.rules for page in pages}):
        yield f"… on {rules} paper", [index for index, page in enumerate(pages) if page.rules == rules]


def _here() -> Read:
    reader = Reader(DigitClassifier.load(PROJECT / "models/cnn", provider="cpu", intra_op_threads=1))

    def read(data: bytes) -> str:
        try:
            return reader.read(decode(data)).text
        except PictureError:
            return ""

    return read


def _over_http(url: str) -> Read:
    client = DigitsClient(url)

    def read(data: bytes) -> str:
        try:
            return client.read(data).text
        except ProblemError as problem:
            if problem.slug not in PICTURE_PROBLEMS:
                raise
            return ""

    return read


if __name__ == "__main__":
    typer.run(main)
