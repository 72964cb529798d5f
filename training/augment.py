"""Augmentation of a whole batch at once, on the device that trains.

Each picture gets its own affine map and its own smooth elastic field (Simard, Steinkraus and Platt 2003), both folded
into one sampling grid, so a pixel is interpolated once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipe import Recipe

ELASTIC_CELLS = 7  # control points a side of the elastic field: one every 4 pixels, about a stroke's width


def augment(images: Tensor, recipe: Recipe) -> Tensor:
    """Deform each picture of a batch at random; draws from torch's global generator.

    Args:
        images: float (N, 1, H, W), 0 is paper.
        recipe: the strengths (see ``Recipe``).

    Returns:
        The same shape, dtype and device; what comes in from outside the picture is paper.
    """
    count, _, height, width = images.shape
    theta = random_affine(count, recipe, (height, width)).to(images.device)
    grid = F.affine_grid(theta, [count, 1, height, width], align_corners=False)
    if recipe.elastic_px > 0:
        grid = grid + random_elastic(count, recipe.elastic_px, (height, width)).to(images.device)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def random_affine(count: int, recipe: Recipe, size: tuple[int, int]) -> Tensor:
    """Float (N, 2, 3) maps from output to input positions in grid_sample's -1 … 1 coordinates."""
    angle = _uniform(count, recipe.rotation_deg) * torch.pi / 180
    shear = _uniform(count, recipe.shear)
    scale_x, scale_y = 1 + _uniform(count, recipe.scale), 1 + _uniform(count, recipe.scale)
    cos, sin = angle.cos(), angle.sin()
    shift_x = _uniform(count, recipe.translation_px) * 2 / size[1]
    shift_y = _uniform(count, recipe.translation_px) * 2 / size[0]
    row_x = torch.stack([cos * scale_x, (shear * cos - sin) * scale_y, shift_x], dim=1)
    row_y = torch.stack([sin * scale_x, (shear * sin + cos) * scale_y, shift_y], dim=1)
    return torch.stack([row_x, row_y], dim=1)


def random_elastic(count: int, strength_px: float, size: tuple[int, int]) -> Tensor:
    """Float (N, H, W, 2) smooth displacements whose control points have a standard deviation of ``strength_px``."""
    height, width = size
    control = torch.randn(count, 2, ELASTIC_CELLS, ELASTIC_CELLS) * strength_px
    field = F.interpolate(control, size=size, mode="bicubic", align_corners=False)
    return field.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])


def _uniform(count: int, bound: float) -> Tensor:
    return (torch.rand(count) * 2 - 1) * bound
