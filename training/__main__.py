"""``python -m training``: train, vote, calibrate, export, evaluate, ship, quantize, reference; those of ``training.report``."""

from __future__ import annotations

import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, cast, get_args

import torch
import typer
from rich.console import Console
from rich.table import Table

from app.digits.errors import DigitsError
from app.digits.manifest import MANIFEST_FILE, Metrics
from training import evaluate as evaluation
from training.calibrate import fit_margins, fit_temperature
from training.data import SplitName
from training.datasets import BY_NAME, MNIST_NAME, dataset_of, open_dataset
from training.errors import TrainingError
from training.export import export as export_run
from training.export import load_checked
from training.flags import DataDirOption, DataOption
from training.options import recipe_options
from training.parallel import own_device, team
from training.progress import Silent, shown
from training.quantize import METHODS, Comparison
from training.recipes import DEFAULT, RECIPES, check_model_name, model_name, named_recipe
from training.reference import write_reference
from training.remeasure import Splits
from training.report.commands import app as report_commands
from training.runs import RunFolder
from training.ship import recalibrate as recalibrate_model
from training.ship import ship as ship_runs
from training.train import train as train_run
from training.train import trained_network
from training.trainer import Data, predict
from training.variant import ship_quantized
from training.vote import ENSEMBLE
from training.vote import vote as vote_runs

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Makes the models that Digits serves, from raw MNIST to models/NAME/.",
)
app.add_typer(report_commands)
console = Console()

MODELS = Path("models")

RunArgument = Annotated[Path, typer.Argument(help="The run's folder.")]
ModelsOption = Annotated[Path, typer.Option(help="The folder of all models.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Threads that read a folder's pictures; all cores.", show_default=False)
]


