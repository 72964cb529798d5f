"""The measuring stick against a server of known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer

pytest.importorskip("scipy", reason="scipy is not installed (make install)")

from app.client import DigitsClient
from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.settings import PROJECT
from benchmarks import pictures as stick
from tests import pictures
from tests.fakes import LABELS
from tests.server import Server
from training.handwriting import FOLDER, pictures_of
from training.strokes import draw_digit

SAMPLES = [(PROJECT / f"samples/{label}.png").read_bytes() for label in LABELS]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of files, one of which is labelled wrongly, and a set of arrays that are no digits, two of four blank."""
    root = tmp_path_factory.mktemp("data")
    folder = root / FOLDER
    folder.mkdir()
    offsets = np.cumsum([0, *map(len, SAMPLES)])
    data = np.frombuffer(b"".join(SAMPLES), np.uint8)
    np.savez(folder / "samples.npz", data=data, offsets=offsets, labels=np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 0]))
    drawn = [pictures.WHITE, pictures.WHITE, *(draw_digit(digit, size=28) for digit in "38")]
    np.savez(folder / "ood_drawn.npz", images=np.stack(drawn), labels=np.full(4, -1))
    return root


def test_pictures_of_both_layouts_are_files_with_their_labels(data_dir: Path) -> None:
    files, labels = zip(*pictures_of(data_dir / FOLDER / "samples.npz"), strict=True)
    assert (list(files), labels[-1]) == (SAMPLES, 0)
    files, labels = zip(*pictures_of(data_dir / FOLDER / "ood_drawn.npz"), strict=True)
    assert (decode(files[2]) == draw_digit("3", size=28)).all()
    assert labels == (-1,) * 4


def test_main_counts_each_set_and_writes_json(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], shipped: DigitClassifier
) -> None:
    out = tmp_path / "counts.json"
    with Server(tmp_path / "log") as server:
        stick.main(server.url, None, data_dir, None, out)
    printed, counts = capsys.readouterr().out, json.loads(out.read_text())
    abstained = sum(prediction.abstained for prediction in shipped.classify(SAMPLES))
    assert (counts["samples"]["n"], counts["samples"]["right"]) == (10, 9)
    assert counts["samples"]["accuracy"] == 0.9
    assert sum(counts["samples"]["abstained"].values()) == abstained
    assert counts["ood_drawn"]["refused"] == {"blank": 2}
    assert counts["ood_drawn"]["rejected"] >= 0.5
    assert "90.00%" in printed
    assert "ood_drawn" in printed


def test_service_starts_answers_and_ends(tmp_path: Path) -> None:
    with stick.service(tmp_path / "log") as url, DigitsClient(url) as client:
        assert client.ready()
    with DigitsClient(url) as client:
        assert not client.ready()


def test_main_without_any_set_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        stick.main(None, None, tmp_path, None, None)
    assert "DIGITS_DATA_DIR" in capsys.readouterr().err
