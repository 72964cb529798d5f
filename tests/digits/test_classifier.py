from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.digits.classifier import DigitClassifier
from app.digits.errors import InvalidTopK, ManifestInvalid, ModelAltered, ModelBroken, PictureError, SelfTestFailed
from app.digits.session import Floats, Images, Output
from app.settings import PROJECT
from tests import pictures
from tests.fakes import LABELS, FakeSession, change_one_byte, golden_case, load_fake, make_model_folder
from training.strokes import as_png

SAMPLES = [(PROJECT / f"samples/{label}.png").read_bytes() for label in LABELS]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> DigitClassifier:
    return load_fake(make_model_folder(tmp_path_factory.mktemp("models")))


def test_shipped_model_reads_all_samples_right(shipped: DigitClassifier) -> None:
    assert [prediction.top_k[0].label for prediction in shipped.classify(SAMPLES)] == list(LABELS)


def test_shipped_model_passes_its_self_test(shipped: DigitClassifier) -> None:
    shipped.self_test(PROJECT / "models/cnn")


def test_classify_batch_equals_singles(fake: DigitClassifier) -> None:
    batch = fake.classify(SAMPLES)
    singles = [fake.classify([data])[0] for data in SAMPLES]
    assert [prediction.label for prediction in batch] == [prediction.label for prediction in singles]
    np.testing.assert_allclose([one.probability for one in batch], [one.probability for one in singles], rtol=1e-5)


def test_classify_full_ranking_sums_to_one(fake: DigitClassifier) -> None:
    (prediction,) = fake.classify([pictures.png()], top_k=10)
    assert {ranked.label for ranked in prediction.top_k} == set(LABELS)
    assert sum(ranked.probability for ranked in prediction.top_k) == pytest.approx(1)


def test_classify_inverted_picture_gives_same_answer(fake: DigitClassifier) -> None:
    plain, inverted = (as_png(grey) for grey in (pictures.SEVEN, 255 - pictures.SEVEN))
    assert fake.classify([plain]) == fake.classify([inverted])


def test_classify_nothing_gives_nothing(fake: DigitClassifier) -> None:
    assert fake.classify([]) == []


def test_classify_unreadable_picture_raises(fake: DigitClassifier) -> None:
    with pytest.raises(PictureError):
        fake.classify([b"text"])


@pytest.mark.parametrize("top_k", [0, -1, 11])
def test_classify_top_k_beyond_labels_is_refused(fake: DigitClassifier, top_k: int) -> None:
    with pytest.raises(InvalidTopK, match="1 to 10"):
        fake.classify([pictures.png()], top_k=top_k)


@given(arrays(np.float32, 10, elements=st.floats(0, 1, width=32)), st.integers(1, 10))
def test_interpret_any_probabilities_are_ranked(fake: DigitClassifier, probabilities: Floats, top_k: int) -> None:
    prediction = fake.interpret(probabilities, top_k)
    values = [ranked.probability for ranked in prediction.top_k]
    assert values == sorted(probabilities.tolist(), reverse=True)[:top_k]
    assert all(probabilities[LABELS.index(ranked.label)] == ranked.probability for ranked in prediction.top_k)
    assert (prediction.label, prediction.probability) == (prediction.top_k[0].label, values[0])
    assert not prediction.abstained


def test_interpret_equal_probabilities_keep_order_of_labels(fake: DigitClassifier) -> None:
    ranking = fake.interpret(np.full(10, 0.1, np.float32), 10).top_k
    assert tuple(ranked.label for ranked in ranking) == LABELS


def test_self_test_right_answers_pass(models_dir: Path) -> None:
    load_fake(models_dir / "cnn").self_test(models_dir / "cnn")


def test_self_test_other_answers_fail(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, golden=[golden_case(shift=0.002)])
    with pytest.raises(SelfTestFailed, match=r"golden/7\.png off by"):
        load_fake(folder).self_test(folder)


class _Constant(FakeSession):
    def __init__(self, probabilities: list[float]) -> None:
        super().__init__()
        self._row = np.array(probabilities, np.float32)

    def run(self, images: Images) -> Output:
        rows = np.tile(self._row, (len(images), 1))
        return Output(rows, rows)


@pytest.mark.parametrize(("row", "message"), [([0.5, 0.5], "shape"), ([float("nan")] * 10, "not finite")])
def test_infer_impossible_answer_is_model_broken(models_dir: Path, row: list[float], message: str) -> None:
    classifier = load_fake(models_dir / "cnn", session=_Constant(row))
    with pytest.raises(ModelBroken, match=message):
        classifier.infer(np.zeros((2, 1, 28, 28), np.uint8))


def test_load_unknown_preprocessing_is_manifest_invalid(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, preprocessing={"name": "mnist-frame", "version": "99"})
    with pytest.raises(ManifestInvalid, match=r"'mnist-frame' version '99'.*upgrade"):
        load_fake(folder)


def test_load_altered_graph_is_refused_before_onnxruntime_sees_it(models_dir: Path) -> None:
    change_one_byte(models_dir / "cnn/model.onnx")
    with pytest.raises(ModelAltered):
        DigitClassifier.load(models_dir / "cnn")


def test_load_stand_in_for_a_graph_is_model_broken(models_dir: Path) -> None:
    with pytest.raises(ModelBroken):
        DigitClassifier.load(models_dir / "cnn", provider="cpu")