@app.command()
@recipe_options(RECIPES[DEFAULT])
def train(
    changes: dict[str, object],
    recipe: Annotated[
        str | None, typer.Option(help="Named recipe to begin with, or `published`.", show_default="ARCH's own")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name.", show_default="the recipe's")] = None,
    data: Annotated[str, typer.Option(help=f"{', '.join([MNIST_NAME, *BY_NAME])}, or a FOLDER/LABEL/*.png.")] = MNIST_NAME,
    preprocessing: Annotated[
        str | None,
        typer.Option(help="Framing: mnist-frame or fit.", show_default="mnist-frame for MNIST, fit for other data"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    save_dir: Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/NAME-SEED")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    workers: WorkersOption = None,
    subset: Annotated[int | None, typer.Option(min=1, help="Train on the first N pictures only.", show_default=False)] = None,
    models: ModelsOption = MODELS,
    data_dir: DataDirOption = None,
) -> None:
    """Train a network; kill it at any time and add --resume to go on. Under torchrun, in several processes."""
    dataset = open_dataset(data, root=data_dir, preprocessing=preprocessing, workers=workers)
    base, chosen = named_recipe(recipe, changes, dataset.origin)
    name = check_model_name(name or model_name(base, dataset.origin))
    folder = RunFolder(save_dir or Path("runs") / f"{name}-{seed}")
    splits = Data(dataset.split("train").first(subset), dataset.split("validation"), dataset.origin)
    where = _device(device)
    with team(where) as crew, shown(console, folder, chosen.epochs) if crew.leads else nullcontext(Silent()) as progress:
        train_run(
            chosen,
            splits,
            folder,
            name=name,
            seed=seed,
            device=where,
            resume=resume,
            subset=subset,
            models=models,
            team=crew,
            progress=progress,
        )
    if crew.leads:
        console.print(f"Trained: {folder.path}")


@app.command()
def vote(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of cnn, one for each seed.")],
    save_dir: Annotated[Path, typer.Option(help="The folder of the run that joins them.")] = Path("runs") / f"{ENSEMBLE}-0",
) -> None:
    """Join runs that differ by their seed into one of cnn-teacher, whose members vote; nothing is trained."""
    record = vote_runs([RunFolder(run) for run in runs], RunFolder(save_dir))
    console.print(f"Joined: {save_dir}, {record.parameters:,} parameters")


@app.command()
def calibrate(run: RunArgument, data: DataOption = None, data_dir: DataDirOption = None) -> None:
    """Fit on validation how logits become probabilities."""
    folder = RunFolder(run)
    record = folder.load_record()
    split = dataset_of(record.data, data, root=data_dir).split("validation")
    logits = predict(trained_network(record, folder), split, torch.device("cpu")).numpy()
    temperature, margins = fit_temperature(logits, split.labels), fit_margins(logits, split.labels)
    folder.save_record(record.model_copy(update={"temperature": temperature, "margins": margins}))
    console.print(f"Temperature {temperature:.4f}" + (f"; margins: {margins}" if margins else ""))


@app.command()
def export(run: RunArgument, data: DataOption = None, data_dir: DataDirOption = None) -> None:
    """Write the run's model folder: ONNX graph, golden cases, manifest."""
    folder = RunFolder(run)
    dataset = dataset_of(folder.load_record().data, data, root=data_dir)
    console.print(f"Exported: {export_run(folder, dataset.split('validation'))}")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    split: Annotated[list[str], typer.Option(help="train, validation or test; may be repeated.")] = ["test"],  # noqa: B006
    data: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Measure a model folder from PNG bytes, as it is served."""
    classifier = load_checked(model)
    dataset = dataset_of(RunFolder(model).load_record().data, data, root=data_dir)
    console.print(_table({name: evaluation.evaluate(classifier, dataset.split(_split(name))) for name in split}))


@app.command()
def ship(
    runs: Annotated[list[Path], typer.Argument(help="Exported runs of one recipe, one for each seed.")],
    recalibrate: Annotated[
        bool,
        typer.Option(
            "--recalibrate", help="RUNS are names of shipped models: fit what validation decides anew, train nothing."
        ),
    ] = False,
    models: ModelsOption = MODELS,
    data: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Measure the runs and put the one that is best by validation into models/NAME."""
    if recalibrate:
        for target in (models / name for name in runs):
            recalibrate_model(target, _splits(RunFolder(target), data, data_dir))
            console.print(f"Recalibrated: {target}")
        return
    folders = [RunFolder(run) for run in runs]
    target = ship_runs(folders, _splits(folders[0], data, data_dir), models)
    console.print(f"Shipped: {target}")
    console.print((target / "MODEL_CARD.md").read_text(encoding="utf-8"), highlight=False, markup=False, soft_wrap=True)


@app.command()
def quantize(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    method: Annotated[str, typer.Option(help=f"{' or '.join(METHODS)}.")] = "static",
    data: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a variant of eight-bit integers; ship it as NAME-int8 only if it is faster and within 0.05 points on validation."""
    load_checked(model)  # a wrong folder is named before its data is read
    comparison, target = ship_quantized(model, _splits(RunFolder(model), data, data_dir), method=method)
    console.print(_compared(comparison))
    console.print(f"Shipped: {target}" if target else "Not shipped: it is not faster at every batch size, or costs accuracy.")


@app.command()
def reference(
    model: Annotated[Path, typer.Argument(help="A model's folder.")],
    data: DataOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write what validation looks like into a shipped model's manifest, for drift; nothing else changes."""
    load_checked(model)  # a wrong folder is named before its data is read
    write_reference(model, dataset_of(RunFolder(model).load_record().data, data, root=data_dir).split("validation"))
    console.print(f"Reference written: {model / MANIFEST_FILE}")


def _splits(run: RunFolder, moved_to: str | None, data_dir: Path | None) -> Splits:
    dataset = dataset_of(run.load_record().data, moved_to, root=data_dir)
    return {name: dataset.split(name) for name in get_args(SplitName)}


def _split(name: str) -> SplitName:
    if name not in get_args(SplitName):
        raise TrainingError(f"There is no split named {name!r}; there are: {', '.join(get_args(SplitName))}.")
    return cast(SplitName, name)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name not in ("cpu", "cuda", "mps"):
        raise TrainingError(f"There is no device named {name!r}; there are: auto, cpu, cuda, mps.")
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise TrainingError(f"torch finds no {name} device on this machine; use --device cpu.")
    return own_device(name)


def _table(measured: dict[str, Metrics]) -> Table:
    table = Table("split", "pictures", "accuracy", "95 % interval", "NLL", "ECE")
    for name, metrics in measured.items():
        low, high = metrics.interval
        interval = f"{low:.2%} – {high:.2%}"
        table.add_row(name, f"{metrics.n:,}", f"{metrics.accuracy:.2%}", interval, f"{metrics.nll:.4f}", f"{metrics.ece:.2%}")
    return table


def _compared(comparison: Comparison) -> Table:
    table = Table("", "validation accuracy", *(f"ms a picture, batch {size}" for size in comparison.milliseconds))
    for place, name in enumerate(("float32", "int8")):
        times = (f"{both[place]:.4f}" for both in comparison.milliseconds.values())
        table.add_row(name, f"{comparison.accuracy[place]:.2%}", *times)
    return table


def main() -> int:
    """Run the command line; a known fault is one sentence on stderr and exit code 1."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
    try:
        app()
    except (TrainingError, DigitsError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
