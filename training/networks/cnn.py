"""The default network: five convolutions, each where its multiply-adds buy most, and one over the whole 3×3 that is left.

7.3 M multiply-adds a picture. The first convolution is not padded: MNIST's frame has four empty pixels on each side, and
12×12 and 6×6 maps cost a quarter less than 14×14 and 7×7 (LOG.md).
"""

from __future__ import annotations

from torch import nn
from torchvision.ops import Conv2dNormActivation


def cnn(classes: int, *, dropout: float) -> nn.Module:
    """Convolutions with batch norm and ReLU, max pooling between; 298,602 parameters for ten classes."""
    return nn.Sequential(
        Conv2dNormActivation(1, 32, 5, padding=0),  # (N, 32, 24, 24)
        nn.MaxPool2d(2),
        Conv2dNormActivation(32, 32, 3),  # (N, 32, 12, 12)
        Conv2dNormActivation(32, 32, 3),
        nn.MaxPool2d(2),
        Conv2dNormActivation(32, 96, 3),  # (N, 96, 6, 6)
        Conv2dNormActivation(96, 96, 3),
        nn.MaxPool2d(2),  # (N, 96, 3, 3)
        Conv2dNormActivation(96, 192, 3, padding=0),  # (N, 192, 1, 1)
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(192, classes),
    )
