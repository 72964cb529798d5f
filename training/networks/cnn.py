"""The default network: a small VGG whose first layer halves the picture."""

from __future__ import annotations

from torch import nn
from torchvision.ops import Conv2dNormActivation

WIDTHS = (32, 48, 96)


def cnn(classes: int) -> nn.Module:
    narrow, middle, wide = WIDTHS
    return nn.Sequential(
        Conv2dNormActivation(1, narrow, 5),  # (N, 32, 28, 28)
        nn.MaxPool2d(2),
        Conv2dNormActivation(narrow, middle, 3),  # (N, 48, 14, 14)
        Conv2dNormActivation(middle, middle, 3),
        nn.MaxPool2d(2),
        Conv2dNormActivation(middle, wide, 3),  # (N, 96, 7, 7)
        Conv2dNormActivation(wide, wide, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(wide, classes),
    )
