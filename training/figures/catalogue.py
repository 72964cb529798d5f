"""All figures: the one list that the command line, the report and the tests go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from matplotlib.figure import Figure

from training.errors import TrainingError
from training.figures import calibration, confusion, data, inside, occlusion, predictions, robustness, training_run, zoo
from training.figures.style import look
from training.report.study import Study

Section = Literal["data", "answers", "errors", "probabilities", "inside", "robustness", "zoo"]


@dataclass(frozen=True)
class Entry:
    """One figure.

    Attributes:
        draw: makes it; raises NotApplicable where the model or the data has nothing of the kind.
        section: of the report.
        caption: what to look at.
        wide: whether it needs a desk's width.
    """

    draw: Callable[[Study], Figure]
    section: Section
    caption: str
    wide: bool = False


FIGURES: Final[dict[str, Entry]] = {
    "samples": Entry(data.samples, "data", "Sixteen training pictures, seed 0, with their labels."),
    "class-balance": Entry(data.class_balance, "data", "Each class's share of each split."),
    "augmentation": Entry(
        data.augmentation, "data", "One picture of each of four classes, and what augmentation makes of it, by the recipe."
    ),
    "pixel-values": Entry(data.pixel_values, "data", "The first training picture with every pixel's value over it.", wide=True),
    "predictions": Entry(
        predictions.predictions, "answers", "The first test picture of each class: ✓ and green are right, ✗ and red wrong."
    ),
    "single": Entry(predictions.single, "answers", "The test picture that is read right with the least probability."),
    "confusion-matrix": Entry(
        confusion.confusion, "answers", "Counts; the darker an error, the more often it happens. Zeros are left out."
    ),
    "curves": Entry(
        training_run.curves,
        "answers",
        "From history.csv. Training loss is of augmented pictures and smoothed labels, so it may lie above validation's.",
    ),
    "worst-errors": Entry(predictions.worst_errors, "errors", "Wrong and sure of it: the answer in red, the truth in blue."),
    "right-and-wrong": Entry(
        predictions.right_and_wrong, "errors", "The surest errors, and above each a picture of its class that is read right."
    ),
    "confused-pairs": Entry(confusion.pairs, "errors", "The pairs with the most errors: the answer in red, the truth in blue."),
    "reliability": Entry(
        calibration.reliability_diagram,
        "probabilities",
        "Ten bins of equal width; ECE is over fifteen of equal mass. Few answers are unsure, so the intervals there are wide.",
    ),
    "confidence": Entry(calibration.confidence, "probabilities", "Wrong answers should be unsure ones."),
    "selective-accuracy": Entry(
        calibration.selective_accuracy, "probabilities", "If the least sure pictures go to a person, so many errors are left."
    ),
    "filters": Entry(
        inside.filters, "inside", "Red where ink excites, blue where it inhibits; each filter on a scale of its own."
    ),
    "position-embeddings": Entry(
        inside.position_embeddings,
        "inside",
        "A tile for each patch: how alike its position is to all others, by cosine; red is alike, blue opposed.",
    ),
    "attention": Entry(inside.attention, "inside", "Red where the class token looks, mean over the heads of a block."),
    "occlusion": Entry(
        occlusion.occlusion,
        "inside",
        "A patch of 6×6 pixels is hidden, step by step; red pixels carried the answer, and its worst loss is written above.",
    ),
    "robustness": Entry(robustness.robustness, "robustness", "Spoilt as they are sent: framing repairs what it can."),
    "corruptions": Entry(robustness.corruptions, "robustness", "What the seventeen corruptions do to one picture."),
    "rejection": Entry(
        robustness.rejection, "robustness", "Left of the line a picture would be rejected. 0 is what framing finds blank."
    ),
    "frontier": Entry(zoo.frontier, "zoo", "From the manifests; a model on the dashed line is beaten by none in both."),
}


def check_name(name: str) -> None:
    """Raise TrainingError unless there is a figure of that name."""
    if name not in FIGURES:
        raise TrainingError(f"There is no figure named {name!r}; there are: {', '.join(FIGURES)}.")


def draw(name: str, study: Study) -> Figure:
    """Make a figure.

    Raises:
        TrainingError: none has that name.
        NotApplicable: the model or the data has nothing of the kind.
    """
    check_name(name)
    with look():
        return FIGURES[name].draw(study)
