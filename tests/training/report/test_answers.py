from itertools import accumulate
from pathlib import Path

import numpy as np

from app.digits.classifier import DigitClassifier
from tests.training.drawn import drawn_split
from training.evaluate import measure, probabilities_of
from training.report.answers import as_files, ask
from training.report.bench import Bench
from training.report.study import Material, Study


def test_answers_are_those_that_evaluate_measures(shipped: DigitClassifier) -> None:
    split = drawn_split(seed=6, per_digit=2)
    answers = ask(shipped, as_files(split.images), split.labels)
    np.testing.assert_array_equal(answers.probabilities, probabilities_of(shipped, split))
    assert round(answers.accuracy, 6) == measure(answers.probabilities, split.labels).accuracy


def test_blank_picture_is_a_refusal_and_no_answer(shipped: DigitClassifier) -> None:
    split = drawn_split(seed=6, per_digit=1)
    images = split.images.copy()
    images[0] = 0
    answers = ask(shipped, as_files(images), split.labels)
    assert (answers.refused.tolist(), answers.labels[0], answers.right[0]) == ([True] + [False] * 9, -1, False)


def test_bench_frames_once_for_all_models_that_frame_alike(of_digits: Study, shipped: DigitClassifier) -> None:
    bench = of_digits.bench
    assert bench.spoilt(of_digits.classifier, "blur", 2) is bench.spoilt(shipped, "blur", 2)


def test_bench_reads_sets_of_both_layouts(tmp_path: Path, drawn: Material, shipped: DigitClassifier) -> None:
    test = drawn.splits["test"]
    files = list(as_files(test.images))
    np.savez(tmp_path / "packed.npz", data=np.frombuffer(b"".join(files), np.uint8), offsets=_ends(files), labels=test.labels)
    np.savez(tmp_path / "ood_dense.npz", images=test.images[:5], labels=np.full(5, -1))
    bench = Bench(test, drawn.labels, handwriting=tmp_path)
    assert (bench.digits["packed"].files, list(bench.nondigits)) == (tuple(files), ["ood_dense", "drawn"])
    assert bench.digits["packed"].labels.tolist() == test.labels.tolist()
    assert len(bench.frames(shipped, "ood_dense")) == 5


def _ends(files: list[bytes]) -> list[int]:
    return [0, *accumulate(map(len, files))]


def test_bench_of_other_labels_than_digits_has_nothing_to_reject(of_shapes: Study) -> None:
    assert (of_shapes.bench.digits, of_shapes.bench.nondigits) == ({}, {})
    assert of_shapes.robustness.rejection is None
