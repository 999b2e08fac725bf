"""Networks by name, and published checkpoints read into them.

Importing this package imports no torch: the commands answer ``--help`` from `MODELS` alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from smoothing.models.build import build_model
from smoothing.models.catalogue import MODELS, PATTERNS

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODELS", "PATTERNS", "build_model", "load_weights"]


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Fill `model` in place from a checkpoint; see `smoothing.models.checkpoint.load_weights`."""
    from smoothing.models.checkpoint import load_weights as load

    load(model, path)
