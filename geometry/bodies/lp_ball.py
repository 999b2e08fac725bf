"""Balls of ℓp for any p > 0; a star body, and not convex, where p < 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from geometry.bodies.checks import dimension, positive_number
from geometry.body import Body, Seed, Symmetry
from geometry.errors import InputError
from geometry.estimate import Estimate

Array = NDArray[np.float64]

_SAMPLES = 100_000
_LEAST = 0.01  # spikier bodies are no floats any more


@dataclass(frozen=True)
class LpBall(Body):
    """{x : Σ |x_i|^p ≤ radius^p} for 0.01 ≤ p < ∞, in any dimension."""

    dim: int
    p: float
    radius: float = 1.0

    symmetry = Symmetry.SIGNED_PERMUTATIONS

    def __post_init__(self) -> None:
        dimension(self.dim)
        positive_number(self.radius, "radius")
        if not _LEAST <= self.p < math.inf:
            raise InputError(
                f"p must be finite and at least {_LEAST}, got p={self.p}; the limit p = inf is the cube"
            )

    def __str__(self) -> str:
        return f"lp-ball:q={self.p:g}"

    @property
    def convex(self) -> bool:  # type: ignore[override]
        return self.p >= 1

    def support(self, u: ArrayLike) -> Estimate:
        """radius · ‖u‖ in the dual norm; for p ≤ 1 that of the convex hull, the cross-polytope."""
        dual = math.inf if self.p <= 1 else self.p / (self.p - 1)
        return Estimate(self.radius * np.linalg.vector_norm(np.asarray(u), ord=dual, axis=-1))

    def support_point(self, u: ArrayLike) -> Array:
        u = np.asarray(u, dtype=np.float64)
        size = np.abs(u) / np.abs(u).max(axis=-1, keepdims=True)
        if self.p <= 1:
            point = np.where(np.arange(self.dim) == size.argmax(axis=-1)[..., None], 1.0, 0.0)
        else:
            point = size ** (1 / (self.p - 1))
            point /= np.linalg.vector_norm(point, ord=self.p, axis=-1, keepdims=True)
        return self.radius * np.sign(u) * point

    def gauge(self, x: ArrayLike) -> Estimate:
        size = np.abs(np.asarray(x, dtype=np.float64))
        largest = size.max(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            total = ((size / largest) ** self.p).sum(axis=-1) ** (1 / self.p)
        return Estimate(np.where(largest[..., 0] > 0, largest[..., 0] * total, 0.0) / self.radius)

    def gauge_gradient(self, x: ArrayLike) -> Array:
        """sgn(x) (|x| / ‖x‖_p)^(p-1) / radius; with p < 1 infinite where a coordinate is 0."""
        x = np.asarray(x, dtype=np.float64)
        share = np.abs(x) / (self.radius * self.gauge(x).value[..., None])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(np.sign(x) * share ** (self.p - 1), nan=0.0, posinf=np.inf) / self.radius

    @property
    def log_volume(self) -> Estimate:
        return Estimate(self.dim * math.log(self.radius) + log_unit_volume(self.dim, self.p))

    def sample(self, count: int, *, seed: Seed) -> Array:
        """Coordinates ∝ exp(-|x|^p) over the p-norm of themselves and one exponential more (Barthe et al. 2005).

        |x| = U G^(1/p), G ~ Gamma(1 + 1/p), which no p underflows.
        """
        generator = np.random.default_rng(seed)
        size = generator.gamma(1 + 1 / self.p, size=(count, self.dim)) ** (1 / self.p)
        size *= generator.uniform(size=size.shape)
        with np.errstate(under="ignore"):
            rest = generator.exponential(size=(count, 1)) ** (1 / self.p)
            gauge = LpBall(self.dim + 1, self.p).gauge(np.concatenate([size, rest], axis=1)).value
        return np.asarray(self.radius * size / gauge[:, None] * generator.choice([-1.0, 1.0], size.shape))

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """Closed along an axis, Vol_{d-1}/Vol_d |v_i|; elsewhere by Monte Carlo.

        For p ≥ 1 by Cauchy's formula, whose terms are bounded. For p < 1 it is ½ ∫ |<n, v>|, Vol_{d-1}/Vol_d ·
        Γ(1/p) E|Σ v_i X_i| with |X_i| = G^((p-1)/p), G ~ Gamma(1/p), whose fourth moment, and with it the error, is
        infinite for p ≤ 3/4.
        """
        v = np.asarray(v, dtype=np.float64)
        rows = v.reshape(-1, self.dim)
        lower = log_unit_volume(self.dim - 1, self.p) if self.dim > 1 else 0.0
        factor = math.exp(lower - log_unit_volume(self.dim, self.p)) / self.radius
        if (np.count_nonzero(rows, axis=1) <= 1).all():
            return Estimate(factor * np.abs(v).sum(axis=-1))
        if self.p == 2:
            return Estimate(factor * np.linalg.norm(v, axis=-1))
        if self.p >= 1:
            return self.shadow_monte_carlo(v, samples=max(1000, min(_SAMPLES, (1 << 26) // self.dim)))
        generator = np.random.default_rng(0)
        count = max(1000, min(_SAMPLES, (1 << 26) // self.dim))
        sums = np.empty((count, len(rows)))
        for start in range(0, count, 4096):
            stop = min(start + 4096, count)
            size = generator.gamma(1 / self.p, size=(stop - start, self.dim)) ** ((self.p - 1) / self.p)
            sums[start:stop] = np.abs(size * generator.choice([-1.0, 1.0], size.shape) @ rows.T)
        mean = Estimate.mean(sums, factor * math.gamma(1 / self.p))
        error = mean.error if self.p > 0.75 else np.full_like(mean.value, np.inf)
        return Estimate(mean.value.reshape(v.shape[:-1]), error.reshape(v.shape[:-1]), mean.method)


def log_unit_volume(dim: int, p: float) -> float:
    """log of (2 Γ(1 + 1/p))^d / Γ(1 + d/p)."""
    return float(dim * (math.log(2) + gammaln(1 + 1 / p)) - gammaln(1 + dim / p))
