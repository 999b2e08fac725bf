"""One coordinate of a product noise, in units of λ, and the noises that are products under another name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.noise import Noise
from smoothing.noises import Ball, CrossPolytope, ExpPower, Gaussian, Laplace, Pareto
from smoothing.profiles import Exponential

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Marginal:
    """An even density exp(-ψ) with ψ increasing on y ≥ 0."""

    log_density: Callable[[Array], Array]
    """At y ≥ 0."""
    rise: Callable[[Array, Array], Array]
    """ψ(y+t) - ψ(y) for y, t ≥ 0, without cancellation."""
    upper: Callable[[Array], Array]
    """P(X ≥ y) at y ≥ 0."""
    middle: Callable[[Array], Array]
    """P(0 ≤ X ≤ y) at y ≥ 0."""
    middle_quantile: Callable[[Array], Array]
    """The y ≥ 0 with P(|X| ≤ y) = m."""
    log_concave: bool
    light_tails: bool
    """Whether the density falls faster than exponentially."""


def canonical(noise: Noise) -> Noise:
    """Gaussian and Laplace under their own names; every other noise unchanged."""
    if isinstance(noise, ExpPower):
        if noise.p == 2:
            return Gaussian(dim=noise.dim, scale=noise.scale / math.sqrt(2))
        if noise.p == 1:
            return Laplace(dim=noise.dim, scale=noise.scale)
    if isinstance(noise, (Ball, CrossPolytope)) and isinstance(noise.profile, Exponential):
        k, j = noise.profile.k, noise.profile.j
        if isinstance(noise, Ball) and (k, j) == (2, 0):
            return Gaussian(dim=noise.dim, scale=noise.scale / math.sqrt(2))
        if isinstance(noise, CrossPolytope) and (k, j) == (1, 0):
            return Laplace(dim=noise.dim, scale=noise.scale)
    return noise


def marginal(noise: Noise) -> Marginal | None:
    """The law of one coordinate; None for noises that are no products."""
    if isinstance(noise, Gaussian):
        return _gaussian()
    if isinstance(noise, Laplace):
        return _power(1.0)
    if isinstance(noise, ExpPower):
        return _power(noise.p)
    if isinstance(noise, Pareto):
        return _pareto(noise.a)
    return None


def _gaussian() -> Marginal:
    return Marginal(
        log_density=lambda y: -0.5 * y * y - 0.5 * math.log(2 * math.pi),
        rise=lambda y, t: t * (y + 0.5 * t),
        upper=lambda y: sp.ndtr(-y),
        middle=lambda y: 0.5 * sp.erf(y / math.sqrt(2)),
        middle_quantile=lambda m: math.sqrt(2) * sp.erfinv(m),
        log_concave=True,
        light_tails=True,
    )


def _power(p: float) -> Marginal:
    """exp(-y^p) / (2 Γ(1+1/p)); y^p ~ Gamma(1/p)."""
    log_mass, a = math.log(2) + math.lgamma(1 + 1 / p), 1 / p

    def rise(y: Array, t: Array) -> Array:
        with np.errstate(all="ignore"):
            near = y**p * np.expm1(p * np.log1p(t / y))
            return np.where(y < 1e-3 * t, (y + t) ** p - y**p, near)

    return Marginal(
        log_density=lambda y: -(y**p) - log_mass,
        rise=rise,
        upper=lambda y: 0.5 * sp.gammaincc(a, y**p),
        middle=lambda y: 0.5 * sp.gammainc(a, y**p),
        middle_quantile=lambda m: sp.gammaincinv(a, m) ** a,
        log_concave=p >= 1,
        light_tails=p > 1,
    )


def _pareto(a: float) -> Marginal:
    """(a/2) (1+y)^-(a+1)."""
    return Marginal(
        log_density=lambda y: math.log(a / 2) - (a + 1) * np.log1p(y),
        rise=lambda y, t: (a + 1) * np.log1p(t / (1 + y)),
        upper=lambda y: 0.5 * np.exp(-a * np.log1p(y)),
        middle=lambda y: -0.5 * np.expm1(-a * np.log1p(y)),
        middle_quantile=lambda m: np.expm1(-np.log1p(-m) / a),
        log_concave=False,
        light_tails=False,
    )
