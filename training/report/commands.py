"""``python -m training report``, ``figure``, ``compare``, ``extract`` and ``card``.

matplotlib, scipy and jinja2 take as long to import as torch: each command imports what it needs, and ``train`` nothing of it.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from training.data import SplitName, data_dir
from training.datasets import MNIST_NAME, dataset_of, open_dataset
from training.export import load_checked
from training.flags import DataDirOption, DataOption
from training.handwriting import FOLDER
from training.report.bench import PICTURES, Bench
from training.report.material import read_material
from training.runs import RunFolder

if TYPE_CHECKING:
    from training.report.compare import Comparison
    from training.report.study import Study

app = typer.Typer()
console = Console()

ModelsArgument = Annotated[list[Path], typer.Argument(help="Models' folders, all of the same data.")]
ModelArgument = Annotated[Path, typer.Argument(help="A model's folder.")]
PicturesOption = Annotated[int, typer.Option(min=1, help="Test pictures that each corruption spoils.")]


@app.command()
def report(
    models: ModelsArgument,
    out: Annotated[Path, typer.Option(help="Folder of the page and its JSON.")] = Path("report"),
    pictures: PicturesOption = PICTURES,
    data: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write a page with all numbers and figures of models."""
    from training.report.report import write_report

    studies = _studies(models, data, data_dir, pictures)
    command = shlex.join(["python", "-m", "training", "report", *map(str, models)])
    console.print(f"Report: {write_report(studies, out, command=command)}")


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="Its name; an unknown one lists them all.")],
    model: ModelArgument = Path("models/cnn"),
    out: Annotated[Path | None, typer.Option(help="svg, png or pdf.", show_default="NAME.svg")] = None,
    pictures: PicturesOption = PICTURES,
    data: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Draw one figure of the report."""
    from training.figures.catalogue import check_name, draw
    from training.figures.style import save

    check_name(name)  # before the data is read
    (study,) = _studies([model], data, data_dir, pictures)
    target = out or Path(f"{name}.svg")
    save(draw(name, study), target)
    console.print(f"Figure: {target}")


@app.command()
def compare(
    baseline: Annotated[Path, typer.Argument(help="A model's folder.")],
    improved: Annotated[Path, typer.Argument(help="Another one's.")],
    out: Annotated[Path, typer.Option(help="Folder of the page and its JSON.")] = Path("compare"),
    data: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Compare two models on the same test pictures, with McNemar's test."""
    from training.report.compare import sentence, write_comparison

    first, second = _studies([baseline, improved], data, data_dir, 1)
    command = shlex.join(["python", "-m", "training", "compare", str(baseline), str(improved)])
    found = write_comparison(first, second, out, command=command)
    console.print(_table(found))
    console.print(sentence(found), highlight=False)
    console.print(f"Page: {out / 'index.html'}")


@app.command()
def extract(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    split: Annotated[SplitName, typer.Option(help="train, validation or test.")] = "test",
    per_class: Annotated[int, typer.Option(min=1, help="Pictures of each class.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
    data: Annotated[str, typer.Option(help="As for train.")] = MNIST_NAME,
    data_dir: DataDirOption = None,
) -> None:
    """Write pictures as PNG files named by class, for trying the service."""
    from training.report.extract import extract as extract_pictures

    dataset = open_dataset(data, root=data_dir)
    written = extract_pictures(dataset.split(split), dataset.origin.labels, out, per_class=per_class, seed=seed)
    console.print(f"Wrote {len(written)} pictures to {out}.")


@app.command()
def card(models: ModelsArgument, data: DataOption = None, data_dir: DataDirOption = None) -> None:
    """Measure a shipped model's robustness, and what it declines, into its manifest; write its card and figures anew."""
    from training.report.card import finish_card

    for study in _studies(models, data, data_dir, PICTURES):
        finish_card(study)
        console.print(f"Card: {study.folder / 'MODEL_CARD.md'}")


def _studies(models: list[Path], moved_to: str | None, root: Path | None, pictures: int) -> list[Study]:
    """All on the data that the first was made from."""
    from training.report.study import Study

    load_checked(models[0])  # a wrong folder is named before its data is read
    material = read_material(dataset_of(RunFolder(models[0]).load_record().data, moved_to, root=root))
    handwriting = (root or data_dir()) / FOLDER
    bench = Bench(material, pictures=pictures, handwriting=handwriting)
    return [Study(model, bench) for model in models]


def _table(found: Comparison) -> Table:
    table = Table(f"{found.n:,} test pictures", *found.names, "difference")
    for row in found.rows:
        table.add_row(row.name, row.show(row.first), row.show(row.second), row.difference)
    return table
