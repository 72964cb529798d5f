import torch
from torch.nn.functional import cross_entropy

from training.losses import NO_DIGIT, soft_cross_entropy, targets_of

LABELS = torch.tensor([3, 0, 9])
LOGITS = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
ONES = torch.ones(3)


def test_targets_are_torchs_label_smoothing() -> None:
    loss = soft_cross_entropy(LOGITS, targets_of(LABELS, 10, smoothing=0.1), ONES)
    torch.testing.assert_close(loss, cross_entropy(LOGITS, LABELS, label_smoothing=0.1))


def test_target_of_no_digit_is_every_class_alike() -> None:
    targets = targets_of(torch.tensor([NO_DIGIT, 2]), 4, smoothing=0.0)
    assert targets.tolist() == [[0.25] * 4, [0, 0, 1, 0]]


def test_loss_weighs_pictures() -> None:
    targets = targets_of(LABELS, 10, smoothing=0.0)
    each = cross_entropy(LOGITS, LABELS, reduction="none")
    loss = soft_cross_entropy(LOGITS, targets, torch.tensor([1.0, 0.5, 0.0]))
    torch.testing.assert_close(loss, (each[0] + each[1] / 2) / 1.5)


def test_loss_of_several_answers_is_their_mean() -> None:
    targets = targets_of(LABELS, 10, smoothing=0.0)
    other = LOGITS.flip(1)
    together = soft_cross_entropy(torch.stack([LOGITS, other], dim=2), targets, ONES)
    apart = [soft_cross_entropy(logits, targets, ONES) for logits in (LOGITS, other)]
    torch.testing.assert_close(together, sum(apart) / 2)
