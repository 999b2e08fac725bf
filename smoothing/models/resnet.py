"""ResNet-50, version 1.5 (the stride sits on the 3×3 convolution), with torchvision's parameter names.

The version matters: checkpoints of v1 have the same names and shapes but another function.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from smoothing.models.blocks import conv, initialise

_EXPANSION = 4


class Bottleneck(nn.Module):
    """1×1 down to `width`, 3×3 with the stride, 1×1 up to 4 `width`, plus the shortcut."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        channels = width * _EXPANSION
        self.conv1 = conv(in_channels, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, channels, 1)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(conv(in_channels, channels, 1, stride), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu_(self.bn1(self.conv1(x)))
        out = F.relu_(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu_(out.add_(x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A 7×7 stem and pooling, four stages of bottlenecks, global average, logits."""

    def __init__(self, depths: Sequence[int], in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, depths[0], stride=1)
        self.layer2 = _stage(256, 128, depths[1], stride=2)
        self.layer3 = _stage(512, 256, depths[2], stride=2)
        self.layer4 = _stage(1024, 512, depths[3], stride=2)
        self.fc = nn.Linear(512 * _EXPANSION, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        out = self.maxpool(F.relu_(self.bn1(self.conv1(x))))
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        logits: Tensor = self.fc(out.mean((2, 3)))
        return logits


def _stage(in_channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
    head = Bottleneck(in_channels, width, stride)
    return nn.Sequential(head, *(Bottleneck(width * _EXPANSION, width, 1) for _ in range(depth - 1)))


def resnet50(image_shape: Sequence[int], num_classes: int) -> ResNet:
    """25.6 million parameters with 1000 classes."""
    return ResNet((3, 4, 6, 3), image_shape[0], num_classes)
