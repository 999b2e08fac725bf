"""The ℓ∞ Wulff crystal in any dimension: the body with support function E|<σ,u>|, σ uniform signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bodies.checks import dimension, positive_number
from geometry.bodies.zonotope import Zonotope
from geometry.body import Body, Seed, Symmetry
from geometry.cosine_series import Proof
from geometry.crystal_gauge import LISTED, crystal_gauge, inside, quick_gauge
from geometry.estimate import BOUNDS, EXACT, LINEAR_PROGRAM, MONTE_CARLO, STANDARD_ERRORS, Estimate
from geometry.norms import Linf
from geometry.rademacher import rademacher_average, rademacher_gradient
from geometry.zonotopes.determinants import crystal_log_determinant

Array = NDArray[np.float64]

# Σ|det| over the d-subsets of the sign vectors, one of each pair ±v, for d = 1, 2, …: by Normaliz up to d = 6 (exact
# integers), geometry.zonotopes.crystal_determinants(7) for d = 7.
DETERMINANTS = (1, 2, 16, 480, 53760, 22487040, 35183001600)

_FACETS = 6  # dimensions in which they are listed: 6508 at d = 6
_SHADOW_SAMPLES, _ORDERS = 400, 4
_STEPS = 3


@dataclass(frozen=True)
class LinfCrystal(Body):
    """size · Σ [-2^{1-d} v, 2^{1-d} v] over the 2^{d-1} pairs ±v of sign vectors: rhombus, rhombic dodecahedron, …

    Everything is exact up to d = 6 (the volume to d = 7). Beyond: the support function to 1e-12 or with its proven
    error, the gauge between two bounds (``geometry.crystal_gauge``), the volume between two bounds, shadows by Monte
    Carlo, samples by rejection, and from d = 23 on by a Markov chain on directions that hardly ever rejects.
    """

    dim: int
    size: float = 1.0

    symmetry = Symmetry.SIGNED_PERMUTATIONS

    def __post_init__(self) -> None:
        dimension(self.dim)
        positive_number(self.size, "size")

    def __str__(self) -> str:
        return "linf crystal"

    def support(self, u: ArrayLike) -> Estimate:
        """size · E|<σ,u>|."""
        average = rademacher_average(u)
        return Estimate(self.size * average.value, self.size * average.error, average.method)

    def support_point(self, u: ArrayLike) -> Array:
        """size · E[sgn(<σ,u>) σ]: a vertex for generic u, the middle of a face otherwise."""
        return self.size * rademacher_gradient(u)

    def gauge(self, x: ArrayLike) -> Estimate:
        """max <x,u> / h(u) / size; |c e_i| is |c|, |c·(±1, …, ±1)| is |c| d / E|S_d|."""
        x = np.asarray(x, dtype=np.float64) / self.size
        if self.dim <= _FACETS:
            return _listed(self.dim).gauge(x * 2.0 ** (self.dim - 1))
        found = [crystal_gauge(row)[:2] if row.any() else (0.0, 0.0) for row in x.reshape(-1, self.dim)]
        lower, upper = np.array(found).reshape(-1, 2).T.reshape(2, *x.shape[:-1])
        return Estimate.between(lower, upper, LINEAR_PROGRAM if self.dim <= LISTED else BOUNDS)

    def gauge_gradient(self, x: ArrayLike) -> Array:
        """The u with h(u) = 1/size for which <x,u> is the gauge."""
        x = np.asarray(x, dtype=np.float64)
        if self.dim <= _FACETS:
            return _listed(self.dim).gauge_gradient(x) * (2.0 ** (self.dim - 1) / self.size)
        rows = np.empty((x.size // self.dim, self.dim))
        for i, row in enumerate(x.reshape(-1, self.dim)):
            found = crystal_gauge(row)
            rows[i] = found.u * ((found.lower + found.upper) / (2 * found.lower) / self.size)
        return rows.reshape(x.shape)

    @property
    def log_volume(self) -> Estimate:
        """log((2^d / d!) E|det M|), M a random sign matrix: exact for d ≤ 7, beyond between two closed bounds.

        E det² = d! and E det⁴ = (d!)² c_d, Σ c_d t^d = e^{-2t} / (1-t)³ (Nyquist et al. 1954, for entries with
        moments 0, 1, ·, 1), so √(d!/c_d) ≤ E|det M| ≤ √(d!) by Hölder. ``crystal_log_volume`` knows it better.
        """
        scale = self.dim * math.log(self.size)
        if self.dim <= len(DETERMINANTS):
            exact = math.log(DETERMINANTS[self.dim - 1]) - self.dim * (self.dim - 2) * math.log(2)
            return Estimate(exact + scale, 0.0, EXACT)
        upper = scale + self.dim * math.log(2) - 0.5 * math.lgamma(self.dim + 1)
        return Estimate.between(upper - 0.5 * math.log(fourth_moment(self.dim)), upper, BOUNDS)

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """(d/2) E|<n,v>| / E|<n,1>|, n the cross product of d-1 random sign vectors.

        Exact for d ≤ 6 and for multiples of sign vectors, (d/2) |c| / size; and of e_i for d = 7, where it is
        Vol(W_{d-1}) / Vol(W_d). Otherwise Monte Carlo: with signs averaged out, E|<n,v>| = E h(n·v), n·v coordinate by
        coordinate in any order, and h(n·v) / h(n) hardly varies.
        """
        v = np.asarray(v, dtype=np.float64)
        if self.dim <= _FACETS:
            shadow = _listed(self.dim).relative_shadow(v)
            return Estimate(shadow.value * 2.0 ** (self.dim - 1) / self.size, shadow.error, shadow.method)
        rows = np.abs(v.reshape(-1, self.dim))
        value, error = rows.max(axis=1) * self.dim / (2 * self.size), np.zeros(len(rows))
        axis = np.count_nonzero(rows, axis=1) == 1
        known = rows.min(axis=1) == rows.max(axis=1)
        if self.dim <= len(DETERMINANTS):
            ratio = DETERMINANTS[self.dim - 2] / DETERMINANTS[self.dim - 1] * 2.0 ** (2 * self.dim - 3)
            value[axis] = rows[axis].max(axis=1) * ratio / self.size
            known |= axis
        if not known.all():
            value[~known], error[~known] = self._random_shadow(rows[~known])
        method = EXACT if known.all() else MONTE_CARLO
        return Estimate(value.reshape(v.shape[:-1]), error.reshape(v.shape[:-1]), method)

    def _random_shadow(
        self, rows: Array, samples: int = _SHADOW_SAMPLES, seed: Seed = 0
    ) -> tuple[Array, Array]:
        """A ratio of means over random n, and five of its standard errors (to first order)."""
        rng = np.random.default_rng(seed)
        axis = np.count_nonzero(rows, axis=1) == 1
        logs, above, below = np.empty(samples), np.empty((samples, len(rows))), np.empty((samples, 1))
        for i in range(samples):
            q, r = np.linalg.qr(2.0 * rng.integers(2, size=(self.dim, self.dim - 1)) - 1, mode="complete")
            with np.errstate(divide="ignore"):
                logs[i] = np.log(np.abs(np.diagonal(r))).sum()
            n = q[:, -1]
            above[i, axis] = np.abs(n).mean() * rows[axis].max(axis=1)
            orders = rng.permuted(np.tile(n, (_ORDERS, 1)), axis=1)
            products = orders[:, None] * rows[~axis]
            above[i, ~axis] = rademacher_average(products, proof=Proof.NONE).value.mean(axis=0)
            below[i] = rademacher_average(n, proof=Proof.NONE).value
        weights = np.exp(logs - logs.max())[:, None]
        above, below = weights * above, weights * below
        ratio = above.mean(axis=0) / below.mean()
        spread = (above - ratio * below).std(axis=0, ddof=1) / math.sqrt(samples) / below.mean()
        factor = self.dim / (2 * self.size)
        return factor * ratio, factor * STANDARD_ERRORS * spread

    def sample(self, count: int, *, seed: Seed) -> Array:
        """Uniform points. d ≤ 6: by a tiling; d ≤ 22: by rejection from the unit ball, where <x,x> ≤ h(x) is necessary.

        Beyond, almost: the density of a point's direction θ is ∝ gauge(θ)^{-d}, which a Markov chain of three steps for
        each point turns uniform directions into. d log gauge(θ) varies by some hundredths only, and ever less.
        """
        rng = np.random.default_rng(seed)
        if self.dim <= _FACETS:
            return self.size / 2.0 ** (self.dim - 1) * _listed(self.dim).sample(count, seed=rng)
        if self.dim <= LISTED:
            return self.size * np.array([_by_rejection(self.dim, rng) for _ in range(count)])
        boundary = np.array([_by_chain(self.dim, rng) for _ in range(count)])
        return self.size * boundary * rng.uniform(size=(count, 1)) ** (1 / self.dim)


def crystal_log_volume(dim: int, samples: int = 20_000, seed: Seed = 0) -> Estimate:
    """log Vol(W_d) from log-determinants of random sign matrices, in any dimension; five standard errors."""
    log = crystal_log_determinant(dim, samples, seed)
    return Estimate(log.value + dim * math.log(2) - math.lgamma(dim + 1), log.error, log.method)


def fourth_moment(dim: int) -> float:
    """c_d = E det⁴ / (d!)² of a random sign matrix: Σ_j (-2)^j / j! · C(d-j+2, 2). About d²/2e².

    >>> fourth_moment(1), fourth_moment(2)
    (1.0, 2.0)
    """
    terms = ((-2.0) ** j / math.factorial(j) * math.comb(dim - j + 2, 2) for j in range(min(dim, 60) + 1))
    return math.fsum(terms)


@lru_cache(maxsize=_FACETS)
def _listed(dim: int) -> Zonotope:
    """2^{d-1} W_d with its faces."""
    signs = Linf().vertices(dim)
    return Zonotope(signs[signs[:, 0] > 0])


def _by_rejection(dim: int, rng: np.random.Generator) -> Array:
    """A uniform point of W_d, from those of the unit ball."""
    while True:
        x = rng.normal(size=(64, dim))
        x *= (rng.uniform(size=64) ** (1 / dim) / np.linalg.norm(x, axis=1))[:, None]
        for i in np.flatnonzero(rademacher_average(x).upper >= (x**2).sum(axis=1)):
            if inside(x[i]):
                return x[i]


def _by_chain(dim: int, rng: np.random.Generator) -> Array:
    """A boundary point of W_d by cone measure."""
    point, gauge = np.zeros(dim), math.inf
    for _ in range(_STEPS):
        theta = rng.normal(size=dim)
        theta /= np.linalg.norm(theta)
        proposed = quick_gauge(theta)
        if rng.uniform() ** (1 / dim) * proposed <= gauge:
            point, gauge = theta / proposed, proposed
    return point
