"""Recipes: every hyperparameter of a run, as data. ``RECIPES`` holds the ones that made the shipped models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Recipe(BaseModel):
    """How to train one network. Each field is also a flag of ``python -m training train``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str = Field("cnn", description="Network, by name (see training/networks).")
    epochs: int = Field(36, ge=1, description="Passes over the training split.")
    batch_size: int = Field(128, ge=2, description="Pictures a step.")
    learning_rate: float = Field(5e-3, gt=0, description="Peak learning rate of the OneCycle schedule (AdamW).")
    weight_decay: float = Field(0.05, ge=0, description="Decoupled weight decay.")
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="Probability mass spread over all classes.")
    ema_decay: float = Field(0.998, ge=0, lt=1, description="Decay a step of the weight average that is exported.")
    rotation_deg: float = Field(10.0, ge=0, description="Augmentation: rotation, at most, in degrees.")
    scale: float = Field(0.1, ge=0, lt=1, description="Augmentation: change of width and of height, at most.")
    shear: float = Field(0.12, ge=0, description="Augmentation: horizontal shear, at most.")
    translation_px: float = Field(1.5, ge=0, description="Augmentation: shift, at most, in pixels.")
    elastic_px: float = Field(0.35, ge=0, description="Augmentation: spread of the elastic field, in pixels.")
    stroke: float = Field(
        0.0, ge=0, le=1, description="Augmentation: share of a pixel by which strokes grow or shrink, at most."
    )
    blur: float = Field(0.0, ge=0, le=1, description="Augmentation: share of a 3×3 blur that is mixed in, at most.")
    noise: float = Field(0.0, ge=0, description="Augmentation: standard deviation of grey noise, at most; white is 1.")
    drawn_share: float = Field(0.0, ge=0, description="Drawn digits of rare forms, as a share of the training pictures.")
    bf16: bool = Field(True, description="Compute in bfloat16 where torch's autocast deems it safe.")


RECIPES: dict[str, Recipe] = {
    "cnn": Recipe(),
    # For what other hands and pens bring; not finished over three seeds yet, and not shipped (LOG.md).
    "cnn-hands": Recipe(epochs=30, stroke=0.5, blur=0.5, noise=0.04, drawn_share=0.06),
}
