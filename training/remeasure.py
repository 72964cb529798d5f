"""A model folder whose graph was changed, or is to be: fitted to validation, measured on every split and written down anew."""

from __future__ import annotations

from math import isclose
from pathlib import Path

from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier
from app.digits.manifest import Margins, ModelManifest
from training.abstain import with_abstention
from training.answers import answers_to
from training.calibrate import expected_ece_if_calibrated, fit_margins, fit_temperature
from training.card import render
from training.data import Split, SplitName
from training.evaluate import metrics_of
from training.export import golden_cases, load_checked, write_manifest
from training.reference import reference_of
from training.runs import RunFolder, RunRecord
from training.tail import write_tail

Splits = dict[SplitName, Split]

# A fit found again on another processor differs by less.
SAME = 1e-3


def refit(folder: Path, validation: Split) -> None:
    """Fit on validation how the graph makes probabilities; where that comes out as it is, the graph stays.

    Args:
        folder: that can be served.
        validation: the split that decides.
    """
    classifier = load_checked(folder)
    manifest, found = classifier.manifest, answers_to(classifier, validation)
    temperature, margins = fit_temperature(found.logits, found.truths), fit_margins(found.logits, found.truths)
    if isclose(temperature, manifest.temperature, rel_tol=SAME) and _are_same(margins, manifest.margins):
        return
    write_tail(folder / manifests.MODEL_FILE, temperature, margins)
    changes = {"temperature": temperature, "margins": margins}
    write_manifest(folder, refreshed(folder, manifest.model_copy(update=changes)))


def refreshed(folder: Path, manifest: ModelManifest) -> ModelManifest:
    """The manifest with the digest, size and golden answers of the graph that is there now."""
    files = manifest.files | {manifests.MODEL_FILE: manifests.sha256_of(folder / manifests.MODEL_FILE)}
    golden = {case.file: (folder / case.file).read_bytes() for case in manifest.golden}
    cost = manifest.cost.model_copy(update={"bytes": (folder / manifests.MODEL_FILE).stat().st_size})
    changes = {"files": files, "cost": cost, "golden": golden_cases(folder, golden, manifest.preprocessing)}
    return manifest.model_copy(update=changes)


def measure(folder: Path, splits: Splits, **notes: str) -> None:
    """Write metrics, thresholds, reference and card of a folder that can be served.

    Args:
        folder: the model's.
        splits: train, validation and test.
        notes: further fields of its run.json.
    """
    classifier = load_checked(folder)
    answers = {name: answers_to(classifier, split) for name, split in splits.items()}
    metrics = {str(name): metrics_of(found) for name, found in answers.items()}
    manifest = classifier.manifest.model_copy(update={"metrics": metrics} | calibration_of(classifier, splits["validation"]))
    write_manifest(folder, manifest)
    run = RunFolder(folder)
    changes = {"metrics": metrics, "temperature": manifest.temperature, "margins": manifest.margins} | notes
    record = run.load_record().model_copy(update=changes)
    run.save_record(record)
    copy = folder / "seeds" / f"{record.seed}.json"
    if copy.is_file():
        copy.write_bytes((folder / "run.json").read_bytes())
    write_card(folder, manifest, record, expected_ece_if_calibrated(answers["test"].probabilities))


def calibration_of(classifier: DigitClassifier, validation: Split) -> dict[str, object]:
    """The manifest's fields that say what validation looks like to the model, the reference as it abstains.

    What was measured with other thresholds goes: ``python -m training card`` measures it anew.
    """
    able = with_abstention(classifier, validation)
    return {"abstention": able.manifest.abstention, "reference": reference_of(able, validation), "robustness": None}


def write_card(folder: Path, manifest: ModelManifest, record: RunRecord, ece_floor: float) -> None:
    """Write a model folder's card."""
    seeds = sorted(int(path.stem) for path in (folder / "seeds").glob("*.json"))
    (folder / "MODEL_CARD.md").write_text(render(manifest, record, seeds, ece_floor), encoding="utf-8")


def _are_same(one: Margins | None, other: Margins | None) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one.unit, other.unit, rel_tol=SAME) and isclose(one.power, other.power, rel_tol=SAME)
