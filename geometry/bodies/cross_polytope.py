"""Cross-polytopes: balls of ℓ1. Their shadow is the Rademacher average."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from geometry.bodies.checks import dimension, positive_number
from geometry.body import Body, Seed, Symmetry
from geometry.estimate import Estimate
from geometry.rademacher import rademacher_average

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CrossPolytope(Body):
    """{x : ‖x‖₁ ≤ radius}, in any dimension."""

    dim: int
    radius: float = 1.0

    symmetry = Symmetry.SIGNED_PERMUTATIONS

    def __post_init__(self) -> None:
        dimension(self.dim)
        positive_number(self.radius, "radius")

    def __str__(self) -> str:
        return "cross-polytope"

    def support(self, u: ArrayLike) -> Estimate:
        return Estimate(self.radius * np.abs(u).max(axis=-1))

    def support_point(self, u: ArrayLike) -> Array:
        u = np.asarray(u, dtype=np.float64)
        largest = np.abs(u).argmax(axis=-1)[..., None]
        point = np.zeros_like(u)
        side = np.where(np.take_along_axis(u, largest, axis=-1) < 0, -self.radius, self.radius)
        np.put_along_axis(point, largest, side, axis=-1)
        return point

    def gauge(self, x: ArrayLike) -> Estimate:
        return Estimate(np.abs(x).sum(axis=-1) / self.radius)

    def gauge_gradient(self, x: ArrayLike) -> Array:
        return np.where(np.asarray(x) < 0, -1.0, 1.0) / self.radius

    @property
    def log_volume(self) -> Estimate:
        return Estimate(self.dim * math.log(2 * self.radius) - gammaln(self.dim + 1))

    def sample(self, count: int, *, seed: Seed) -> Array:
        """|x| is Dirichlet(1, …, 1) with one weight left out."""
        generator = np.random.default_rng(seed)
        weights = generator.exponential(size=(count, self.dim + 1))
        x = weights[:, 1:] / weights.sum(axis=1, keepdims=True)
        return np.asarray(self.radius * x * generator.choice([-1.0, 1.0], x.shape))

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """d / (2 radius) · E|<σ, v>|: the facets' normals are the sign vectors."""
        average, factor = rademacher_average(v), 0.5 * self.dim / self.radius
        return Estimate(factor * average.value, factor * average.error, average.method)
