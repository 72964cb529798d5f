from pathlib import Path

import numpy as np

from app.digits.classifier import DigitClassifier
from training.handwriting import pictures_of
from training.report.bench import Bench
from training.report.material import Material
from training.report.study import Study


def test_bench_frames_once_for_all_models_that_frame_alike(of_digits: Study, shipped: DigitClassifier) -> None:
    bench = of_digits.bench
    assert bench.frames_of_spoilt(of_digits.classifier, "blur", 2) is bench.frames_of_spoilt(shipped, "blur", 2)


def test_bench_tells_sets_of_digits_from_those_of_none(tmp_path: Path, drawn: Material, shipped: DigitClassifier) -> None:
    test = drawn.splits["test"]
    np.savez(tmp_path / "hands.npz", images=test.images, labels=test.labels)
    np.savez(tmp_path / "ood.npz", images=test.images[:5], labels=np.full(5, -1))
    bench = Bench(drawn, handwriting=tmp_path)
    assert (list(bench.digits), list(bench.nondigits)) == (["hands"], ["ood", "drawn"])
    assert bench.digits["hands"].files == tuple(file for file, _ in pictures_of(tmp_path / "hands.npz"))
    assert bench.digits["hands"].labels.tolist() == test.labels.tolist()
    assert len(bench.frames_of_set(shipped, "ood")) == 5


def test_bench_of_other_labels_than_digits_has_nothing_to_reject(of_shapes: Study) -> None:
    assert (of_shapes.bench.digits, of_shapes.bench.nondigits) == ({}, {})
    assert of_shapes.robustness.rejection is None
