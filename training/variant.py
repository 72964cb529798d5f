"""A shipped model → its variant of eight-bit integers, ``models/<name>-int8``, if that is worth shipping."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from app.digits import manifest as manifests
from app.digits.manifest import Parity
from app.digits.session import OrtSession
from training.data import Split
from training.export import load_checked, write_manifest
from training.quantize import Comparison, compare, quantize
from training.remeasure import Splits, measure, refit, refreshed
from training.ship import next_version, replacing

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
        manifest = refreshed(partial, original.model_copy(update=changes))
        manifest = manifest.model_copy(update={"parity": _difference(source, partial, splits["validation"])})
        write_manifest(partial, manifest)
        refit(partial, splits["validation"])
        measure(partial, splits, quantized_from=f"`models/{source.name}` version {original.version}")
    return target


def _difference(one: Path, other: Path, split: Split) -> Parity:
    """How far two graphs' logits are apart at most."""
    sessions = [OrtSession(folder / manifests.MODEL_FILE, provider="cpu") for folder in (one, other)]
    before, after = (session.run(split.images[:, None]).logits for session in sessions)
    return Parity(max_abs_logit_diff=float(np.abs(before - after).max()), n=len(split))
