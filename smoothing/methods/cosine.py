"""Scores that are a coordinate θ₁ of a uniform direction, and those that it dominates in convex order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from geometry.bodies.ball import kappa_ratio
from smoothing.special import log_odds_of_half

Array = NDArray[np.float64]


def cosine_radius(dim: int, rho: Array) -> Array:
    """∫ from 1-ρ to 1/2 of dp/Φ(p) for the score θ₁: (d-1) atanh(x), x the quantile of θ₁ at ρ.

    (1+x)/2 ~ Beta((d-1)/2, (d-1)/2), and x² ~ Beta(1/2, (d-1)/2). At d = 1 it is a fair sign: log(1 / (2(1-ρ))).
    """
    if dim == 1:
        return log_odds_of_half(rho)
    half = 0.5 * (dim - 1)
    p = 1 - rho
    # P(x² ≤ c²) = 2ρ-1; near ρ = 1 the complement of x² is the exact one
    square = sp.betaincinv(0.5, half, 2 * rho - 1)
    rest = sp.betaincinv(half, 0.5, 2 * p)
    x = np.sqrt(square)
    with np.errstate(divide="ignore"):
        inner = np.arctanh(np.minimum(x, 0.75))
        outer = np.log1p(x) - 0.5 * np.log(rest)  # atanh(x) = log((1+x)² / (1-x²)) / 2
    return (dim - 1) * np.where(x < 0.75, inner, outer)


def mean_cosine(dim: int) -> float:
    """E|θ₁| = 2 κ_{d-1} / (d κ_d), about √(2/πd): what a sum of signs is short of a direction, against ℓ2.

    For random signs σ and ‖v‖₂ = 1, Σ v_i σ_i = E[<v, θ> | signs of θ] / E|θ₁|, so that by Jensen's inequality
    E f(Σ v_i σ_i) ≤ E f(θ₁ / E|θ₁|) for convex f: a radius for the score θ₁, times E|θ₁|, is one for sums of signs, in
    every direction v.
    """
    return 2 * kappa_ratio(dim) / dim


def signs_radius(dim: int, rho: Array) -> Array:
    """A radius against ℓ2 for scores Σ v_i σ_i, Laplace's: E|θ₁| times ``cosine_radius``, near √(2/π) Φ_N⁻¹(ρ)."""
    return mean_cosine(dim) * cosine_radius(dim, rho)
