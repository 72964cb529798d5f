"""The whole way, from checkpoint to a model folder that the service loads, on digits that our own code draws."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from app.digits import manifest as manifests
from app.digits.classifier import DigitClassifier
from app.digits.image import decode
from app.digits.manifest import Margins, Metrics
from app.digits.session import OrtSession
from app.serving.drift import DriftWatch
from tests.training.drawn import drawn_split
from training.answers import answers_to
from training.calibrate import fit_temperature
from training.errors import TrainingError
from training.evaluate import evaluate
from training.export import export, write_manifest
from training.nondigits import KINDS
from training.quantize import quantize
from training.recipe import Recipe
from training.reference import write_reference
from training.remeasure import Splits, refreshed
from training.runs import RunFolder
from training.ship import recalibrate, ship
from training.strokes import as_png, draw_digit
from training.tail import write_tail
from training.train import train, trained_network
from training.trainer import Data, predict
from training.variant import place_beside, ship_quantized

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def splits(data: Data) -> Splits:
    return {"train": data.train, "validation": data.validation, "test": drawn_split(seed=3, per_digit=8)}


@pytest.fixture(scope="module")
def runs(data: Data, quick_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    folders = [RunFolder(tmp_path_factory.mktemp(f"seed-{seed}")) for seed in (0, 1)]
    for seed, folder in enumerate(folders):
        record = train(quick_recipe, data, folder, name="cnn", seed=seed, device=CPU)
        logits = predict(trained_network(record, folder), data.validation, CPU).numpy()
        folder.save_record(record.model_copy(update={"temperature": fit_temperature(logits, data.validation.labels)}))
        export(folder, data.validation)
    return folders


@pytest.fixture(scope="module")
def shipped(runs: list[RunFolder], splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ship(runs, splits, tmp_path_factory.mktemp("models"))


def test_exported_graph_answers_as_torch_does(runs: list[RunFolder], data: Data) -> None:
    folder = runs[0]
    record = folder.load_record()
    classifier = DigitClassifier.load(folder.path / "cnn", provider="cpu")
    expected = predict(trained_network(record, folder), data.validation, CPU).numpy()
    for size in (1, 3, len(data.validation)):
        output = classifier.infer(data.validation.images[:size, None])
        np.testing.assert_allclose(output.logits, expected[:size], atol=1e-3)
        np.testing.assert_allclose(output.probabilities.sum(axis=1), 1, atol=1e-5)


def test_exported_graph_names_no_path_of_this_machine(runs: list[RunFolder]) -> None:
    graph = (runs[0].path / "cnn" / manifests.MODEL_FILE).read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in graph
    assert b"site-packages" not in graph


def test_export_of_margins_puts_them_into_graph_and_manifest(runs: list[RunFolder], data: Data, tmp_path: Path) -> None:
    run, margins = RunFolder(shutil.copytree(runs[0].path, tmp_path / "run")), Margins(unit=2.0, power=1.5)
    run.save_record(run.load_record().model_copy(update={"margins": margins}))
    classifier = DigitClassifier.load(export(run, data.validation), provider="cpu")
    assert classifier.manifest.margins == margins
    output = classifier.infer(data.validation.images[:5, None])
    under = output.logits.max(axis=1, keepdims=True) - output.logits
    np.testing.assert_allclose(output.probabilities, softmax(-((under / 2) ** 1.5), axis=1), atol=1e-6)


def test_export_of_an_uncalibrated_run_says_what_to_do(data: Data, quick_recipe: Recipe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    train(quick_recipe.model_copy(update={"epochs": 1}), data, folder, name="cnn", seed=0, device=CPU)
    with pytest.raises(TrainingError, match="training calibrate"):
        export(folder, data.validation)


def test_shipped_folder_loads_passes_its_self_test_and_reads_what_it_learnt(shipped: Path, splits: Splits) -> None:
    classifier = DigitClassifier.load(shipped, provider="cpu")
    classifier.self_test(shipped)
    test = splits["test"]
    answers = classifier.classify([as_png(picture) for picture in test.images])
    right = np.mean([answer.label == str(label) for answer, label in zip(answers, test.labels, strict=True)])
    assert right == pytest.approx(classifier.manifest.metrics["test"].accuracy)
    assert right > 0.8


def test_shipped_seed_is_the_best_by_validation(shipped: Path, runs: list[RunFolder]) -> None:
    def preference(metrics: Metrics) -> tuple[float, float]:
        return metrics.accuracy, -metrics.nll

    measured = {run.load_record().seed: run.load_record().metrics["validation"] for run in runs}
    best = max(measured, key=lambda seed: preference(measured[seed]))
    assert manifests.read(shipped).source.seed == best


def test_shipped_seeds_are_the_mean_of_the_committed_runs(shipped: Path) -> None:
    accuracies = [
        json.loads(path.read_text())["metrics"]["test"]["accuracy"] for path in sorted((shipped / "seeds").glob("*.json"))
    ]
    seeds = manifests.read(shipped).seeds
    assert seeds is not None
    assert seeds.n == len(accuracies) == 2
    assert seeds.mean == pytest.approx(np.mean(accuracies), abs=1e-6)


def test_shipped_reference_is_what_the_service_would_count(shipped: Path, splits: Splits) -> None:
    manifest = manifests.read(shipped)
    reference, validation = manifest.reference, splits["validation"]
    assert reference is not None
    classifier = DigitClassifier.load(shipped, provider="cpu")
    drift = DriftWatch(manifest.labels, reference)
    for _ in range(3):
        for picture in validation.images:
            data = as_png(picture)
            drift.add(classifier.frame(decode(data)), classifier.classify([data])[0])
    assert reference.n == len(validation)
    assert max(drift.psi().values()) < 1e-6  # shares are rounded


def test_reference_command_changes_nothing_else(shipped: Path, splits: Splits, tmp_path: Path) -> None:
    folder = tmp_path / shipped.name
    shutil.copytree(shipped, folder)
    before = (folder / manifests.MANIFEST_FILE).read_bytes()
    write_manifest(folder, manifests.read(folder).model_copy(update={"reference": None}))
    assert (folder / manifests.MANIFEST_FILE).read_bytes() != before
    write_reference(folder, splits["validation"])
    assert (folder / manifests.MANIFEST_FILE).read_bytes() == before


def test_ship_again_counts_the_version_up_and_leaves_nothing_behind(
    runs: list[RunFolder], splits: Splits, tmp_path: Path
) -> None:
    for expected in ("1", "2"):
        assert manifests.read(ship(runs, splits, tmp_path)).version == expected
    assert [path.name for path in tmp_path.iterdir()] == ["cnn"]


def test_shipped_thresholds_decline_validation_as_the_manifest_says(shipped: Path, splits: Splits) -> None:
    manifest = manifests.read(shipped)
    assert manifest.abstention is not None and manifest.reference is not None
    answers = DigitClassifier.load(shipped, provider="cpu").classify([as_png(image) for image in splits["validation"].images])
    declined = np.mean([answer.abstained for answer in answers])
    assert declined == pytest.approx(manifest.abstention.validation, abs=1e-6)
    assert declined == pytest.approx(manifest.reference.abstained, abs=1e-6)
    assert declined <= 0.01
    assert set(manifest.abstention.nondigits) <= set(KINDS)


def test_recalibrate_needs_the_folder_alone_and_changes_what_validation_decides(
    shipped: Path, splits: Splits, tmp_path: Path
) -> None:
    folder = tmp_path / shipped.name
    shutil.copytree(shipped, folder)
    before, graph = manifests.read(folder), (folder / manifests.MODEL_FILE).read_bytes()
    write_manifest(folder, before.model_copy(update={"abstention": None, "reference": None}))
    recalibrate(folder, splits)
    assert manifests.read(folder) == before.model_copy(update={"version": "2"})
    assert (folder / manifests.MODEL_FILE).read_bytes() == graph
    assert [path.name for path in tmp_path.iterdir()] == [shipped.name]
    card = (folder / "MODEL_CARD.md").read_text()
    assert "version 2" in card
    assert "It abstains where" in card
    assert (shipped / "MODEL_CARD.md").read_text().replace("version 1", "version 2", 1) == card


@pytest.mark.parametrize("margins", [None, Margins(unit=2.0, power=1.5)])
def test_new_tail_makes_the_probabilities_that_the_manifest_describes(
    margins: Margins | None, shipped: Path, tmp_path: Path
) -> None:
    graph = shutil.copyfile(shipped / manifests.MODEL_FILE, tmp_path / manifests.MODEL_FILE)
    pictures = np.stack([draw_digit(digit, size=28) for digit in "147"])[:, None]
    before = OrtSession(graph, provider="cpu").run(pictures)
    for _ in range(2):  # on the tail of training, and on one that was put on later
        write_tail(graph, 0.5, margins)
    after = OrtSession(graph, provider="cpu").run(pictures)
    under = before.logits.max(axis=1, keepdims=True) - before.logits
    expected = softmax(-under / 0.5 if margins is None else -((under / margins.unit) ** margins.power), axis=1)
    np.testing.assert_array_equal(after.logits, before.logits)
    np.testing.assert_allclose(after.probabilities, expected, atol=1e-6)


def test_recalibrate_of_a_graph_with_wrong_probabilities_puts_them_right(shipped: Path, splits: Splits, tmp_path: Path) -> None:
    folder, stated = shutil.copytree(shipped, tmp_path / shipped.name), manifests.read(shipped)
    write_tail(folder / manifests.MODEL_FILE, 40.0, None)
    write_manifest(folder, refreshed(folder, stated.model_copy(update={"temperature": 40.0})))
    recalibrate(folder, splits)
    found = manifests.read(folder)
    assert found.temperature == pytest.approx(stated.temperature)
    assert found.metrics["test"].nll == pytest.approx(stated.metrics["test"].nll, abs=1e-4)
    assert RunFolder(folder).load_record().metrics == found.metrics


def test_ship_of_two_runs_with_one_seed_is_refused(runs: list[RunFolder], splits: Splits, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs[0].path, copy)
    with pytest.raises(TrainingError, match="same seed"):
        ship([runs[0], RunFolder(copy)], splits, tmp_path / "models")


def test_evaluate_counts_what_the_classifier_answers(shipped: Path, splits: Splits) -> None:
    classifier = DigitClassifier.load(shipped, provider="cpu")
    metrics = evaluate(classifier, splits["test"])
    hits = (answers_to(classifier, splits["test"]).probabilities.argmax(axis=1) == splits["test"].labels).mean()
    assert metrics.accuracy == pytest.approx(hits, abs=1e-6)
    assert metrics.interval[0] <= metrics.accuracy <= metrics.interval[1]


def test_quantised_variant_is_a_model_of_its_own_that_says_what_it_was_made_from(
    shipped: Path, splits: Splits, tmp_path: Path
) -> None:
    original = shutil.copytree(shipped, tmp_path / "cnn")
    quantize(original / manifests.MODEL_FILE, tmp_path / "graph.onnx", splits["train"].images)
    variant = place_beside(original, tmp_path / "graph.onnx", splits)
    manifest = manifests.read(variant)
    assert (manifest.name, manifest.version, manifest.seeds) == ("cnn-int8", "1", None)
    assert manifest.cost.bytes < manifests.read(original).cost.bytes / 2
    assert manifest.metrics["test"] == evaluate(DigitClassifier.load(variant, provider="cpu"), splits["test"])
    card = (variant / "MODEL_CARD.md").read_text()
    assert "made from `models/cnn` version 1" in card
    assert "python -m training quantize models/cnn" in card


def test_slower_variant_is_not_shipped(shipped: Path, splits: Splits, tmp_path: Path) -> None:
    original = shutil.copytree(shipped, tmp_path / "cnn")
    # ONNX Runtime has no fast convolution whose ranges are found in each run: five times as slow.
    comparison, target = ship_quantized(original, splits, method="dynamic")
    assert target is None and not comparison.is_worth_it
    assert [folder.name for folder in tmp_path.iterdir()] == ["cnn"]
