"""Multilayer perceptrons: every pixel to every unit, the oldest networks of the field."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

PIXELS = 28 * 28


def mlp(classes: int, *, hidden: tuple[int, ...], dropout: float, batch_norm: bool = False) -> nn.Module:
    """Linear layers with ReLU between them; Kaiming's initialisation (He et al. 2015).

    Args:
        classes: of the last layer.
        hidden: units of the layers before it.
        dropout: after each hidden layer.
        batch_norm: before each ReLU; it is folded away for inference.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for units_in, units in pairwise((PIXELS, *hidden)):
        layers += [_kaiming(nn.Linear(units_in, units, bias=not batch_norm))]
        layers += [nn.BatchNorm1d(units)] if batch_norm else []
        layers += [nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], classes))


def _kaiming(linear: nn.Linear) -> nn.Linear:
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear
