"""Rényi divergences without cancellation, of two points and as the integrand of two densities.

With u = dP/dQ and f_α(u) = (u^α - 1 - α(u-1)) / (α(α-1)) ≥ 0, an f-divergence,

    D_α(P‖Q) = log(1 + α(α-1) E_Q f_α(u)) / (α-1),

and f₁(u) = u log u - u + 1 gives KL at α = 1. Every term is of second order in log u, so that the divergence of
distributions that nearly agree keeps its relative accuracy.

Three of the divergences of Dvijotham et al. 2020 are increasing functions of one order: KL is D₁, squared Hellinger
1 - exp(-D_½/2), χ² exp(D₂) - 1. So their certificates are those of Rényi divergence at orders 1, 1/2 and 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.special import log_odds_of_half

Array = NDArray[np.float64]

_FACTORIALS = sp.factorial(np.arange(2, 14))


def excess(log_q: Array, log_u: Array, alpha: Array) -> Array:
    """q f_α(u) from log q and log u; shapes broadcast, ``alpha`` constant along the last axis; inf on overflow."""
    beta = alpha - 1
    divisor = np.where(beta == 0, 1.0, beta)
    with np.errstate(all="ignore"):
        q, shifted = np.exp(log_q), np.exp(log_q + log_u)
        tilt = beta * log_u
        # e^{log q + log u} (u^{α-1} - 1) / (α-1), where log u stands for the quotient at α = 1
        gentle = shifted * np.where(beta == 0, log_u, np.expm1(np.clip(tilt, -1, 1)) / divisor)
        rise = np.where(np.abs(tilt) < 1, gentle, (np.exp(log_q + alpha * log_u) - shifted) / divisor)
        direct = np.maximum((np.where(beta == 0, gentle, rise) - (shifted - q)) / alpha, 0.0)
        reach = 0.25 / np.maximum(alpha, 1)
        near = q * _series(np.clip(log_u, -reach, reach), alpha)
    value = np.where(np.abs(log_u) < reach, near, direct)
    return np.where(
        np.isnan(value), np.inf, value
    )  # where powers overflow, the divergence counts as infinite


def _series(log_u: Array, alpha: Array) -> Array:
    """f_α(e^l) = Σ_{n≥2} (1 + α + … + α^{n-2}) l^n / n!, by Horner's rule."""
    coefficients, geometric, power = [], np.zeros_like(alpha), np.ones_like(alpha)
    for factorial in _FACTORIALS:
        geometric, power = geometric + power, power * alpha
        coefficients.append(geometric / factorial)
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * log_u + coefficient
    return total * log_u * log_u


def renyi(mean_excess: Array, alpha: Array) -> Array:
    """D_α(P‖Q) from E_Q f_α(dP/dQ)."""
    beta = alpha - 1
    with np.errstate(all="ignore"):
        inner = np.log1p(np.maximum(alpha * beta * mean_excess, -1)) / np.where(beta == 0, 1, beta)
    value = np.where(beta == 0, mean_excess, inner)
    return np.where(np.isnan(value), np.inf, value)


def pair_renyi(alpha: Array | float, rho: Array) -> Array:
    """D_α(Bernoulli(1/2) ‖ Bernoulli(1-ρ)): the least divergence, at which a vote of probability ρ is overturned.

    By data processing D_α(q_v‖q) ≥ D_α(Bernoulli(q_v(U)) ‖ Bernoulli(q(U))) for every set U, and for q(U) ≤ 1-ρ and
    q_v(U) ≥ 1/2 the right side is least where both are equalities. So v is certified while D_α(q_v‖q) is smaller.
    For symmetric noise D_α(q‖q_v) = D_α(q_v‖q), so the other order, D_α(q‖q_v) < D_α(Bernoulli(1-ρ) ‖ Bernoulli(1/2)),
    is just as valid; at α ≥ 1 it never gives more, and orders α < 1 contain it: D_α(P‖Q) = α/(1-α) D_{1-α}(Q‖P).

    α = ∞ gives -log(2(1-ρ)). Sources: Li et al. 2019, Dvijotham et al. 2020.
    """
    alpha = np.asarray(alpha, dtype=np.float64)
    # log u at the two points: 1/2 against 1-ρ, and 1/2 against ρ
    log_half_p, log_half_rho = log_odds_of_half(rho), -np.log1p(2 * rho - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        finite = np.where(np.isinf(alpha), 2.0, alpha)
        log_p, log_rho = np.log(1 - rho), np.log(rho)
        mean = excess(log_p, log_half_p, finite) + excess(log_rho, log_half_rho, finite)
        # where the sum of powers would overflow, its logarithm
        large = np.logaddexp(log_p + finite * log_half_p, log_rho + finite * log_half_rho) / (finite - 1)
        value = np.where(finite * log_half_p > 100, large, renyi(mean, finite))
        value = np.where(np.isinf(alpha), log_half_p, value)
    # at certainty the first point has mass 0 on the right: the sum is over the other one
    sure = np.where(finite < 1, finite / np.where(finite < 1, 1 - finite, 1) * np.log(2), np.inf)
    return np.where(rho == 1, sure, value)
