"""Finished runs of one recipe → ``models/<name>/``: the seed that is best by validation, measured as it is served."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.digits import manifest as manifests
from app.digits.manifest import Metrics, ModelManifest, Seeds
from training.answers import answers_to
from training.calibrate import expected_ece_if_calibrated
from training.data import Split
from training.errors import TrainingError
from training.evaluate import metrics_of
from training.export import load_checked, write_manifest
from training.remeasure import Splits, calibration_of, measure, refit, write_card
from training.runs import RunFolder, RunRecord, check_differ_by_seed


@dataclass(frozen=True)
class Candidate:
    """One seed's run with its exported folder measured on every split."""

    run: RunFolder
    record: RunRecord
    folder: Path
    ece_floor: float


def ship(runs: Sequence[RunFolder], splits: Splits, models: Path) -> Path:
    """Measure each run's exported model, choose by validation, and put the best in place of the old version.

    Args:
        runs: exported runs of one recipe that differ by their seed.
        splits: train, validation and test.
        models: the folder of all models.

    Returns:
        ``models/<name>``.

    Raises:
        TrainingError: the runs are not of one name and recipe, or one is not exported.
    """
    if not runs:
        raise TrainingError("There is no run to ship.")
    check_differ_by_seed([run.load_record() for run in runs])
    candidates = [_measured(run, splits) for run in runs]
    best = min(candidates, key=lambda candidate: _preference(candidate.record.metrics["validation"]))
    target = models / best.record.name
    with replacing(best.folder, target) as partial:
        manifest = _final_manifest(best, candidates, splits["validation"], version=next_version(target))
        write_manifest(partial, manifest)
        _write_records(partial, best, candidates)
        write_card(partial, manifest, best.record, best.ece_floor)
    return target


def recalibrate(target: Path, splits: Splits) -> None:
    """Fit a shipped model's probabilities, thresholds and reference anew, measure it and write its card; its logits stay.

    Args:
        target: ``models/<name>``; the folder itself is all that is needed of its run.
        splits: train, validation and test.

    Raises:
        TrainingError: the folder has lost its run.json.
        ModelError: it cannot be served.
    """
    manifest = load_checked(target).manifest
    with replacing(target, target) as partial:
        write_manifest(partial, manifest.model_copy(update={"version": next_version(target)}))
        refit(partial, splits["validation"])
        measure(partial, splits)


def _measured(run: RunFolder, splits: Splits) -> Candidate:
    record = run.load_record()
    folder = run.path / record.name
    if record.parity is None or not folder.is_dir():
        raise TrainingError(f"{run.path} is not exported; run `python -m training export {run.path}` first.")
    classifier = load_checked(folder)
    answers = {name: answers_to(classifier, split) for name, split in splits.items()}
    metrics = {str(name): metrics_of(found) for name, found in answers.items()}
    record = record.model_copy(update={"metrics": metrics})
    run.save_record(record)
    return Candidate(run, record, folder, expected_ece_if_calibrated(answers["test"].probabilities))


def _preference(validation: Metrics) -> tuple[float, float]:
    return -validation.accuracy, validation.nll


def _final_manifest(best: Candidate, candidates: Sequence[Candidate], validation: Split, *, version: str) -> ModelManifest:
    accuracies = [candidate.record.metrics["test"].accuracy for candidate in candidates]
    seeds = None
    if len(accuracies) > 1:
        mean, std = statistics.mean(accuracies), statistics.stdev(accuracies)
        seeds = Seeds(n=len(accuracies), mean=round(mean, 6), std=round(std, 6))
    manifest = manifests.read(best.folder)
    changes = calibration_of(load_checked(best.folder), validation)
    return manifest.model_copy(update={"version": version, "metrics": best.record.metrics, "seeds": seeds} | changes)


def next_version(target: Path) -> str:
    """One more than the version that is there."""
    return str(int(manifests.read(target).version) + 1) if (target / manifests.MANIFEST_FILE).is_file() else "1"


def _write_records(folder: Path, best: Candidate, candidates: Sequence[Candidate]) -> None:
    for name in ("run.json", "history.csv"):
        shutil.copyfile(best.run.path / name, folder / name)
    (folder / "seeds").mkdir()
    for candidate in candidates:
        shutil.copyfile(candidate.run.path / "run.json", folder / "seeds" / f"{candidate.record.seed}.json")


@contextmanager
def replacing(source: Path, target: Path) -> Iterator[Path]:
    """A copy of a model's folder to be finished in the block; it takes the target's place if it could be served."""
    partial = target.parent / f".{target.name}.partial" / target.name
    shutil.rmtree(partial.parent, ignore_errors=True)
    shutil.copytree(source, partial)
    yield partial
    load_checked(partial)
    _swap(partial, target)


def _swap(partial: Path, target: Path) -> None:
    """Rename into place; the old version is gone only once the new one stands."""
    old = partial.parent / "old"
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(partial.parent)
