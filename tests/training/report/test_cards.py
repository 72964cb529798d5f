"""What the cards of the shipped models say, held against the committed runs and against fresh evaluations."""

import re
from functools import cache
from pathlib import Path
from statistics import mean, stdev

import pytest

from app.digits import manifest as manifests
from app.digits.preprocessing import Frame
from app.settings import PROJECT
from training.abstain import fit_thresholds, made_up, rejected_shares
from training.answers import answers_to
from training.calibrate import expected_ece_if_calibrated, fit_margins, fit_temperature, wilson_interval
from training.card import render
from training.data import LABELS, Split
from training.datasets import open_dataset
from training.evaluate import metrics_of
from training.report.bench import Bench
from training.report.material import read_material
from training.report.robustness import answers_under
from training.report.study import Study
from training.runs import RunFolder, RunRecord

SHIPPED = sorted(path.parent for path in (PROJECT / "models").glob("*/manifest.json"))
FLOOR = re.compile(r"would show about\n([\d.]+)% on the test split")
# Processors round differently: much less than one picture of 10,000.
NOISE = 5e-5
EVERY = 11  # one of so many training pictures: all 55,000 take a minute for each model
CELLS = (("blur", 3), ("zigzag", 5))

each_shipped = pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)


@each_shipped
def test_card_is_what_manifest_and_run_say(folder: Path) -> None:
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    floor = FLOOR.search(card)
    assert floor
    assert card == _rendered(folder, float(floor[1]) / 100)


@each_shipped
def test_recipe_over_seeds_is_that_of_the_committed_runs(folder: Path) -> None:
    manifest, record = manifests.read(folder), RunFolder(folder).load_record()
    runs = [RunRecord.model_validate_json(path.read_bytes()) for path in folder.glob("seeds/*.json")]
    accuracies = [run.metrics["test"].accuracy for run in runs]
    assert record.metrics == manifest.metrics
    assert record.quantized_from or record in runs
    assert {run.recipe for run in runs} <= {record.recipe}
    if manifest.seeds is not None:
        expected = (len(runs), mean(accuracies), stdev(accuracies))
        assert (manifest.seeds.n, manifest.seeds.mean, manifest.seeds.std) == pytest.approx(expected, abs=1e-6)


@pytest.mark.mnist
@each_shipped
def test_metrics_are_those_of_a_fresh_evaluation(folder: Path, mnist_root: Path) -> None:
    study = _study(folder, mnist_root)
    for name in ("validation", "test"):
        fresh, stated = (one.model_dump() for one in (metrics_of(study.answers(name)), study.manifest.metrics[name]))
        assert fresh.pop("interval") == pytest.approx(stated.pop("interval"), abs=NOISE)
        assert fresh == pytest.approx(stated, abs=NOISE)
    train = study.data.splits["train"]
    some = answers_to(study.classifier, Split(train.images[::EVERY], train.labels[::EVERY]))
    low, high = wilson_interval(int(some.right.sum()), len(some), z=4)
    assert low <= study.manifest.metrics["train"].accuracy <= high
    floor = expected_ece_if_calibrated(study.answers("test").probabilities)
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8") == _rendered(folder, floor)


@pytest.mark.mnist
@each_shipped
def test_calibration_and_thresholds_are_those_of_validation(folder: Path, mnist_root: Path) -> None:
    study = _study(folder, mnist_root)
    validation, rule = study.answers("validation"), study.manifest.abstention
    assert fit_temperature(validation.logits, validation.truths) == pytest.approx(study.manifest.temperature, rel=1e-3)
    margins, stated = fit_margins(validation.logits, validation.truths), study.manifest.margins
    assert (margins is None) is (stated is None)
    if margins and stated:
        assert margins.model_dump() == pytest.approx(stated.model_dump(), rel=1e-2)
    assert rule is not None
    assert fit_thresholds(validation.probabilities).model_dump() == pytest.approx(rule.thresholds.model_dump(), abs=NOISE)
    assert (validation.confidence < rule.thresholds.probability).mean() == pytest.approx(rule.validation, abs=NOISE)
    if study.labels == LABELS:
        assert rejected_shares(study.classifier, _made_up(mnist_root)) == pytest.approx(rule.nondigits, abs=NOISE)


@pytest.mark.mnist
@each_shipped
def test_robustness_is_that_of_a_fresh_evaluation(folder: Path, mnist_root: Path) -> None:
    study = _study(folder, mnist_root)
    stated = study.manifest.robustness
    if stated is None:
        pytest.skip("its robustness was not measured; run `python -m training card`")
    for kind, strength in CELLS:
        fresh = answers_under(study.classifier, study.bench, kind, strength).accuracy
        assert fresh == pytest.approx(stated.corruptions[kind][strength - 1], abs=NOISE)
    if stated.rejection is not None:
        confidence, threshold = study.answers("test").confidence, stated.rejection.threshold
        assert (confidence < threshold).mean() == pytest.approx(stated.rejection.false_rejection, abs=NOISE)


def _rendered(folder: Path, ece_floor: float) -> str:
    seeds = sorted(int(path.stem) for path in folder.glob("seeds/*.json"))
    return render(manifests.read(folder), RunFolder(folder).load_record(), seeds, ece_floor)


@cache
def _study(folder: Path, root: Path) -> Study:
    if not RunFolder(folder).load_record().data.is_mnist:
        pytest.skip("made from other data than MNIST")
    return Study(folder, _bench(root))


@cache
def _bench(root: Path) -> Bench:
    return Bench(read_material(open_dataset(root=root)))


@cache
def _made_up(root: Path) -> list[tuple[str, Frame]]:
    return made_up(_bench(root).data.splits["validation"])
