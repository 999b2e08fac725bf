"""Wide residual networks (Zagoruyko and Komodakis, 2016), pre-activation, for 32×32 images.

Submodule names (``block1.layer.0.convShortcut``, …) are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from smoothing.models.blocks import conv, initialise


class WideBlock(nn.Module):
    """x + conv(relu(bn(conv(relu(bn(x)))))); where the width changes, a 1×1 convolution carries x over.

    That convolution reads the *activated* input, not x itself, as in the paper's reference code.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv(in_channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3)
        # The name is the checkpoints' own; None registers no key.
        self.convShortcut = None if in_channels == channels else conv(in_channels, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu_(self.bn1(x))
        out: Tensor = self.conv2(F.relu_(self.bn2(self.conv1(active))))
        return out.add_(x if self.convShortcut is None else self.convShortcut(active))


class Stage(nn.Module):
    """`depth` blocks of one width, the first with the stride; the wrapper only lends its name, ``layer``."""

    def __init__(self, in_channels: int, channels: int, depth: int, stride: int) -> None:
        super().__init__()
        first = WideBlock(in_channels, channels, stride)
        self.layer = nn.Sequential(first, *(WideBlock(channels, channels, 1) for _ in range(depth - 1)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


class WideResNet(nn.Module):
    """WRN-`depth`-`widen`, depth = 6 n + 4: three stages of n blocks, global average, logits."""

    def __init__(self, depth: int, widen: int, in_channels: int, num_classes: int) -> None:
        super().__init__()
        blocks = (depth - 4) // 6
        self.conv1 = conv(in_channels, 16, 3)
        self.block1 = Stage(16, 16 * widen, blocks, stride=1)
        self.block2 = Stage(16 * widen, 32 * widen, blocks, stride=2)
        self.block3 = Stage(32 * widen, 64 * widen, blocks, stride=2)
        self.bn1 = nn.BatchNorm2d(64 * widen)
        self.fc = nn.Linear(64 * widen, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        out = self.block3(self.block2(self.block1(self.conv1(x))))
        # Pooled by the operation of the code the checkpoints come from: the logits agree to the last bit.
        out = F.avg_pool2d(F.relu_(self.bn1(out)), out.shape[2:])
        logits: Tensor = self.fc(out.flatten(1))
        return logits


def wide_resnet_40_2(image_shape: Sequence[int], num_classes: int) -> WideResNet:
    """The CIFAR network of most smoothing papers with many noises: 2.2 million parameters."""
    return WideResNet(40, 2, image_shape[0], num_classes)
