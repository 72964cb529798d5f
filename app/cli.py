"""``digits serve | classify | classify-many | read | models``."""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final, Literal

import typer
from pydantic import ValidationError

from app import logs
from app.digits import manifest as manifests
from app.digits.abstention import Reason
from app.digits.classifier import DEFAULT_TOP_K, DigitClassifier, Prediction
from app.digits.errors import DigitsError, ModelMissing, PictureError
from app.digits.image import Grey, decode
from app.digits.reader import Reader
from app.digits.session import ProviderName
from app.many.errors import CannotBegin
from app.settings import Settings

DECLINED: Final[dict[Reason, str]] = {
    "not_a_digit": "abstained (not a digit)",
    "ambiguous": "abstained (ambiguous)",
    "several_digits": "abstained (several digits)",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reads handwritten digits from pictures. Settings come from DIGITS_* environment variables.",
)


@app.command()
def serve() -> None:
    """Serve HTTP on DIGITS_HOST:DIGITS_PORT, with DIGITS_WORKERS processes."""
    settings = _settings_with_logs()
    if settings.workers == 1:
        _capture_stderr()
        _server().serve(settings)
    else:
        from app.serving.workers import Workers

        raise typer.Exit(Workers(settings).run())


@app.command(hidden=True)
def worker(index: int, port_holder: int) -> None:
    """Serve as one of several processes; `serve` starts them."""
    settings = _settings_with_logs()
    _capture_stderr()
    _server().work(settings, index, port_holder)


@app.command()
def classify(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files: PNG, JPEG, WebP, BMP, GIF, TIFF, or 28×28 CSV.")],
    model: Annotated[str | None, typer.Option(help="Model by name.", show_default="DIGITS_DEFAULT_MODEL")] = None,
    top_k: Annotated[int, typer.Option(help="How many labels to rank.")] = DEFAULT_TOP_K,
    probability: Annotated[bool, typer.Option("--probability", help="Print the probabilities too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a picture.")] = False,
    device: Annotated[ProviderName, typer.Option(help="Hardware.")] = "auto",
) -> None:
    """Read pictures without a server; one that cannot be read is reported and the exit code is 1."""
    settings = Settings()
    classifier = _load(settings, model or settings.default_model, device)
    classifier.check_top_k(top_k)
    failed = False
    for path in pictures:
        try:
            prediction = _classify(classifier, path, top_k, settings)
        except (PictureError, OSError) as exc:
            failed = True
            print(f"{path}: {_reason(exc)}", file=sys.stderr)
            continue
        print(_as_json(path, prediction) if as_json else _as_line(path, prediction, top_k, probability))
    if failed:
        raise typer.Exit(1)


@app.command()
def read(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files of one or several digits each.")],
    model: Annotated[str | None, typer.Option(help="Model by name.", show_default="DIGITS_DEFAULT_MODEL")] = None,
    probability: Annotated[bool, typer.Option("--probability", help="Print the whole text's probability too.")] = False,
    device: Annotated[ProviderName, typer.Option(help="Hardware.")] = "auto",
) -> None:
    """Read numbers without a server, a line for each picture; its own lines are parted by spaces."""
    settings = Settings()
    reader = Reader(_load(settings, model or settings.default_model, device), most_digits=settings.max_digits)
    failed = False
    for path in pictures:
        try:
            reading = reader.read(_decode(path, settings), top_k=1)
        except (PictureError, OSError) as exc:
            failed = True
            print(f"{path}: {_reason(exc)}", file=sys.stderr)
            continue
        print(f"{path}: {reading.text}".replace("\n", " ") + f"  {reading.probability:.2%}" * probability)
    if failed:
        raise typer.Exit(1)


