"""Augmentation of a whole batch at once, on the device that trains.

Each picture gets its own affine map and its own smooth elastic field (Simard, Steinkraus and Platt 2003), both folded
into one sampling grid, so a pixel is interpolated once. Then its strokes grow or shrink, its ink pales, it is coarsened,
blurred and made noisy, as framing leaves it of pens, cameras and paper, and a part of it may be lost.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipe import Recipe

# A digit of 6 to 11 pixels in a poor camera's frame, in strong noise; framing takes for ink what is darker than a level.
COARSE_SIDES = (9, 16)
COARSE_NOISE = 0.3
COARSE_LEVELS = (0.25, 0.75)  # below the first it is paper, above the second full ink
ELASTIC_CELLS = 7  # control points a side of the elastic field: one every 4 pixels, about a stroke's width


def augment(images: Tensor, recipe: Recipe) -> Tensor:
    """Change each picture of a batch at random; draws from torch's global generator.

    Args:
        images: float (N, 1, H, W), 0 is paper.
        recipe: the strengths (see ``Recipe``).

    Returns:
        The same shape, dtype and device; what comes in from outside the picture is paper.
    """
    inked = _paled(_restroked(_deformed(images, recipe), recipe.stroke), recipe.contrast)
    seen = _noisy(_blurred(_coarsened(inked, recipe.coarse), recipe.blur), recipe.noise)
    return _erased(seen, recipe.erasing)


def _deformed(images: Tensor, recipe: Recipe) -> Tensor:
    if not any((recipe.rotation_deg, recipe.scale, recipe.shear, recipe.translation_px, recipe.elastic_px)):
        return images
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


def _restroked(images: Tensor, strength: float) -> Tensor:
    """Mix in the dilated or the eroded picture: strokes grow, or shrink half as far, by a part of a pixel."""
    if strength == 0:
        return images
    amount = _each(images, _uniform(len(images), strength))
    grown = F.max_pool2d(images, 3, stride=1, padding=1) - images
    shrunk = images + F.max_pool2d(-images, 3, stride=1, padding=1)
    return images + grown * amount.clamp(min=0) + shrunk * amount.clamp(max=0) / 2


def _paled(images: Tensor, strength: float) -> Tensor:
    if strength == 0:
        return images
    return images * _each(images, 1 - torch.rand(len(images)) * strength)


def _coarsened(images: Tensor, share: float) -> Tensor:
    """Reduce some of the pictures, all to one random size, add noise, enlarge them again and part ink from paper."""
    if share == 0:
        return images
    count, _, height, width = images.shape
    chosen = torch.randperm(count)[: round(count * share)].to(images.device)
    side = int(torch.randint(*COARSE_SIDES, ()))
    small = _noisy(F.interpolate(images[chosen], size=(side, side), mode="area"), COARSE_NOISE)
    enlarged = F.interpolate(small, size=(height, width), mode="bicubic", align_corners=False)
    paper, ink = COARSE_LEVELS
    return images.index_copy(0, chosen, ((enlarged - paper) / (ink - paper)).clamp(0, 1))


def _blurred(images: Tensor, strength: float) -> Tensor:
    if strength == 0:
        return images
    row = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    smooth = F.conv2d(images, torch.outer(row, row)[None, None], padding=1)
    return torch.lerp(images, smooth, _each(images, torch.rand(len(images)) * strength))


def _noisy(images: Tensor, strength: float) -> Tensor:
    if strength == 0:
        return images
    spread = _each(images, torch.rand(len(images)) * strength)
    return (images + torch.randn(images.shape).to(images.device) * spread).clamp(0, 1)


def _erased(images: Tensor, share: float) -> Tensor:
    """Paper over a rectangle of some of the pictures, of up to a third of each side (Zhong et al. 2017)."""
    if share == 0:
        return images
    count, _, height, width = images.shape
    rows = _within(count, height).to(images.device)[:, None, :, None]
    columns = _within(count, width).to(images.device)[:, None, None, :]
    chosen = _each(images, torch.rand(count)) < share
    return images.masked_fill(rows & columns & chosen, 0)


def _within(count: int, length: int) -> Tensor:
    """Bool (count, length): a random stretch of each row, of up to a third of it."""
    size = torch.rand(count, 1) * length / 3
    start = torch.rand(count, 1) * (length - size)
    places = torch.arange(length)
    return (places >= start) & (places < start + size)


def _each(images: Tensor, values: Tensor) -> Tensor:
    """One value for each picture, in a shape that spreads over its pixels."""
    return values.to(images.device)[:, None, None, None]


def _uniform(count: int, bound: float) -> Tensor:
    return (torch.rand(count) * 2 - 1) * bound
