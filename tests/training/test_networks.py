import pytest
import torch

from training.errors import TrainingError
from training.export import count_macs
from training.networks import NETWORKS, build
from training.networks.ensemble import Ensemble

IMAGES = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_network_answers_any_number_of_classes_by_picture_alone(name: str) -> None:
    network = build(name, 7, dropout=0.1).eval()
    with torch.inference_mode():
        together = network(IMAGES)
        alone = torch.cat([network(image[None]) for image in IMAGES])
    assert together.shape == (2, 7)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("mlp-128", 784 * 128 + 128 * 10),
        ("mlp-1024-512-256-128", 784 * 1024 + 1024 * 512 + 512 * 256 + 256 * 128 + 128 * 10),
    ],
)
def test_macs_are_counted_as_by_hand(name: str, macs: int) -> None:
    assert count_macs(build(name, 10, dropout=0).eval()) == macs


def test_default_network_costs_what_the_plan_allows() -> None:
    assert count_macs(build("cnn", 10, dropout=0).eval()) <= 10_000_000


def test_ensemble_answers_with_the_mean_of_its_members_probabilities() -> None:
    members = [build("mlp-128", 10, dropout=0) for _ in range(3)]
    ensemble = Ensemble(members).eval()
    expected = torch.stack([member(IMAGES).softmax(dim=1) for member in members]).mean(dim=0)
    torch.testing.assert_close(ensemble(IMAGES).softmax(dim=1), expected)
    assert ensemble.train()(IMAGES).shape == (2, 10, 3)


def test_unknown_network_names_those_that_exist() -> None:
    with pytest.raises(TrainingError, match="there are: cnn"):
        build("resnet-9000", 10, dropout=0)
