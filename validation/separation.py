"""ℓ of a noise: the least total variation between it and itself moved by a vector of norm 1 or more, from both sides.

Every noise here is *unconditional* with a density that falls in each |x_i| (and the same for all coordinates). Hence

    TV along t e_1 is P(|X_1| ≤ t/2):  at given other coordinates q(x) ≥ q(x - t e_1) exactly for x_1 ≤ t/2,

and ‖e_1‖ = 1 makes this an upper bound in every ℓp. Lower bounds, the largest of which counts:

* a coordinate moves by at least d^{-1/p}, and no more can be told apart from one coordinate: P(|X_1| ≤ d^{-1/p}/2).
  Against ℓ∞ the bounds meet;
* spherical noise: q(x) ≥ q(x-v) on a half-space, so TV = P(|X_1| ≤ ‖v‖₂/2), exact at the shortest v;
* products: TV ≥ 1 - ∏ b(v_i), b the Bhattacharyya coefficient of one coordinate. With w_i = |v_i|^p and
  g(w) = -log b(w^{1/p}), Σ g(w_i) ≥ d ĝ(1/d) for the convex hull ĝ of g on [0, 1] (Jensen);
* cubes: a density is a mixture of uniform laws on its level sets, and 1 - TV the mean of their overlaps, here
  ∏ (1 - |v_i|/2λR). At p = 1 equal shares |v_i| = 1/d are least apart for every R, so that ℓ is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from geometry.errors import InputError
from geometry.norms import Norm
from smoothing.noise import Noise
from smoothing.noises import Ball, Body, Cube, ExpPower, Gaussian, Laplace, Pareto
from smoothing.noises.shaped import Shaped
from smoothing.profiles import Uniform

Array = NDArray[np.float64]

FALSE_ALARM = 1e-6
_DRAWS = 200_000
_W = np.linspace(-9, 9, 8001)


@dataclass(frozen=True)
class Separation:
    """``lower`` ≤ ℓ ≤ ``upper``."""

    lower: float
    upper: float


def separation(noise: Noise, norm: Norm) -> Separation:
    """ℓ of the noise against an ℓp norm. InputError for other norms."""
    dim, p = noise.dim, norm.exponent
    top, slack = within(noise, 0.5)
    lows = []
    if isinstance(noise, (Gaussian, Ball)):
        shortest = dim ** min(0.0, 0.5 - 1 / p)
        mass, error = within(noise, 0.5 * shortest)
        return Separation(max(mass - error, 0.0), min(mass + error, 1.0))
    mass, error = within(noise, 0.5 * dim ** (-1 / p))
    lows.append(mass - error)
    if isinstance(noise, Cube) and math.isfinite(p):
        mass, error = _cubes(noise, p)
        if p == 1:
            return Separation(max(mass - error, 0.0), min(mass + error, 1.0))
        lows.append(mass - error)
    if isinstance(noise, Laplace) and math.isfinite(p):
        lows.append(_laplace(noise, p))
    return Separation(max(0.0, *lows), min(top + slack, 1.0))


def within(noise: Noise, a: float) -> tuple[float, float]:
    """(P(|X_1| ≤ a), a bound or estimate of its error)."""
    y = a / noise.scale
    if isinstance(noise, Gaussian):
        return float(sp.erf(y / math.sqrt(2))), 1e-15
    if isinstance(noise, Laplace):
        return -math.expm1(-y), 1e-15
    if isinstance(noise, ExpPower):
        return float(sp.gammainc(1 / noise.p, y**noise.p)), 1e-13
    if isinstance(noise, Pareto):
        return -math.expm1(-noise.a * math.log1p(y)), 1e-15
    if isinstance(noise, Body):
        return _by_sampling(noise, a)
    if isinstance(noise, Shaped):
        return _shaped(noise, y)
    raise InputError(f"the law of one coordinate of {noise.spec} is not known here")


def _shaped(noise: Shaped, y: float) -> tuple[float, float]:
    """E over the radius of P(|θ_1| ≤ y/r): trapezoids in the normal score of r; every other node tells the error."""
    d, r = noise.dim, noise.profile.quantile(_W)
    with np.errstate(divide="ignore", over="ignore"):
        share = np.minimum(y / np.maximum(r, 1e-300), 1.0)
    smooth: Array
    if d == 1:
        return float(noise.profile.cdf(np.array(y))), 1e-12
    jump = 0.0
    if isinstance(noise, Cube):
        if isinstance(noise.profile, Uniform):
            return min(y, 1.0), 1e-15
        smooth, jump = (1 - 1 / d) * share, float(noise.profile.cdf(np.array(y))) / d
    elif isinstance(noise, Ball):
        smooth = sp.betainc(0.5, 0.5 * (d - 1), share**2)
    else:
        smooth = -np.expm1((d - 1) * np.log1p(-np.minimum(share, 1 - 1e-16)))
    weight = np.exp(-0.5 * _W**2)
    fine, coarse = ((smooth[::k] @ weight[::k]) / weight[::k].sum() for k in (1, 2))
    return float(fine + jump), float(2 * abs(fine - coarse) + 1e-12)


def _by_sampling(noise: Noise, a: float) -> tuple[float, float]:
    """The share among seeded draws; the interval of Hoeffding 1963 misses with probability ``FALSE_ALARM``."""
    import torch

    draws = noise.sample(_DRAWS, generator=0, dtype=torch.float64).numpy()
    return float((np.abs(draws[:, 0]) <= a).mean()), math.sqrt(math.log(2 / FALSE_ALARM) / (2 * _DRAWS))


def _cubes(noise: Cube, p: float) -> tuple[float, float]:
    """1 - E max over ‖v‖_p = 1 of ∏ (1 - |v_i|/2λR), or less, with the error of the mean over R.

    R has the density of the radius times ψ'(r) r / d: of the mass at r, that is the share of cubes that end there.
    """
    d, profile = noise.dim, noise.profile
    if isinstance(profile, Uniform):
        radius, weight = np.ones(1), np.ones(1)
    else:
        radius = profile.quantile(_W)
        power = radius ** profile.parameters["k"]
        slope = profile.parameters["k"] * power  # ψ'(r) r
        if "a" in profile.parameters:
            slope = profile.parameters["a"] * slope / (1 + power)
        weight = np.exp(-0.5 * _W**2) * (slope + profile.parameters.get("j", 0.0)) / d
        weight /= np.exp(-0.5 * _W**2).sum()
    with np.errstate(divide="ignore"):
        reach = 0.5 / (noise.scale * radius)
        if p == 1:
            loss = -d * np.log1p(-np.minimum(reach / d, 1.0))
        else:
            # Σ g(w_i) ≥ min g(w)/w, g(w) = -log(1 - reach w^(1/p)); between nodes g is at least that of the lower one
            reach, w = np.minimum(reach, 1.0), np.geomspace(1e-4, 1, 1500)
            loss = reach * w[0] ** (1 / p - 1)
            for low, high in pairwise(w):
                loss = np.minimum(loss, -np.log1p(-reach * low ** (1 / p)) / high)
        kept = np.exp(-loss)
    if len(kept) == 1:
        return float(1 - kept[0]), 1e-12
    fine, coarse = kept @ weight, 2 * (kept[::2] @ weight[::2])
    return float(1 - fine), float(2 * abs(fine - coarse) + abs(weight.sum() - 1) + 1e-12)


def _laplace(noise: Laplace, p: float) -> float:
    """1 - exp(-d ĝ(1/d)), -log b(t) = t/2λ - log(1 + t/2λ), with nodes that lie below g: each has the one before's."""
    t = np.concatenate([[0.0], np.geomspace(1e-6, 1, 2000)])
    z = 0.5 * t / noise.scale
    g = np.maximum(z - np.log1p(z) - 1e-15, 0.0)
    x, y, goal, best = t**p, np.concatenate([[0.0], g[:-1]]), 1 / noise.dim, math.inf
    right = x >= goal
    for i in np.flatnonzero(x <= goal):  # the lowest chord over the goal
        run = np.maximum(x[right] - x[i], 1e-300)
        best = min(best, float((y[i] + (y[right] - y[i]) * np.minimum((goal - x[i]) / run, 1.0)).min()))
    return -math.expm1(-noise.dim * best)
