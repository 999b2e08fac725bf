"""Roots of increasing functions and maxima of functions with one peak, all elements at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GOLDEN = (np.sqrt(5) - 1) / 2
_WIDEST = 690.0  # of log t


def invert_increasing(function: Callable[[Array], Array], target: Array, tolerance: float = 1e-12) -> Array:
    """The largest t found with function(t) ≤ target, elementwise, from below; for increasing positive functions.

    inf where the target is. Bracketed in log t, then secants and, every fourth step, halving, on log function against
    log t, which is close to a straight line.
    """
    target = np.asarray(target, dtype=np.float64)
    solvable = np.isfinite(target) & (target > 0)
    goal = np.log(np.where(solvable, target, 1.0))

    def gap(log_t: Array) -> Array:
        with np.errstate(all="ignore"):
            value = np.log(function(np.exp(log_t))) - goal
        return np.where(np.isnan(value), np.inf, value)

    low, high = np.full(target.shape, -1.0), np.full(target.shape, 1.0)
    for _ in range(10):
        below, above = gap(low) <= 0, gap(high) > 0
        if (below & above | ~solvable).all():
            break
        low = np.where(below, low, np.maximum(3 * low, -_WIDEST))
        high = np.where(above, high, np.minimum(3 * high, _WIDEST))
    value_low, value_high = gap(low), gap(high)
    unbounded = ~(value_high > 0)
    for step in range(200):
        with np.errstate(all="ignore"):
            point = (low * value_high - high * value_low) / (value_high - value_low)
        # past the secant's root by a tenth of the tolerance, to either side in turn, so that both ends close in
        point = point + (0.1 if step % 2 else -0.1) * tolerance
        middle = 0.5 * (low + high)
        point = np.where((point > low) & (point < high) & (step % 4 < 3), point, middle)  # NaN fails both
        value = gap(point)
        under = value <= 0
        low, high = np.where(under, point, low), np.where(under, high, point)
        value_low, value_high = np.where(under, value, value_low), np.where(under, value_high, value)
        if ((high - low <= tolerance) | ~solvable | unbounded).all():
            break
    result = np.where(unbounded, np.inf, np.exp(low))
    return np.where(solvable, result, np.where(target > 0, np.inf, 0.0))


def maximise(
    function: Callable[[Array], Array], low: Array, high: Array, *, coarse: int = 9, steps: int = 40
) -> tuple[Array, Array]:
    """(argmax, max) over [low, high], elementwise: the best of a coarse grid, then golden section around it."""
    grid = [low + (high - low) * i / (coarse - 1) for i in range(coarse)]
    values = np.stack([function(x) for x in grid])
    index = values.argmax(axis=0)
    points = np.stack(grid)

    def take(i: NDArray[np.intp]) -> Array:
        return np.take_along_axis(points, np.clip(i, 0, coarse - 1)[None], axis=0)[0]

    a, b = take(index - 1), take(index + 1)
    best, best_value = take(index), values.max(axis=0)
    c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    value_c, value_d = function(c), function(d)
    for _ in range(steps):
        for x, v in ((c, value_c), (d, value_d)):
            better = v > best_value
            best, best_value = np.where(better, x, best), np.where(better, v, best_value)
        left = value_c >= value_d
        a, b = np.where(left, a, c), np.where(left, d, b)
        new = np.where(left, b - _GOLDEN * (b - a), a + _GOLDEN * (b - a))
        value = function(new)
        c, d = np.where(left, new, d), np.where(left, c, new)
        value_c, value_d = np.where(left, value, value_d), np.where(left, value_c, value)
    return best, best_value
