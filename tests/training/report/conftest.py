from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.training.drawn import drawn_split
from training.data import LABELS
from training.datasets import open_dataset
from training.report.bench import Bench
from training.report.material import Material, read_material
from training.report.study import Study
from training.runs import RunFolder

PICTURES = 3


@pytest.fixture(scope="session")
def drawn() -> Material:
    """Ten classes that our own code draws."""
    return Material("drawn", LABELS, {"train": drawn_split(1, 8), "validation": drawn_split(2, 4), "test": drawn_split(3, 4)})


@pytest.fixture(scope="session")
def of_digits(drawn: Material) -> Study:
    """The shipped model on drawn digits."""
    return Study(PROJECT / "models" / "cnn", Bench(drawn, pictures=PICTURES))


@pytest.fixture(scope="session")
def of_shapes(shapes: Path) -> Study:
    """A model of somebody's own on their own pictures."""
    material = read_material(open_dataset(RunFolder(shapes).load_record().data.name, workers=1))
    return Study(shapes, Bench(material, pictures=PICTURES))
