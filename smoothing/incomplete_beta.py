"""The incomplete beta function at large parameters, where SciPy's loses three to five digits in the tails.

A tail of Beta(a, b) is the density of the log-odds t = log(y / (1-y)) times a Mills ratio. The density is taken in
deviance form, where nothing large cancels; the ratio is the integral of a log-concave function that starts at 1,
by one Gauss-Legendre rule. Both rest on (a+b) y - a, which is computed as if in twice the precision.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.special import gauss_legendre, stirling_tail

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SMALL = 2.0  # below it the rule would need more nodes, and SciPy (the power series) is accurate
_DROPPED = 40.0  # the integrand is cut off where it has fallen to exp(-40)
_SPLIT = 2.0**27 + 1
_POINTS, _FULL_WEIGHTS = gauss_legendre(40)
_NODES, _WEIGHTS = 0.5 * (1 + _POINTS), 0.5 * _FULL_WEIGHTS  # on [0, 1]
_LOG1P = [1 / (2 * n + 1) for n in range(1, 19)]


def beta_tails(a: float, b: float, y: Array, z: Array) -> tuple[Array, Array]:
    """(P(Y ≤ y), P(Y ≥ y)) for Y ~ Beta(a, b), the smaller one to 2e-14 relative; any a, b > 0.

    ``z`` is 1-y. The smaller of y and z is taken as exact and the other one as its complement.
    """
    y, z = np.asarray(y, dtype=np.float64), np.asarray(z, dtype=np.float64)
    if min(a, b) < SMALL:
        lower = np.where(y < z, sp.betainc(a, b, y), sp.betaincc(b, a, z))
        return lower, np.where(y < z, sp.betaincc(a, b, y), sp.betainc(b, a, z))
    below = y * b < z * a  # left of the mean
    tail = log_odds_density(a, b, y, z) * mills_ratio(a, b, y, z, below)
    return np.where(below, tail, 1 - tail), np.where(below, 1 - tail, tail)


def beta_quantile(
    a: float, b: float, lower: Array, upper: Array, *, polish: bool = True
) -> tuple[Array, Array]:
    """(y, 1-y) with the mass ``lower`` below y and ``upper`` = 1 - ``lower`` above, both in [0, 1]; any a, b > 0.

    The smaller mass is met to 2e-14, or as closely as the rounding of y and 1-y lets it. SciPy's inverse is off by up
    to 1e-10 in mass at large parameters; one Newton step on the logarithm of the smaller tail, in the log-odds,
    squares that. Without ``polish`` the step is left out.
    """
    lower, upper = np.broadcast_arrays(np.maximum(lower, 0.0), np.maximum(upper, 0.0))
    y = _inverse(a, b, lower, upper)
    near_one = y > 0.5
    z = 1 - y
    if near_one.any():
        z = np.where(near_one, _inverse(b, a, upper, lower), z)
        y = np.where(near_one, 1 - z, y)
    if not polish or min(a, b) < SMALL:
        return y, z
    below = lower < upper
    ratio = mills_ratio(a, b, y, z, below)
    with np.errstate(all="ignore"):
        step = ratio * np.log(np.where(below, lower, upper) / (log_odds_density(a, b, y, z) * ratio))
        step = np.where(below, step, -step)
        step = np.where(np.abs(step) < 1, step, 0.0)  # masses 0 and 1, and what underflows, stay as they are
    return y / (y + z * np.exp(-step)), z / (z + y * np.exp(step))


def _inverse(a: float, b: float, lower: Array, upper: Array) -> Array:
    """SciPy's quantile from the smaller of the two masses, evaluated once for each."""
    below = lower < upper
    y = np.empty(np.shape(lower))
    y[below] = sp.betaincinv(a, b, lower[below])
    y[~below] = sp.betainccinv(a, b, upper[~below])
    # SciPy 1.17 gives NaN at some masses near 1e-200, and 0 for some small y: there the first term of the power
    # series is exact.
    lost = np.isnan(y) | ((y == 0) & (lower > 0))
    if lost.any():
        with np.errstate(divide="ignore"):
            series = np.exp((np.log(lower) + math.log(a) + sp.betaln(a, b)) / a)
        y = np.where(lost, np.where(below, series, 1.0), y)
    return y


def log_odds_density(a: float, b: float, y: Array, z: Array) -> Array:
    """y^a z^b / B(a, b), the density of log(Y / (1-Y)), to 1e-14 relative out to nine standard deviations.

    With D = (a+b) y - a the logarithm is a g(D/a) + b g(-D/b) up to Stirling's corrections, g(t) = log(1+t) - t:
    it is of the size of the deviance (Loader 2000), where that of the factors is of the size of a and b.
    """
    x, one, two, excess = _oriented(a, b, y, z)
    total = a + b
    with np.errstate(divide="ignore"):
        log = one * _log1p_rest(excess / one, x * total / one)
        log = log + two * _log1p_rest(-excess / two, (1 - x) * total / two)
    return math.sqrt(a * b / (2 * math.pi * total)) * np.exp(log - _stirling(a, b))


