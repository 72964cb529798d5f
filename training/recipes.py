"""The recipes that made the shipped models, and the usual ones for the same networks, by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from app.digits.manifest import MODEL_NAME
from training.datasets import Origin
from training.errors import TrainingError
from training.networks import NETWORKS
from training.recipe import Recipe

DEFAULT: Final = "cnn"
PUBLISHED: Final = "published"

_PLAIN = {"rotation_deg": 0, "scale": 0, "shear": 0, "translation_px": 0, "elastic_px": 0, "label_smoothing": 0, "ema_decay": 0}
# What projects of this field publish for their networks: Adam at its default rate, a handful of epochs, no augmentation.
_PUBLISHED = Recipe.model_validate(
    _PLAIN
    | {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant", "weight_decay": 0, "dropout": 0, "bf16": False}
    | {"epochs": 10, "batch_size": 64}
)
_MLP = Recipe(epochs=60, batch_size=256, learning_rate=3e-3, dropout=0.0)

# What meets other hands, pens and cameras, and what is no digit.
_CNN = Recipe(
    epochs=48,
    stroke=0.5,
    coarse=0.04,
    blur=0.5,
    noise=0.04,
    drawn_share=0.06,
    nondigit_share=0.12,
    letter_share=0.16,
    nondigit_weight=0.6,
)

RECIPES: dict[str, Recipe] = {
    "cnn": _CNN,
    "cnn-teacher": _CNN.model_copy(update={"arch": "cnn-teacher"}),
    "mlp-128": _MLP.model_copy(update={"arch": "mlp-128"}),
    "mlp-512-256": _MLP.model_copy(update={"arch": "mlp-512-256"}),
    "mlp-512-256-128": _MLP.model_copy(update={"arch": "mlp-512-256-128"}),
    "mlp-1024-512-256-128": _MLP.model_copy(update={"arch": "mlp-1024-512-256-128", "dropout": 0.1}),
    "vit": Recipe(arch="vit", epochs=28, learning_rate=2e-3, dropout=0.0, elastic_px=0.5),
    "cnn-published": _PUBLISHED,
    "mlp-128-published": _PUBLISHED.model_copy(update={"arch": "mlp-128", "epochs": 5}),
    "mlp-512-256-published": _PUBLISHED.model_copy(update={"arch": "mlp-512-256", "epochs": 7, "batch_size": 128}),
    "mlp-512-256-128-published": _PUBLISHED.model_copy(update={"arch": "mlp-512-256-128", "dropout": 0.2}),
    "mlp-1024-512-256-128-published": _PUBLISHED.model_copy(
        update={"arch": "mlp-1024-512-256-128", "epochs": 20, "batch_size": 128, "dropout": 0.4}
    ),
    "vit-published": _PUBLISHED.model_copy(update={"arch": "vit", "epochs": 20, "batch_size": 128, "dropout": 0.1}),
}


def named_recipe(name: str | None, changes: dict[str, object], origin: Origin) -> tuple[str, Recipe]:
    """A named recipe with some fields changed.

    Args:
        name: of ``RECIPES``; ``published`` for the usual one of the architecture; None for ours of the architecture.
        changes: fields by name; ``arch`` among them says which architecture.
        origin: the data; what our code draws is left out for other classes than digits, unless it was asked for.

    Returns:
        The recipe's name, and the recipe.

    Raises:
        TrainingError: no recipe or network has that name.
    """
    arch = str(changes.get("arch", DEFAULT))
    if arch not in NETWORKS:
        raise TrainingError(f"There is no network named {arch!r}; there are: {', '.join(sorted(NETWORKS))}.")
    if name is None:
        name = arch
    elif name == PUBLISHED:
        name = f"{arch}-{PUBLISHED}"
    if name not in RECIPES:
        raise TrainingError(f"There is no recipe named {name!r}; there are: {PUBLISHED}, {', '.join(sorted(RECIPES))}.")
    digits_only = {} if origin.is_digits else {"drawn_share": 0.0, "nondigit_share": 0.0, "letter_share": 0.0}
    return name, Recipe.model_validate(RECIPES[name].model_dump() | digits_only | changes)


def model_name(recipe: str, origin: Origin) -> str:
    """What to call a model: like its recipe, and its data too where that is not MNIST."""
    if origin.is_mnist:
        return recipe
    return f"{recipe}-{re.sub(r'[^a-z0-9]+', '-', Path(origin.name).name.lower()).strip('-')}"


def check_model_name(name: str) -> str:
    """The name, if a model may have it.

    Raises:
        TrainingError: it may not.
    """
    if not re.fullmatch(MODEL_NAME, name):
        raise TrainingError(f"A model cannot be named {name!r}; use small letters, digits, dots and dashes.")
    return name
