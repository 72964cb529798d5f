import numpy as np
import pytest

from app.digits.classifier import DigitClassifier
from tests.training.drawn import drawn_split
from training.answers import answers_to
from training.data import Split
from training.evaluate import metrics_of
from training.strokes import as_png


def test_answers_are_those_that_the_service_gives(shipped: DigitClassifier) -> None:
    split = drawn_split(seed=6, per_digit=2)
    answers = answers_to(shipped, split)
    served = shipped.classify([as_png(image) for image in split.images])
    assert [shipped.manifest.labels[label] for label in answers.labels] == [one.top_k[0].label for one in served]
    np.testing.assert_allclose(answers.confidence, [one.probability for one in served], atol=1e-5)


def test_blank_picture_is_a_refusal_and_read_wrong(shipped: DigitClassifier) -> None:
    split = drawn_split(seed=6, per_digit=1)
    images = split.images.copy()
    images[0] = 0
    answers = answers_to(shipped, Split(images, split.labels))
    assert answers.refused.tolist() == [True] + [False] * 9
    assert (answers.labels[0], answers.right[0]) == (-1, False)
    assert metrics_of(answers).accuracy == pytest.approx(answers.accuracy) == pytest.approx(0.9)
