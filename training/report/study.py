"""One model on one data set: what its numbers and figures are made of, each part measured once, when it is first asked for."""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from app.digits import manifest as manifests
from app.digits.manifest import ModelManifest, Robustness
from training.answers import Answers, answer
from training.data import Split, SplitName
from training.errors import TrainingError
from training.export import load_checked
from training.recipe import Recipe
from training.report.bench import Bench
from training.report.material import Material
from training.report.robustness import measure_robustness
from training.runs import Epoch, RunFolder


class Study:
    """A model folder, pictures, and what was measured of the one on the other.

    Attributes:
        folder: the model's.
        bench: the pictures.
        classifier: the model, loaded and self-tested.
        manifest: the model's.
    """

    def __init__(self, folder: Path, bench: Bench) -> None:
        """Load the model.

        Raises:
            ModelError: it cannot be served.
            TrainingError: it knows other labels than the data has.
        """
        self.folder = folder
        self.bench = bench
        self.classifier = load_checked(folder)
        self.manifest = self.classifier.manifest
        self._answers: dict[SplitName, Answers] = {}
        if self.manifest.labels != self.labels:
            known, given = ", ".join(self.manifest.labels), ", ".join(self.labels)
            raise TrainingError(f"{folder} knows the labels {known}; {self.data.name} has {given}.")

    @property
    def data(self) -> Material:
        """The data set."""
        return self.bench.data

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, by position."""
        return self.data.labels

    def split(self, name: SplitName) -> Split:
        """The pictures that ``answers`` is about."""
        return self.bench.split(name)

    def answers(self, name: SplitName) -> Answers:
        """The model's answers to a split, each picture going through a PNG file."""
        if name not in self._answers:
            frames = self.bench.frames_of_split(self.classifier, name)
            self._answers[name] = answer(self.classifier, frames, self.split(name).labels)
        return self._answers[name]

    def sure_errors(self, most: int) -> list[int]:
        """Positions of the test pictures that are read wrong, the surest first."""
        answers = self.answers("test")
        wrong = np.flatnonzero(~answers.right)
        return [int(i) for i in wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:most]]

    @cached_property
    def robustness(self) -> Robustness:
        """Corruptions, other hands and rejection."""
        return measure_robustness(self.classifier, self.bench, self.answers("validation"), self.answers("test"))

    @cached_property
    def history(self) -> tuple[Epoch, ...]:
        """The curves of the run that made the model; empty where the folder has no ``history.csv``."""
        path = self.folder / "history.csv"
        if not path.is_file():
            return ()
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        try:
            return tuple(Epoch.model_validate(row) for row in rows)
        except ValidationError as exc:
            raise TrainingError(f"{path} is damaged; restore it from the release.") from exc

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of ``run.json``; the default one where the folder has none."""
        if not (self.folder / "run.json").is_file():
            return Recipe()
        return RunFolder(self.folder).load_record().recipe

    @cached_property
    def zoo(self) -> tuple[ModelManifest, ...]:
        """This model and those beside it that were measured on the same labels, by name."""
        folders = sorted(path.parent for path in self.folder.resolve().parent.glob(f"[!.]*/{manifests.MANIFEST_FILE}"))
        found = (manifests.read(folder) for folder in folders)
        return tuple(one for one in found if one.labels == self.labels and "test" in one.metrics)
