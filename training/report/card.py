"""What a shipped folder holds for people beside its numbers: robustness in the manifest, the card, and its figures."""

from __future__ import annotations

from typing import Final

from training.abstain import with_abstention
from training.calibrate import expected_ece_if_calibrated
from training.export import write_manifest
from training.figures.catalogue import draw
from training.figures.style import NotApplicable, save
from training.remeasure import write_card
from training.report.study import Study
from training.runs import RunFolder

# None of them shows a picture of the data set, which is not ours to publish.
FIGURES: Final = ("confusion-matrix", "reliability", "robustness", "filters", "position-embeddings")


def finish_card(study: Study) -> None:
    """Measure a shipped model's robustness and abstention, and write manifest, card and figures anew; graph and metrics stay.

    Both change with framing, too.

    Args:
        study: of the folder; its manifest has metrics.
    """
    abstention = with_abstention(study.classifier, study.split("validation")).manifest.abstention
    manifest = study.manifest.model_copy(update={"abstention": abstention, "robustness": study.robustness})
    floor = expected_ece_if_calibrated(study.answers("test").probabilities)
    write_manifest(study.folder, manifest)
    write_card(study.folder, manifest, RunFolder(study.folder).load_record(), floor)
    for name in FIGURES:
        try:
            save(draw(name, study), study.folder / "figures" / f"{name}.svg")
        except NotApplicable:
            continue
