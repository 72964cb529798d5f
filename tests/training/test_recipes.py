import pytest

from training.datasets import Origin
from training.errors import TrainingError
from training.networks import NETWORKS
from training.recipes import RECIPES, check_model_name, model_name, named_recipe

MNIST = Origin()
SHOES = Origin(name="photos/My Shoes", labels=("left", "right"))


def test_every_network_has_our_recipe_by_its_name() -> None:
    assert {name: RECIPES[name].arch for name in NETWORKS} == {name: name for name in NETWORKS}


def test_published_recipe_is_the_architectures_own_and_augments_nothing() -> None:
    name, recipe = named_recipe("published", {"arch": "mlp-512-256"}, MNIST)
    assert (name, recipe.arch) == ("mlp-512-256-published", "mlp-512-256")
    assert (recipe.rotation_deg, recipe.elastic_px, recipe.ema_decay) == (0, 0, 0)


def test_flags_change_the_named_recipe() -> None:
    name, recipe = named_recipe(None, {"arch": "mlp-128", "epochs": 3}, MNIST)
    assert (name, recipe) == ("mlp-128", RECIPES["mlp-128"].model_copy(update={"epochs": 3}))


def test_drawn_pictures_are_left_out_for_other_classes_unless_asked_for() -> None:
    assert RECIPES["cnn"].nondigit_share > 0
    assert named_recipe("cnn", {}, SHOES)[1].nondigit_share == 0
    assert named_recipe("cnn", {"nondigit_share": 0.1}, SHOES)[1].nondigit_share == 0.1


def test_model_of_other_data_does_not_take_the_default_models_name() -> None:
    assert model_name("cnn", MNIST) == "cnn"
    assert model_name("cnn", SHOES) == "cnn-my-shoes"


@pytest.mark.parametrize("name", ["", "../cnn", "CNN", "a b"])
def test_model_name_that_a_folder_may_not_have_is_refused(name: str) -> None:
    with pytest.raises(TrainingError, match="cannot be named"):
        check_model_name(name)
