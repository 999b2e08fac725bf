"""Normalisation inside the model, so that noise and radii stay in pixel units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# Mean and standard deviation per channel, of images in [0, 1]; the part of the dataset's name before ':'.
STATISTICS: dict[str, tuple[Sequence[float], Sequence[float]]] = {
    "cifar10": _CIFAR10,
    "imagenet": _IMAGENET,
    "folder": _IMAGENET,
    "digits": ((0.305,), (0.376,)),
    "mnist": ((0.1307,), (0.3081,)),
    "fashion-mnist": ((0.2860,), (0.3530,)),
}


class Normalize(nn.Module):
    """x ↦ (x − mean) / std, channel by channel; mean and std are buffers of shape (C, 1, …, 1)."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], ndim: int = 3) -> None:
        super().__init__()
        trailing = (1,) * (ndim - 1)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, *trailing))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, *trailing))

    def forward(self, x: Tensor) -> Tensor:
        # The difference is ours alone, so the division may reuse its memory.
        return (x - self.mean).div_(self.std)


class NormalizedModel(nn.Module):
    """`network` after `normalize`: the shape of every named model and of its state dict."""

    def __init__(self, normalize: Normalize, network: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(self.normalize(x))
        return logits


def normalize_for(dataset: str, shape: Sequence[int]) -> Normalize:
    """The layer for `dataset`: its published statistics, or 1/2 and 1/2 where there are none.

    Statistics of another number of channels than `shape` has are none ([0, 1] then goes to [−1, 1]).
    """
    channels = shape[0]
    mean, std = STATISTICS.get(dataset.partition(":")[0], ((), ()))
    if len(mean) != channels:
        mean, std = (0.5,) * channels, (0.5,) * channels
    return Normalize(mean, std, ndim=len(shape))
