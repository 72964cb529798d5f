"""One picture's row of the result: the same columns for a picture that was read and for one that was not."""

from __future__ import annotations

from typing import Final, TypeAlias

from app.digits import errors
from app.digits.classifier import DigitClassifier
from app.digits.manifest import ModelManifest
from app.digits.preprocessing import Frame
from app.digits.session import Floats
from app.many.errors import Unreadable

Cell: TypeAlias = str | float | bool | None
Row: TypeAlias = dict[str, Cell]

# The slugs that the service's problem documents have (``app.api.problems``), without the HTTP around them.
CODES: Final[dict[type[errors.PictureError], str]] = {
    Unreadable: "unreadable",
    errors.EmptyFile: "empty-file",
    errors.FileTooLarge: "file-too-large",
    errors.TooManyPixels: "too-many-pixels",
    errors.UnsupportedFormat: "unsupported-format",
    errors.BrokenPicture: "broken-picture",
    errors.BrokenTable: "broken-csv",
    errors.BlankPicture: "blank",
}
PROBABILITY: Final = "probability"


def columns(manifest: ModelManifest) -> dict[str, type]:
    """Name → type of each column, in order; behind the others one ``probability_LABEL`` for each of the model's labels."""
    first: dict[str, type] = {"path": str, "label": str, PROBABILITY: float, "abstained": bool, "reason": str}
    then: dict[str, type] = {"best_label": str, "error": str, "detail": str, "model": str, "version": str}
    return first | then | dict.fromkeys(_probability_columns(manifest), float)


class Rows:
    """Makes the rows of one model."""

    def __init__(self, classifier: DigitClassifier) -> None:
        manifest = classifier.manifest
        self._classifier = classifier
        self._model: Row = {"model": manifest.name, "version": manifest.version}
        self._labels = _probability_columns(manifest)
        self._empty: Row = dict.fromkeys(columns(manifest))

    def read(self, path: str, frame: Frame, probabilities: Floats) -> Row:
        """The row of a picture that was read; ``label`` is empty where the model abstains, ``best_label`` never is."""
        prediction = self._classifier.interpret(probabilities, top_k=1, digits=frame.digits)
        cells: Row = {
            "path": path,
            "label": prediction.label,
            PROBABILITY: prediction.probability,
            "abstained": prediction.abstained,
            "reason": prediction.reason,
            "best_label": prediction.top_k[0].label,
        }
        return self._empty | self._model | cells | dict(zip(self._labels, probabilities.tolist(), strict=True))

    def refused(self, path: str, error: errors.PictureError) -> Row:
        """The row of a picture that could not be read."""
        return self._empty | self._model | {"path": path, "error": CODES[type(error)], "detail": str(error)}


def _probability_columns(manifest: ModelManifest) -> list[str]:
    return [f"{PROBABILITY}_{label}" for label in manifest.labels]
