"""Small networks for small images: trained in seconds, evaluated by the hundred thousand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """relu(batch norm(convolution)); when evaluating, one convolution with the norm folded into it.

    Folding costs as much as one sample and saves a pass over every activation of the batch.
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, padding=(kernel - 1) // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.kernel, self.stride = kernel, stride

    def output_side(self, side: int) -> int:
        """Height of the output for an input of height `side`; the same for widths."""
        return (side + 2 * ((self.kernel - 1) // 2) - self.kernel) // self.stride + 1

    def forward(self, x: Tensor) -> Tensor:
        conv, bn = self.conv, self.bn
        if self.training or bn.running_mean is None or bn.running_var is None:
            normed: Tensor = bn(conv(x))
            return F.relu_(normed)
        gain = bn.weight * (bn.running_var + bn.eps).rsqrt()
        weight = conv.weight * gain.view(-1, 1, 1, 1)
        bias = bn.bias - bn.running_mean * gain
        return F.relu_(F.conv2d(x, weight, bias, conv.stride, conv.padding))


class SmallCNN(nn.Module):
    """A wide-kernel stem, strided 3×3 convolutions down to about 4×4, two affine layers.

    Wide kernels average noise, which is what the first layer is for under heavy smoothing; striding
    in place of pooling keeps the activations of a few hundred images within a core's cache.
    Input (n, C, H, W), sides of at least 4.
    """

    def __init__(self, image_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        stride = 2 if min(height, width) < 16 else 4
        layers = [ConvNorm(channels, 32, kernel=2 * stride, stride=stride)]
        height, width = layers[0].output_side(height), layers[0].output_side(width)
        while len(layers) < 2 or max(height, width) > 4:
            layers.append(ConvNorm(32 if len(layers) == 1 else 64, 64, kernel=3, stride=2))
            height, width = layers[-1].output_side(height), layers[-1].output_side(width)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(64 * height * width, 128), nn.ReLU(inplace=True), nn.Linear(128, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


class MLP(nn.Sequential):
    """Flatten, two hidden layers of 256 units, logits; any input shape."""

    def __init__(self, image_shape: Sequence[int], num_classes: int) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(math.prod(image_shape), 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, num_classes),
        )


class Linear(nn.Linear):
    """One affine map of the flattened input."""

    def __init__(self, image_shape: Sequence[int], num_classes: int) -> None:
        super().__init__(math.prod(image_shape), num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))