def mills_ratio(a: float, b: float, y: Array, z: Array, below: Mask) -> Array:
    """P(Y ≤ y) where ``below``, elsewhere P(Y ≥ y), over the density of the log-odds; to 2e-15, for a, b ≥ SMALL.

    It is ∫ exp(E(u)) du over the distance u in log-odds, E(u) = -λu - (a+b) K(u) with λ = |(a+b) y - a| and K the
    cumulant function of a Bernoulli(y) variable without its mean. E is concave, so that Newton's method finds from
    the right where it has fallen to -40. Meant for the smaller tail; a little beyond the mean does no harm.
    """
    x, _, _, excess = _oriented(a, b, y, z)
    sign = np.where(below == (x == y), -1.0, 1.0)  # of u as seen from x
    total = a + b
    slope, curve = sign * excess, total * x * (1 - x)
    with np.errstate(all="ignore"):
        end = 2 * _DROPPED / (slope + np.sqrt(slope * slope + 2 * _DROPPED * curve))
        for _ in range(3):
            growth = x * np.expm1(sign * end)
            steepness = slope + sign * total * (1 - x) * growth / (1 + growth)
            end = end + (_exponent(sign * end, x, total, excess) + _DROPPED) / steepness
        u = (sign * end)[..., None] * _NODES
        values = np.exp(_exponent(u, x[..., None], total, excess[..., None]))
    return end * (values * _WEIGHTS).sum(axis=-1)


def _oriented(a: float, b: float, y: Array, z: Array) -> tuple[Array, Array, Array, Array]:
    """(x, its parameter, the other parameter, (a+b) x - its parameter) for x the smaller of y and z."""
    y, z = np.asarray(y, dtype=np.float64), np.asarray(z, dtype=np.float64)
    x, one, two = np.minimum(y, z), np.where(y <= z, a, b), np.where(y <= z, b, a)
    # The sum and the product with their rounding errors (Knuth; Dekker 1971): a relative error of 1e-16 in
    # (a+b) x would be one of 1e-13 in a tail.
    total = a + b
    part = total - one
    total_low = (one - (total - part)) + (two - part)
    product = total * x
    total_head, x_head = total * _SPLIT, x * _SPLIT
    total_head, x_head = total_head - (total_head - total), x_head - (x_head - x)
    total_rest, x_rest = total - total_head, x - x_head
    low = total_head * x_head - product + total_head * x_rest + total_rest * x_head + total_rest * x_rest
    return x, one, two, (product - one) + (low + total_low * x)


def _exponent(u: Array, x: Array, total: float, excess: Array) -> Array:
    """log of (density of the log-odds at distance u) / (that at x)."""
    growth = x * np.expm1(u)
    return -excess * u - total * (_log1p_rest(growth, 1 + growth) + x * _exp_rest(u))


def _log1p_rest(t: Array, ratio: Array) -> Array:
    """log(1+t) - t to full relative accuracy for t > -1; ``ratio`` = 1+t, given apart as t near -1 has lost it.

    With r = t/(2+t), log(1+t) = 2 artanh r and t = 2r + rt.
    """
    r = t / (2 + t)
    square = r * r
    series = np.zeros_like(r)
    for coefficient in reversed(_LOG1P):
        series = series * square + coefficient
    return np.where(np.abs(t) < 0.5, 2 * r * square * series - r * t, np.log(ratio) - t)


def _exp_rest(u: Array) -> Array:
    """e^u - 1 - u to full relative accuracy."""
    series = np.ones_like(u)
    for n in range(18, 2, -1):
        series = 1 + series * u / n
    return np.where(np.abs(u) < 1, 0.5 * u * u * series, np.expm1(u) - u)


@lru_cache(maxsize=256)
def _stirling(a: float, b: float) -> float:
    """log B(a, b) beyond Stirling's leading terms."""
    return _stirling_rest(a) + _stirling_rest(b) - _stirling_rest(a + b)


def _stirling_rest(x: float) -> float:
    """log Γ(x) - [(x - 1/2) log x - x + log(2π)/2] for x > 0."""
    steps = 0.0
    while x < 15:  # Γ(x+1) = x Γ(x)
        steps += (x + 0.5) * math.log1p(1 / x) - 1
        x += 1
    return steps + float(stirling_tail(np.asarray(x)))
