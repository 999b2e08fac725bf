"""Randomized smoothing under any noise against any norm: laws in, radii out.

The public names are imported on first use, so that ``--help`` answers without importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ABSTAIN": "smoothing.confidence",
    "Certificate": "smoothing.certificate",
    "SmoothedClassifier": "smoothing.classifier",
    "certify_radius": "smoothing.theorems",
    "parse_noise": "smoothing.noises",
    "parse_norm": "geometry.norms",
    "theorem": "smoothing.theorems",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'smoothing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
