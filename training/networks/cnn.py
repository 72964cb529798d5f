"""Five convolutions, each where its multiply-adds buy most, and one over the whole 3×3 that is left.

The last takes the place of average pooling, which forgets where a stroke lies. MNIST's frame has four empty pixels on each
side: the first convolution is not padded, its maps are 24×24 instead of 28×28, and all that follows costs a quarter less.
LOG.md has both measured.
"""

from __future__ import annotations

from torch import nn
from torchvision.ops import Conv2dNormActivation

from training.networks.ensemble import Ensemble

SIDE = 28


def cnn(classes: int, *, dropout: float) -> nn.Module:
    """The default network: 298,602 parameters for ten classes, 7.3 M multiply-adds a picture.

    Channels come in sixteens, the blocks that ONNX Runtime computes in.
    """
    return convolutions(classes, kernel=5, widths=(32, 32, 96, 192), dropout=dropout)


def teacher(classes: int, *, dropout: float) -> nn.Module:
    """Three wider ones that vote. They look first at areas of 3, 5 and 7 pixels, so that they differ (An et al. 2020)."""
    return Ensemble(convolutions(classes, kernel=kernel, widths=(32, 64, 128, 256), dropout=dropout) for kernel in (3, 5, 7))


def convolutions(classes: int, *, kernel: int, widths: tuple[int, int, int, int], dropout: float) -> nn.Module:
    """Convolutions with batch norm and ReLU, max pooling between.

    Args:
        classes: of the answer.
        kernel: side of the first convolution, in pixels.
        widths: channels of the first, the two on half of the resolution, the two on a quarter, and the last.
        dropout: before the last layer.
    """
    stem, half, quarter, last = widths
    side = SIDE - kernel + 1
    left = side // 2 // 2 // 2  # pixels a side before the last convolution
    return nn.Sequential(
        Conv2dNormActivation(1, stem, kernel, padding=0),  # (N, stem, side, side)
        nn.MaxPool2d(2),
        Conv2dNormActivation(stem, half, 3),  # (N, half, side/2, side/2)
        Conv2dNormActivation(half, half, 3),
        nn.MaxPool2d(2),
        Conv2dNormActivation(half, quarter, 3),  # (N, quarter, side/4, side/4)
        Conv2dNormActivation(quarter, quarter, 3),
        nn.MaxPool2d(2),
        Conv2dNormActivation(quarter, last, left, padding=0),  # (N, last, 1, 1)
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(last, classes),
    )
