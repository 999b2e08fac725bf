"""Initial weights shared by the residual networks."""

from __future__ import annotations

from torch import nn


def conv(in_channels: int, channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution as residual networks use it: half padding, no bias (a batch norm follows or precedes)."""
    return nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)


def initialise(network: nn.Module) -> None:
    """Variance 2 / fan-out for every convolution (He et al., 2015); norms start as the identity already."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
