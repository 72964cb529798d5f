"""One model on one data set: what its numbers and figures are made of, each part measured once, when it is first asked for."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np
from pydantic import ValidationError

from app.digits import manifest as manifests
from app.digits.manifest import ModelManifest, Robustness
from training.data import Split, SplitName
from training.datasets import DataSet
from training.errors import TrainingError
from training.export import load_checked
from training.recipe import Recipe
from training.report.answers import Answers, as_files, ask
from training.report.bench import Bench
from training.report.robustness import measure_robustness
from training.runs import Epoch, RunFolder

TRAIN_PICTURES = 10_000  # enough for the gap to 0.1 points; all 55,000 take half a minute more


@dataclass(frozen=True)
class Material:
    """Pictures in three splits.

    Attributes:
        name: for people.
        labels: names of the classes, by position.
        splits: ``train``, ``validation`` and ``test``; pictures uint8 (N, 28, 28).
    """

    name: str
    labels: tuple[str, ...]
    splits: Mapping[SplitName, Split]


def read_material(dataset: DataSet) -> Material:
    """Read all three splits of a data set."""
    name = "MNIST" if dataset.origin.is_mnist else Path(dataset.origin.name).name
    return Material(name, dataset.origin.labels, {split: dataset.split(split) for split in get_args(SplitName)})


class Study:
    """A model folder, a data set, and what was measured of the one on the other.

    Attributes:
        folder: the model's.
        data: the pictures.
        classifier: the model, loaded and self-tested.
        manifest: the model's.
    """

    def __init__(self, folder: Path, data: Material, bench: Bench) -> None:
        """Load the model.

        Raises:
            ModelError: it cannot be served.
            TrainingError: it knows other labels than the data has.
        """
        self.folder = folder
        self.data = data
        self.classifier = load_checked(folder)
        self.manifest = self.classifier.manifest
        self._bench = bench
        self._answers: dict[SplitName, Answers] = {}
        if self.manifest.labels != data.labels:
            raise TrainingError(
                f"{folder} knows the labels {', '.join(self.manifest.labels)}; {data.name} has {', '.join(data.labels)}."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, by position."""
        return self.data.labels

    @property
    def bench(self) -> Bench:
        """The pictures of other kinds."""
        return self._bench

    def split(self, name: SplitName) -> Split:
        """The pictures that ``answers`` is about: all of a split, of ``train`` the first ones."""
        return self.data.splits[name].first(TRAIN_PICTURES if name == "train" else None)

    def answers(self, name: SplitName) -> Answers:
        """The model's answers to a split, each picture going through a PNG file."""
        if name not in self._answers:
            split = self.split(name)
            self._answers[name] = ask(self.classifier, as_files(split.images), split.labels)
        return self._answers[name]

    def sure_errors(self, most: int) -> list[int]:
        """Positions of the test pictures that are read wrong, the surest first."""
        answers = self.answers("test")
        wrong = np.flatnonzero(~answers.right)
        return [int(i) for i in wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:most]]

    @cached_property
    def robustness(self) -> Robustness:
        """Corruptions, other hands and rejection."""
        return measure_robustness(self.classifier, self._bench, self.answers("validation"), self.answers("test"))

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