@app.command("classify-many")
def many(
    source: Annotated[str, typer.Argument(help="A folder, a zip, a glob in quotes, or s3://bucket/prefix.")],
    out: Annotated[Path, typer.Option(help="The result, a row a picture: .parquet, .csv or .jsonl.")],
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This machine's processors, or a Ray cluster.")] = "local",
    model: Annotated[str | None, typer.Option(help="Model by name.", show_default="DIGITS_DEFAULT_MODEL")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one a processor")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was stopped; begin if there was none.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew, whatever is there.")] = False,
    device: Annotated[ProviderName, typer.Option(help="Hardware.")] = "auto",
) -> None:
    """Read any number of pictures without a server; one that cannot be read is a row with its error."""
    from app.many.command import Wish, classify_many  # only this command needs it

    wish = Wish(source, out, engine, model, workers, resume, overwrite, device)
    raise typer.Exit(classify_many(wish, Settings()))


@app.command()
def models() -> None:
    """List the models that are there, with what their cards say."""
    from rich.console import Console  # only this command draws a table
    from rich.table import Table

    folder = Settings().models_dir
    table = Table("model", "version", "test accuracy", "multiply-adds", "bytes", "sha256")
    for path in sorted(folder.glob(f"[!.]*/{manifests.MANIFEST_FILE}")):
        manifest = manifests.read(path.parent)
        manifests.verify(path.parent, manifest)
        test = manifest.metrics.get("test")
        accuracy = f"{test.accuracy:.2%}" if test else "unknown"
        cost = manifest.cost
        table.add_row(manifest.name, manifest.version, accuracy, f"{cost.macs:,}", f"{cost.bytes:,}", manifest.sha256[:12])
    if not table.row_count:
        raise ModelMissing(f"There is no model in {folder}; set DIGITS_MODELS_DIR, or make one with `make train`.")
    Console().print(table)


def main() -> int:
    """Run the command line; a known fault is one sentence on stderr and exit code 1."""
    try:
        app()
    except DigitsError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, CannotBegin) else 1
    except ValidationError as exc:
        for part in exc.errors(include_url=False):
            print(f"error: DIGITS_{'_'.join(map(str, part['loc'])).upper()}: {part['msg']}", file=sys.stderr)
        return 1
    return 0


def _settings_with_logs() -> Settings:
    settings = Settings()
    logs.configure(settings.log_format, settings.log_level, with_pid=settings.workers > 1)
    return settings


def _server() -> ModuleType:
    """``app.server``, which only the commands that serve need."""
    # To say that it does not take models of pydantic 1, FastAPI would import all of pydantic 1: a tenth of the start.
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
    from app import server

    return server


def _capture_stderr() -> None:
    """Also where a process that crashes can still say where: what it then wrote to the captured one would die with it."""
    logs.capture_stderr()
    faulthandler.enable(sys.stderr)


def _load(settings: Settings, name: str, device: ProviderName) -> DigitClassifier:
    folder = settings.models_dir / name
    classifier = DigitClassifier.load(folder, provider=device, intra_op_threads=settings.intra_op_threads)
    classifier.self_test(folder)
    return classifier


def _classify(classifier: DigitClassifier, path: Path, top_k: int, settings: Settings) -> Prediction:
    frame = classifier.frame(_decode(path, settings))
    return classifier.interpret(classifier.infer(frame.image[None]).probabilities[0], top_k, digits=frame.digits)


def _decode(path: Path, settings: Settings) -> Grey:
    return decode(path.read_bytes(), settings.picture_limits, is_csv=path.suffix.lower() == ".csv")


def _as_line(path: Path, prediction: Prediction, top_k: int, probability: bool) -> str:
    answer = prediction.label if prediction.reason is None else DECLINED[prediction.reason]
    if not probability:
        return f"{path}: {answer}"
    declined = f"{answer}; " if prediction.abstained else ""
    return f"{path}: {declined}" + "  ".join(f"{ranked.label} {ranked.probability:.2%}" for ranked in prediction.top_k[:top_k])


def _as_json(path: Path, prediction: Prediction) -> str:
    ranking = [{"label": ranked.label, "probability": ranked.probability} for ranked in prediction.top_k]
    answer = {"label": prediction.label, "abstained": prediction.abstained, "reason": prediction.reason, "top_k": ranking}
    return json.dumps({"picture": str(path)} | answer, ensure_ascii=False)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


if __name__ == "__main__":
    sys.exit(main())
