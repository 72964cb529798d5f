import torch

from training.augment import augment
from training.recipe import Recipe

STILL = Recipe(rotation_deg=0, scale=0, shear=0, translation_px=0, elastic_px=0, stroke=0, blur=0, noise=0)
IMAGES = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_augment_without_any_strength_changes_nothing() -> None:
    torch.testing.assert_close(augment(IMAGES, STILL), IMAGES, atol=1e-5, rtol=0)


def test_augment_keeps_shape_and_range_and_moves_each_picture_its_own_way() -> None:
    same = IMAGES[:1].expand(8, -1, -1, -1)
    deformed = augment(same, Recipe())
    assert deformed.shape == same.shape
    assert deformed.min() >= 0 and deformed.max() <= 1
    assert (deformed[0] - deformed[1]).abs().max() > 0.1


def test_augment_moves_ink_no_further_than_its_bound() -> None:
    dot = torch.zeros(64, 1, 28, 28)
    dot[:, :, 14, 14] = 1
    moved = augment(dot, STILL.model_copy(update={"translation_px": 3.0}))
    assert moved[:, :, 14, 14].min() < 0.5
    moved[:, :, 10:19, 10:19] = 0  # three pixels, and one that interpolation touches
    assert moved.max() == 0


def test_augment_repeats_itself_under_the_same_seed() -> None:
    torch.manual_seed(5)
    first = augment(IMAGES, Recipe())
    torch.manual_seed(5)
    assert torch.equal(first, augment(IMAGES, Recipe()))


def test_augment_stroke_grows_and_shrinks_but_never_beyond_a_pixel() -> None:
    line = torch.zeros(64, 1, 28, 28)
    line[:, :, 14, 4:24] = 1
    ink = augment(line, STILL.model_copy(update={"stroke": 0.5})).sum(dim=(1, 2, 3))
    assert ink.min() < 20 < ink.max() <= 0.5 * 3 * 22 + 20
