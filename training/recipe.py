"""Recipes: every hyperparameter of a run, as data.

A field's default means "off" wherever there is such a thing, so that the ``run.json`` of an older run still says what it did.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Recipe(BaseModel):
    """How to train one network. Each field is also a flag of ``python -m training train``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = Field("cnn", description="Network, by name (see training/networks).")
    epochs: int = Field(36, ge=1, description="Passes over the training split.")
    batch_size: int = Field(128, ge=2, description="Pictures a step, over all processes.")
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="Optimiser.")
    learning_rate: float = Field(5e-3, gt=0, description="Peak learning rate.")
    schedule: Literal["onecycle", "cosine", "constant"] = Field("onecycle", description="How the learning rate changes.")
    weight_decay: float = Field(0.05, ge=0, description="Weight decay; decoupled with adamw.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of hidden units that a step leaves out.")
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="Probability mass spread over all classes.")
    ema_decay: float = Field(0.998, ge=0, lt=1, description="Decay a step of the weight average that is exported.")
    early_stopping: int = Field(
        0,
        ge=0,
        description="Stop after so many epochs without a better validation loss and keep the best weights; 0: never.",
    )
    rotation_deg: float = Field(10.0, ge=0, description="Augmentation: rotation, at most, in degrees.")
    scale: float = Field(0.1, ge=0, lt=1, description="Augmentation: change of width and of height, at most.")
    shear: float = Field(0.12, ge=0, description="Augmentation: horizontal shear, at most.")
    translation_px: float = Field(1.5, ge=0, description="Augmentation: shift, at most, in pixels.")
    elastic_px: float = Field(0.35, ge=0, description="Augmentation: spread of the elastic field, in pixels.")
    stroke: float = Field(
        0.0, ge=0, le=1, description="Augmentation: share of a pixel by which strokes grow or shrink, at most."
    )
    contrast: float = Field(0.0, ge=0, lt=1, description="Augmentation: share by which ink pales, at most.")
    coarse: float = Field(0.0, ge=0, le=1, description="Augmentation: share of pictures as a poor camera gives them.")
    blur: float = Field(0.0, ge=0, le=1, description="Augmentation: share of a 3×3 blur that is mixed in, at most.")
    noise: float = Field(0.0, ge=0, description="Augmentation: standard deviation of grey noise, at most; white is 1.")
    erasing: float = Field(0.0, ge=0, le=1, description="Augmentation: share of pictures that lose a rectangle.")
    drawn_share: float = Field(0.0, ge=0, description="Drawn digits of rare forms, as a share of the training pictures.")
    nondigit_share: float = Field(0.0, ge=0, description="Made-up non-digits, as a share of the training pictures.")
    letter_share: float = Field(0.0, ge=0, description="Letters of other scripts, as a share of the training pictures.")
    nondigit_weight: float = Field(
        0.5, ge=0, description="Weight of a non-digit or letter in the loss; its target is every class alike."
    )
    teacher: str = Field("", description="Name of the shipped model that teaches (models/NAME); none if empty.")
    teacher_share: float = Field(0.0, ge=0, le=1, description="Share of the teacher's probabilities in the targets.")
    teacher_temperature: float = Field(1.0, gt=0, description="What the teacher's logits are divided by.")
    bf16: bool = Field(True, description="Mixed precision: bfloat16 where torch's autocast deems it safe.")
