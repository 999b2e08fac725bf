"""Networks that compute in bfloat16: another base classifier, and on a GPU one that votes twice as fast."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PRECISIONS = ("float32", "bf16")


class Bfloat16(nn.Module):
    """``model`` under autocast: products in bfloat16, sums and what else needs it in float32.

    Nothing of a certificate depends on it: the smoothed classifier is that of this network, rounding included. Its
    votes are those of ``model`` but for images on a boundary that is narrower than the noise by far (tested).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Logits in float32."""
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            logits: Tensor = self.model(x)
        return logits.float()


def in_precision(model: nn.Module, precision: str) -> nn.Module:
    """The model as it computes in one of ``PRECISIONS``."""
    return Bfloat16(model).eval() if precision == "bf16" else model
