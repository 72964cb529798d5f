"""Traffic that is drawn from a reference of our own, with and without a shift."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.digits import manifest as manifests
from app.digits.classifier import Prediction, RankedLabel
from app.digits.manifest import Reference
from app.digits.preprocessing import Frame
from app.serving.drift import LEAST_PICTURES, DriftWatch, population_stability_index
from app.settings import PROJECT
from tests import pictures
from tests.conftest import MakeApi
from tests.fakes import LABELS, REFERENCE, make_model_folder

FEATURES = {"label", "probability", "abstained", "ink", "framing"}
CHI_SQUARED_9_95 = 16.92  # 95 % quantile, nine degrees of freedom
PHOTOGRAPH = ("dark ink on light paper", "cropped", "thin strokes widened", "scaled", "centred")


def traffic(
    count: int,
    *,
    seed: int = 0,
    labels: str = "0123456789",
    probability: float = 0.995,
    ink: int = 30,
    abstained: float = 0.0,
    steps: tuple[str, ...] = ("native",),
) -> Iterator[tuple[Frame, Prediction]]:
    """Answered pictures: ``REFERENCE``'s distributions by default. ``ink`` is the level in the middle of the spread."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        level = ink + int(random.choice((-15, 0, 15), p=(0.25, 0.5, 0.25)))
        label, top = str(random.choice(list(labels))), probability if random.random() < 0.9 else probability - 0.2
        declined = bool(random.random() < abstained)
        yield (
            Frame(np.full((1, 28, 28), level, np.uint8), (0, 0, 28, 28), steps),
            Prediction(None if declined else label, top, (RankedLabel(label, top),), declined),
        )


def watch(*streams: Iterator[tuple[Frame, Prediction]], window: int = 10_000) -> DriftWatch:
    drift = DriftWatch(LABELS, Reference.model_validate(REFERENCE), window=window)
    for stream in streams:
        for frame, prediction in stream:
            drift.add(frame, prediction)
    return drift


def test_psi_of_known_shares_is_the_formula() -> None:
    served, reference = (6000, 4000), (0.5, 0.5)
    expected = 0.1 * math.log(0.6 / 0.5) - 0.1 * math.log(0.4 / 0.5)
    assert population_stability_index(served, reference) == pytest.approx(expected, rel=0.01)


def test_psi_of_empty_bins_is_finite_and_small_where_the_reference_has_little() -> None:
    reference = (0.998, 0.002, 0.0)
    assert 0 <= population_stability_index((200, 0, 0), reference) < 0.01
    assert 1 < population_stability_index((0, 0, 200), reference) < 100


def test_psi_without_drift_stays_under_the_threshold_at_the_least_number_of_pictures() -> None:
    random = np.random.default_rng(1)
    seen = [population_stability_index(random.multinomial(LEAST_PICTURES, [0.1] * 10).tolist(), [0.1] * 10) for _ in range(500)]
    assert np.quantile(seen, 0.95) < 0.1
    assert np.quantile(seen, 0.95) == pytest.approx(CHI_SQUARED_9_95 / LEAST_PICTURES, rel=0.15)


def test_psi_of_the_same_shares_is_zero() -> None:
    assert population_stability_index((5, 0, 15), (0.25, 0.0, 0.75)) == 0


def test_watch_of_the_same_distribution_has_psi_near_zero() -> None:
    psi = watch(traffic(2000)).psi()
    assert psi.keys() == FEATURES
    assert max(psi.values()) < 0.03


@pytest.mark.parametrize(
    ("feature", "shifted"),
    [
        ("label", traffic(1000, labels="77701")),
        ("probability", traffic(1000, probability=0.9)),
        ("abstained", traffic(1000, abstained=0.2)),
        ("ink", traffic(1000, ink=60)),
        ("framing", traffic(1000, steps=PHOTOGRAPH)),
    ],
)
def test_watch_of_shifted_traffic_names_the_feature_and_no_other(
    feature: str, shifted: Iterator[tuple[Frame, Prediction]]
) -> None:
    psi = watch(shifted).psi()
    assert psi.pop(feature) > 0.25
    assert max(psi.values()) < 0.1


def test_watch_before_enough_pictures_tells_nothing() -> None:
    drift = watch(traffic(LEAST_PICTURES - 1))
    assert (drift.psi(), drift.framing_shares()) == ({}, {})
    assert drift.pictures == LEAST_PICTURES - 1


def test_watch_forgets_what_lies_a_window_back() -> None:
    drift = watch(traffic(2000, ink=60), window=1000)
    assert drift.psi()["ink"] > 0.25
    for frame, prediction in traffic(1000, seed=1):
        drift.add(frame, prediction)
        assert drift.pictures <= 1000
    assert drift.psi()["ink"] < 0.1


def test_watch_framing_shares_are_what_framing_did() -> None:
    drift = watch(traffic(300), traffic(100, steps=PHOTOGRAPH))
    assert drift.framing_shares() == {"native": 0.75, ", ".join(PHOTOGRAPH): 0.25}


def test_metrics_show_drift_of_models_with_a_reference_only(make_api: MakeApi, tmp_path: Path) -> None:
    models_dir = tmp_path / "with-reference"
    make_model_folder(models_dir, "cnn", reference=REFERENCE)
    make_model_folder(models_dir, "other")
    api = make_api(models_dir=models_dir)
    api.wait_until(lambda: len(api.services.registry.served) == 2)
    for _ in range(4):
        for model in ("cnn", "other"):
            assert api.predict(*[pictures.png()] * 63, b"no picture", model=model).status_code == 200
    assert api.metric("digits_drift_pictures", model="cnn") == 4 * 63
    assert api.metric("digits_drift_psi", model="cnn", feature="label") > 0.25  # nothing but sevens
    assert api.metric("digits_drift_framing_share", model="cnn", steps=", ".join(PHOTOGRAPH)) == 1
    assert 'model="other"' not in "".join(line for line in api.get("/metrics").text.splitlines() if "drift" in line)


def test_shipped_model_has_a_reference_of_its_validation_split() -> None:
    manifest = manifests.read(PROJECT / "models/cnn")
    assert manifest.reference is not None
    assert manifest.reference.n == manifest.metrics["validation"].n
    assert manifest.reference.framing == {"native": 1.0}
