"""Hit-and-run: points of any convex body of which only the gauge is known, with a diagnostic of how far to trust them.

From x, draw a uniform direction θ and go to a uniform point of the chord {x + tθ} ∩ S. The uniform law on S stays as
it is, and is the only one that does (Smith 1984); from a warm start it is reached within O(d³) steps up to
logarithms for a rounded body (Lovász 1999). Chains run side by side. Whether they have reached it is judged by
split-R̂ and the effective number of samples, of every coordinate and of ‖x‖² (Gelman et al. 2013, Vehtari et al. 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.body import Body, Seed
from geometry.errors import InputError

Array = NDArray[np.float64]

CHAINS = 64
_NEWTON = 60
_PRECISION = 1e-12


@dataclass(frozen=True, eq=False)
class Walk:
    """``points``: shape (count, dim). ``split_rhat`` and ``effective_size``, shape (dim + 1,), of the coordinates and
    of ‖x‖²: the former near 1 (below 1.01, say), the latter of independent points that would tell as much."""

    points: Array
    split_rhat: Array
    effective_size: Array

    @property
    def mixed(self) -> bool:
        """Whether all split-R̂ are below 1.01 (Vehtari et al. 2021)."""
        return bool((self.split_rhat < 1.01).all())


def hit_and_run(
    body: Body,
    count: int,
    *,
    seed: Seed,
    burn_in: int | None = None,
    thin: int | None = None,
    chains: int = CHAINS,
) -> Walk:
    """``count`` points from ``chains`` chains that start at the origin, one every ``thin`` steps (default 2 dim) after
    ``burn_in`` (default 20 dim) of them. InputError for bodies that are not convex."""
    if not body.convex:
        raise InputError(f"hit-and-run takes convex bodies, and {body} is not: its chords may have gaps")
    if count < 1 or chains < 1:
        raise InputError(f"count and chains must be at least 1, got {count} and {chains}")
    rng = np.random.default_rng(seed)
    dim, chains = body.dim, min(chains, count)
    burn_in, thin = 20 * dim if burn_in is None else burn_in, 2 * dim if thin is None else thin
    draws = -(-count // chains)
    kept = np.empty((draws, chains, dim))
    x = np.zeros((chains, dim))
    for step in range(burn_in + draws * thin):
        theta = rng.normal(size=x.shape)
        theta /= np.linalg.norm(theta, axis=1, keepdims=True)
        ends = chord_end(body, np.concatenate([x, x]), np.concatenate([theta, -theta]))
        low, high = -ends[chains:], ends[:chains]
        x = x + (low + (high - low) * rng.uniform(size=chains))[:, None] * theta
        if step >= burn_in and (step - burn_in + 1) % thin == 0:
            kept[(step - burn_in) // thin] = x
    watched = np.concatenate([kept, (kept**2).sum(axis=2, keepdims=True)], axis=2)
    return Walk(kept.reshape(-1, dim)[:count], split_rhat(watched), effective_size(watched))


def chord_end(body: Body, x: Array, theta: Array) -> Array:
    """The t ≥ 0 at which x + tθ leaves the body, for rows x in it: Newton's method on the gauge.

    The gauge is convex: each tangent reaches 1 beyond the root or at it, so that after one step t only falls. The
    first tangent is at a point outside: gauge(x + tθ) ≥ t gauge(θ) - gauge(-x) makes it one.
    """
    steepest = (body.gauge_gradient(theta) * theta).sum(axis=1)
    back = np.where(x.any(axis=1), body.gauge(-x).value, 0.0)
    t = (1 + back) / steepest
    going = np.arange(len(x))
    for _ in range(_NEWTON):
        point = x[going] + t[going, None] * theta[going]
        slope = body.gauge_gradient(point)
        excess = (slope * point).sum(axis=1) - 1
        t[going] = np.maximum(t[going] - excess / (slope * theta[going]).sum(axis=1), 0.0)
        going = going[excess > _PRECISION]
        if not len(going):
            break
    return t


def split_rhat(draws: Array) -> Array:
    """√(var⁺ / W) over the halves of all chains, draws of shape (n, chains, quantities): 1 where they agree."""
    halves = _halves(draws)
    within, pooled = _variances(halves)
    return np.asarray(np.sqrt(pooled / within))


def effective_size(draws: Array) -> Array:
    """n·chains / (1 + 2 Σ ρ_t), the autocorrelations ρ_t summed in pairs until one is negative (Geyer 1992)."""
    halves = _halves(draws)
    n, chains = halves.shape[:2]
    within, pooled = _variances(halves)
    centred = halves - halves.mean(axis=0)
    spectrum = np.fft.rfft(centred, n=2 * n, axis=0)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:n].mean(axis=1) / n
    rho = 1 - (within - covariance * n / (n - 1)) / pooled
    pairs = rho[0 : n - 1 : 2] + rho[1:n:2]
    positive = np.minimum.accumulate(pairs > 0, axis=0)
    monotone = np.minimum.accumulate(np.where(positive, pairs, 0.0), axis=0)
    return np.asarray(n * chains / np.maximum(2 * monotone.sum(axis=0) - 1, 1 / np.log10(n * chains + 10.0)))


def _halves(draws: Array) -> Array:
    half = len(draws) // 2
    if half < 2:
        raise InputError(
            f"the diagnostic needs at least 4 draws of each chain, got {len(draws)}: more points, or fewer chains"
        )
    return np.concatenate([draws[:half], draws[len(draws) - half :]], axis=1)


def _variances(halves: Array) -> tuple[Array, Array]:
    """(W, var⁺): the mean variance within a chain, and the one that between chains adds to it."""
    n = len(halves)
    within = halves.var(axis=0, ddof=1).mean(axis=0)
    return within, (n - 1) / n * within + halves.mean(axis=0).var(axis=0, ddof=1)
