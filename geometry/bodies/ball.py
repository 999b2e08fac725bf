"""Euclidean balls: the Wulff crystal of ℓ2."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from geometry.bodies.checks import dimension, positive_number
from geometry.body import Body, Seed, Symmetry
from geometry.estimate import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ball(Body):
    """{x : ‖x‖₂ ≤ radius}, in any dimension."""

    dim: int
    radius: float = 1.0

    symmetry = Symmetry.ROTATIONS

    def __post_init__(self) -> None:
        dimension(self.dim)
        positive_number(self.radius, "radius")

    def __str__(self) -> str:
        return "ball"

    def support(self, u: ArrayLike) -> Estimate:
        return Estimate(self.radius * np.linalg.norm(u, axis=-1))

    def support_point(self, u: ArrayLike) -> Array:
        return self.radius * _unit(u)

    def gauge(self, x: ArrayLike) -> Estimate:
        return Estimate(np.linalg.norm(x, axis=-1) / self.radius)

    def gauge_gradient(self, x: ArrayLike) -> Array:
        return _unit(x) / self.radius

    @property
    def log_volume(self) -> Estimate:
        return Estimate(log_kappa(self.dim) + self.dim * math.log(self.radius))

    def sample(self, count: int, *, seed: Seed) -> Array:
        generator = np.random.default_rng(seed)
        x = _unit(generator.normal(size=(count, self.dim)))
        return x * (self.radius * generator.uniform(size=(count, 1)) ** (1 / self.dim))

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """κ_{d-1} / κ_d · ‖v‖₂ / radius."""
        return Estimate(kappa_ratio(self.dim) / self.radius * np.linalg.norm(v, axis=-1))


def log_kappa(dim: int) -> float:
    """log κ_d, κ_d = π^(d/2) / Γ(d/2 + 1) the volume of the unit ball."""
    return float(0.5 * dim * math.log(math.pi) - gammaln(0.5 * dim + 1))


def kappa_ratio(dim: int) -> float:
    """κ_{d-1} / κ_d, the relative shadow of the unit ball; about √(d / 2π).

    >>> kappa_ratio(1), kappa_ratio(3)
    (0.5, 0.75)
    """
    return _half_step(0.5 * (dim + 1)) / math.sqrt(math.pi)


def _half_step(x: float) -> float:
    """Γ(x + 1/2) / Γ(x) to 1e-14: by its asymptotic series from x = 30 on, below by the recurrence up to there.

    Neither a difference of log-gammas nor SciPy's poch keeps its digits for large x.
    """
    factor = 1.0
    while x < 30:
        factor *= x / (x + 0.5)
        x += 1
    series = -1 / (8 * x) + 1 / (192 * x**3) - 1 / (640 * x**5) + 17 / (14336 * x**7)
    return factor * math.sqrt(x) * math.exp(series)


def _unit(x: ArrayLike) -> Array:
    """x / ‖x‖₂, and 0 for 0."""
    x = np.asarray(x, dtype=np.float64)
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(length > 0, length, 1.0)
