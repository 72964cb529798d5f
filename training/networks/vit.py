"""A small vision transformer (Dosovitskiy et al. 2021) over the 7×7 grid of a digit's 4×4 patches.

Its patches are embedded by three convolutions instead of one (Xiao et al. 2021: "Early convolutions help transformers see
better"), without which 55,000 pictures are few for it.
"""

from __future__ import annotations

from functools import partial
from typing import cast

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchvision.models.vision_transformer import ConvStemConfig, VisionTransformer

WIDTH = 64


class DigitTransformer(VisionTransformer):  # type: ignore[misc]  # torchvision has no types
    """Trains on the CPU with attention by plain matrix products: of 49 patches they are faster than the fused kernel.

    In bfloat16 a step takes two thirds of the time then; with the fused kernel bfloat16 doubles it (LOG.md).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, 1, 28, 28) → logits (N, C)."""
        if not (self.training and x.device.type == "cpu"):
            return cast(Tensor, super().forward(x))
        with sdpa_kernel(SDPBackend.MATH):
            return cast(Tensor, super().forward(x))


def vit(classes: int, *, dropout: float) -> nn.Module:
    """Four blocks of four heads, width 64, one class token; torchvision's ``VisionTransformer`` for one grey channel."""
    network = DigitTransformer(
        image_size=28,
        patch_size=4,
        num_layers=4,
        num_heads=4,
        hidden_dim=WIDTH,
        mlp_dim=2 * WIDTH,
        dropout=dropout,
        num_classes=classes,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        conv_stem_configs=[ConvStemConfig(32, kernel_size=3, stride=2), ConvStemConfig(WIDTH, kernel_size=3, stride=2)],
    )
    # torchvision's takes three colours.
    network.conv_proj.get_submodule("conv_bn_relu_0").register_module("0", nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False))
    return network
