"""Special functions in the ranges that high dimension needs and SciPy's own do not cover to full accuracy."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy import special as sp

Array = NDArray[np.float64]

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def gauss_legendre(order: int) -> tuple[Array, Array]:
    """Nodes and weights on [-1, 1], the weights by Christoffel's formula: NumPy's are off by 1e-13 near the ends."""
    nodes = legendre.leggauss(order)[0]
    weights = 1 / (legendre.legvander(nodes, order - 1) ** 2 @ (np.arange(order) + 0.5))
    return nodes, weights


def log_gamma_ratio(x: ArrayLike, a: ArrayLike) -> Array:
    """log Γ(x+a) - log Γ(x) for x > 0, x + a > 0, without the cancellation of two large log-gammas.

    The difference of log-gammas loses six digits at x = 150 528; here Stirling's series is subtracted term by
    term, so that the absolute error stays near one unit in the last place of the result itself.
    """
    x, a = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(a, dtype=np.float64))
    # Shift small arguments up by the recurrence Γ(x+1) = x Γ(x), where the series converges to 1e-17.
    shift = np.where(np.minimum(x, x + a) < 15, 15, 0)
    steps = np.arange(15)
    with np.errstate(divide="ignore"):
        ratios = np.log1p(a[..., None] / (x[..., None] + steps))
    correction = np.where(shift > 0, ratios.sum(axis=-1), 0.0)
    x = x + shift
    y = x + a
    main = a * np.log(x) + ((y - 0.5) * np.log1p(a / x) - a)
    return main + (stirling_tail(y) - stirling_tail(x)) - correction


def stirling_tail(x: Array) -> Array:
    """log Γ(x) - [(x - 1/2) log x - x + log(2π)/2] for x ≥ 15."""
    with np.errstate(over="ignore"):
        square = 1 / (x * x)
    total = np.zeros_like(x)
    for coefficient in reversed(_STIRLING):
        total = total * square + coefficient
    return total / x


def normal_quantile(rho: ArrayLike) -> Array:
    """Φ_N⁻¹(ρ) for ρ in [1/2, 1], with relative accuracy near 1/2 as well as near 1.

    Near 1/2 through erf⁻¹(2ρ - 1), whose argument is exact; near 1 through the exact 1 - ρ.
    """
    rho = np.asarray(rho, dtype=np.float64)
    return np.where(rho < 0.75, np.sqrt(2) * sp.erfinv(2 * rho - 1), -sp.ndtri(1 - rho))


def rademacher_mean(dim: int) -> float:
    """E|σ_1 + … + σ_d| = d 2^{1-d} C(d-1, ⌊(d-1)/2⌋), to full accuracy at any d ≥ 1.

    With d = 2m or 2m - 1 it is 2m 4^{-m} C(2m, m) = 2 Γ(m + 1/2) / (√π Γ(m)).
    """
    half = (dim + 1) // 2
    return float(2 / np.sqrt(np.pi) * np.exp(log_gamma_ratio(half, 0.5)))


def root_share(rho: ArrayLike, dim: int) -> Array:
    """1 - (3/2-ρ)^(1/d): what each side of a body may lose, that the share 3/2-ρ of its volume remains."""
    return -np.expm1(np.log1p(-(np.asarray(rho) - 0.5)) / dim)


def log_odds_of_half(rho: ArrayLike) -> Array:
    """log(1 / (2(1-ρ))) for ρ in [1/2, 1], exact near both ends; inf at 1."""
    rho = np.asarray(rho, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.where(rho < 0.75, -np.log1p(-(2 * rho - 1)), -np.log(2 * (1 - rho)))
