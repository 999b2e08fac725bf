"""The best set for a score that falls and then rises (or rises and then falls): one split to find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import elementwise

from smoothing.profiles.base import Array

# Relative to T(1); T is wanted at masses down to 1e-17, to 16 digits.
NEGLIGIBLE = 1e-34

Function = Callable[[Array, Array], Array]


def best_split(gain: Function, value: Function, w: Array, high: Array) -> Array:
    """max over s in [0, high] of the concave ``value(s, w)``, elementwise in w; ``gain`` has its slope's sign.

    The root of the gain is found by Chandrupatla's method; the best of root and ends is taken, so that an end
    that is optimal (a mass too small to be represented) costs nothing. At a maximum the error is of second order.
    """
    with np.errstate(all="ignore"):
        root = elementwise.find_root(_finite(gain), (np.zeros_like(high), high), args=(w,), maxiter=200).x
        root = np.where(np.isfinite(root), np.clip(root, 0, high), 0)
        candidates = np.stack([value(s, w) for s in (np.zeros_like(high), root, high)])
    return np.nanmax(candidates, axis=0)


def _finite(function: Function) -> Function:
    """Scores at the origin are infinite; a root finder needs their sign only."""
    largest = np.finfo(float).max

    def clipped(s: Array, w: Array) -> Array:
        return np.clip(function(s, w), -largest, largest)

    return clipped
