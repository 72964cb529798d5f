"""A shipped model → its variant of eight-bit integers, ``models/<name>-int8``, if that is worth shipping."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from app.digits import manifest as manifests
from app.digits.manifest import ModelManifest, Parity
from app.digits.session import OrtSession
from training.answers import answers_to
from training.calibrate import expected_ece_if_calibrated
from training.data import Split
from training.evaluate import metrics_of
from training.export import golden_cases, load_checked, write_manifest
from training.quantize import Comparison, compare, quantize
from training.runs import RunFolder
from training.ship import Splits, calibration_of, next_version, replacing, write_card

SUFFIX = "-int8"


def ship_quantized(source: Path, splits: Splits, *, method: str = "static") -> tuple[Comparison, Path | None]:
    """Quantise a shipped model, compare, and put the variant beside it if it is faster and as right.

    Args:
        source: ``models/<name>``.
        splits: train (for the ranges), validation (for the choice) and test (for the card).
        method: see ``quantize``.

    Returns:
        The comparison, and the variant's folder; None where it is not worth it.

    Raises:
        TrainingError: there is no such method, or the folder has lost its run.json.
        ModelError: the folder cannot be served.
    """
    load_checked(source)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / manifests.MODEL_FILE
        quantize(source / manifests.MODEL_FILE, graph, splits["train"].images, method=method)
        comparison = compare(source / manifests.MODEL_FILE, graph, splits["validation"])
        if not comparison.is_worth_it:
            return comparison, None
        return comparison, place_beside(source, graph, splits)


def place_beside(source: Path, graph: Path, splits: Splits) -> Path:
    """Put a graph beside the model that it was made from, as ``<name>-int8``, measured as it is served."""
    original = manifests.read(source)
    target = source.with_name(source.name + SUFFIX)
    with replacing(source, target) as partial:
        shutil.copyfile(graph, partial / manifests.MODEL_FILE)
        for name in ("seeds", "figures"):  # they are the original's
            shutil.rmtree(partial / name, ignore_errors=True)
        changes = {"name": target.name, "version": next_version(target), "seeds": None}
        manifest = _refreshed(partial, original.model_copy(update=changes))
        manifest = manifest.model_copy(update={"parity": _difference(source, partial, splits["validation"])})
        write_manifest(partial, manifest)
        _measure(partial, splits, made_from=f"`models/{source.name}` version {original.version}")
    return target


def _refreshed(folder: Path, manifest: ModelManifest) -> ModelManifest:
    """The manifest with the digest, size and golden answers of the graph that is there now."""
    files = manifest.files | {manifests.MODEL_FILE: manifests.sha256_of(folder / manifests.MODEL_FILE)}
    golden = {case.file: (folder / case.file).read_bytes() for case in manifest.golden}
    cost = manifest.cost.model_copy(update={"bytes": (folder / manifests.MODEL_FILE).stat().st_size})
    changes = {"files": files, "cost": cost, "golden": golden_cases(folder, golden, manifest.preprocessing)}
    return manifest.model_copy(update=changes)


def _difference(one: Path, other: Path, split: Split) -> Parity:
    """How far two graphs' logits are apart at most."""
    sessions = [OrtSession(folder / manifests.MODEL_FILE, provider="cpu") for folder in (one, other)]
    before, after = (session.run(split.images[:, None]).logits for session in sessions)
    return Parity(max_abs_logit_diff=float(np.abs(before - after).max()), n=len(split))


def _measure(folder: Path, splits: Splits, *, made_from: str) -> None:
    """Write metrics, thresholds, reference and card of a folder that can be served."""
    classifier = load_checked(folder)
    answers = {name: answers_to(classifier, split) for name, split in splits.items()}
    metrics = {str(name): metrics_of(found) for name, found in answers.items()}
    manifest = classifier.manifest.model_copy(update={"metrics": metrics} | calibration_of(classifier, splits["validation"]))
    write_manifest(folder, manifest)
    run = RunFolder(folder)
    record = run.load_record().model_copy(update={"metrics": metrics, "quantized_from": made_from})
    run.save_record(record)
    write_card(folder, manifest, record, expected_ece_if_calibrated(answers["test"].probabilities))
