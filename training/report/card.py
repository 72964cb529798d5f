"""What a shipped folder holds for people beside its numbers: robustness in the manifest, the card, and its figures."""

from __future__ import annotations

from typing import Final

from app.digits.manifest import Abstention
from training.abstain import made_up, rejected_shares
from training.calibrate import expected_ece_if_calibrated
from training.data import LABELS
from training.export import write_manifest
from training.figures.catalogue import draw
from training.figures.style import NotApplicable, save
from training.remeasure import write_card
from training.report.study import Study
from training.runs import RunFolder

# None of them shows a picture of the data set, which is not ours to publish.
FIGURES: Final = ("confusion-matrix", "reliability", "robustness", "filters", "position-embeddings")


def finish_card(study: Study) -> None:
    """Measure what changes with framing, too, and write manifest, card and figures anew; graph, metrics and thresholds stay.

    Args:
        study: of the folder; its manifest has metrics.
    """
    manifest = study.manifest.model_copy(update={"abstention": _abstention(study), "robustness": study.robustness})
    floor = expected_ece_if_calibrated(study.answers("test").probabilities)
    write_manifest(study.folder, manifest)
    write_card(study.folder, manifest, RunFolder(study.folder).load_record(), floor)
    for name in FIGURES:
        try:
            save(draw(name, study), study.folder / "figures" / f"{name}.svg")
        except NotApplicable:
            continue


def _abstention(study: Study) -> Abstention | None:
    """The manifest's, with the made-up non-digits that it declines now."""
    rule = study.manifest.abstention
    if rule is None or study.labels != LABELS:
        return rule
    return rule.model_copy(update={"nondigits": rejected_shares(study.classifier, made_up(study.split("validation")))})
