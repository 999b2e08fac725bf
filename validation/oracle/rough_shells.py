"""Double-precision twin of the shifted shells: a midpoint rule that ignores kinks, for starting points only."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from validation.oracle.arith import PrecisionError

Array = NDArray[np.float64]
_NODES = 3000
_AROUND = np.geomspace(1e-8, 1, 600)


@dataclass(frozen=True)
class RoughShell:
    """Profile, dimension, k, j or a, and shape as in ShiftedShell; log r runs over `window`."""

    profile: str
    dim: int
    k: float
    other: float
    shape: str
    window: tuple[float, float]

    def log_weight(self, y: Array) -> Array:
        """The log of the density of log r, up to a constant."""
        log_u = self.k * y
        if self.profile == "exp":
            return (self.dim - self.other) * y - np.exp(log_u)
        return self.dim * y - self.other * np.logaddexp(0, log_u)

    @cached_property
    def grid(self) -> tuple[Array, float]:
        """log r where the mass is, and the largest log-density."""
        low, high = self.window
        for _ in range(3):
            y = np.linspace(low, high, _NODES)
            log_weight = self.log_weight(y)
            low, high = y[log_weight > log_weight.max() - 46][[0, -1]]
        return np.linspace(low, high, _NODES), float(log_weight.max())

    def rule(self, e: float) -> tuple[Array, Array, Array]:
        """r, log u and weights that sum to 1, crowded around r = e."""
        y, top = self.grid
        near = np.concatenate([-_AROUND, _AROUND]) + np.log(e)
        y = np.sort(np.concatenate([y, near[(near > y[0]) & (near < y[-1])]]))
        y, width = (y[1:] + y[:-1]) / 2, np.diff(y)
        weight = np.exp(self.log_weight(y) - top) * width
        return np.exp(y), self.k * y, weight / weight.sum()

    def rise(self, log_u: Array, t: float) -> Array:
        """δ with ψ(r exp δ) = ψ(r) + t, -inf where there is none."""
        with np.errstate(all="ignore"):
            if self.profile == "pow":
                return np.log1p(np.maximum((1 + np.exp(-log_u)) * np.expm1(t / self.other), -1)) / self.k
            u = np.exp(log_u)
            alone = np.log1p(np.maximum(t / u, -1)) / self.k
            if not self.other:
                return alone
            # u expm1(kδ) + jδ = t is convex in δ: from the right, Newton's method falls monotonically
            delta = np.minimum(alone, t / self.other) if t > 0 else np.zeros_like(u)
            for _ in range(60):
                slope = self.k * u * np.exp(self.k * delta) + self.other
                step = (u * np.expm1(self.k * delta) + self.other * delta - t) / slope
                delta = delta - step
                if abs(step).max() < 1e-13:
                    break
            return delta

    def below_half(self, e: float, t: float) -> float:
        """1/2 - P(L ≥ -t)."""
        r, log_u, weight = self.rule(e)
        d = self.dim
        with np.errstate(all="ignore"):
            delta = self.rise(log_u, t)
            s = r * np.exp(delta)
            if self.shape == "ball":
                c = np.clip((e / r - r / e * np.expm1(2 * delta)) / 2, -1, 1)
                signed = np.sign(c) * special.betainc(0.5, (d - 1) / 2, c * c) / 2
                return float(weight @ np.nan_to_num(signed, nan=0.5))
            share = np.clip((r + s - e) / (2 * r), 0, 1)
            if self.shape == "diagonal":
                inside = share ** (d - 1) / 2
            elif t < 0:
                inside = (s / r) ** (d - 1) / (2 * d)
            else:
                inside = (1 + 2 * (d - 1) * share) / (2 * d)
            inside = np.where(s >= r + e, 1, np.where(s <= abs(r - e), 0, inside))
        return float(0.5 - weight @ inside)


def solve(function: Callable[[float], float], start: float, step: float, tolerance: float) -> float:
    """The root of an increasing function of a float, bracketed from `start` by growing steps."""
    here, value = start, function(start)
    for _ in range(80):
        there = here - step if value > 0 else here + step
        other = function(there)
        if (other > 0) != (value > 0):
            low, high = sorted((here, there))
            try:
                return float(optimize.brentq(function, low, high, xtol=tolerance))
            except (ValueError, RuntimeError) as error:  # noise around the root
                raise PrecisionError(f"no rough root from {start}") from error
        here, value, step = there, other, 1.7 * step
    raise PrecisionError(f"no rough root from {start}")
