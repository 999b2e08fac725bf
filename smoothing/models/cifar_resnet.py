"""The residual networks of He et al. (2016) for 32×32 images: depth 6 n + 2, widths 16, 32, 64.

Two kinds of shortcut where the width doubles are in circulation, and their checkpoints do not mix:
a 1×1 convolution with its batch norm, or no parameters (every other pixel, zero channels added).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from smoothing.models.blocks import conv, initialise


class PadShortcut(nn.Module):
    """Every other pixel, with as many zero channels before as after, up to `channels`."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.pad = (channels - in_channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))


class BasicBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))."""

    def __init__(self, in_channels: int, channels: int, stride: int, projection: bool) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if in_channels != channels and projection:
            self.downsample = nn.Sequential(conv(in_channels, channels, 1, stride), nn.BatchNorm2d(channels))
        elif in_channels != channels:
            self.downsample = PadShortcut(in_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn2(self.conv2(F.relu_(self.bn1(self.conv1(x)))))
        return F.relu_(out.add_(x if self.downsample is None else self.downsample(x)))


class CifarResNet(nn.Module):
    """A 3×3 stem, three stages of n blocks each, global average, logits."""

    def __init__(self, depth: int, in_channels: int, num_classes: int, *, projection: bool = True) -> None:
        super().__init__()
        blocks = (depth - 2) // 6

        def stage(first: int, channels: int, stride: int) -> nn.Sequential:
            head = BasicBlock(first, channels, stride, projection)
            return nn.Sequential(
                head, *(BasicBlock(channels, channels, 1, projection) for _ in range(blocks - 1))
            )

        self.conv1 = conv(in_channels, 16, 3)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(16, 16, stride=1)
        self.layer2 = stage(16, 32, stride=2)
        self.layer3 = stage(32, 64, stride=2)
        self.fc = nn.Linear(64, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu_(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        # Pooled by the operation of the code the checkpoints come from: the logits agree to the last bit.
        logits: Tensor = self.fc(F.avg_pool2d(out, out.shape[2:]).flatten(1))
        return logits


def cifar_resnet20(image_shape: Sequence[int], num_classes: int) -> CifarResNet:
    """0.27 million parameters, convolutional shortcuts."""
    return CifarResNet(20, image_shape[0], num_classes)


def cifar_resnet110(image_shape: Sequence[int], num_classes: int) -> CifarResNet:
    """1.73 million parameters, convolutional shortcuts: the CIFAR-10 network of Cohen et al. (2019)."""
    return CifarResNet(110, image_shape[0], num_classes)


def cifar_resnet110_pad(image_shape: Sequence[int], num_classes: int) -> CifarResNet:
    """1.73 million parameters, shortcuts without any, as in the original paper."""
    return CifarResNet(110, image_shape[0], num_classes, projection=False)
