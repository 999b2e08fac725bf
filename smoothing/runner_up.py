"""Radii from two probabilities: a lower bound p_A of the top class's and an upper bound p_B of every other's.

A differential radius is a time: R(ρ) = ∫ from 1-ρ to 1/2 of dp / Φ(p) is how long an adversary of unit speed needs to
carry a set from probability 1-ρ to 1/2, as no set gains faster than Φ(p) (Yang et al. 2020, Theorem 4.1). The
runner-up is a set that gains, and so is the complement of the top class. They need not meet at 1/2. Noise that is
symmetric about 0 has Φ(1-p) = Φ(p), so that time runs on beyond 1/2 with R(1-ρ) = -R(ρ). Whatever the level q at which
they meet, the times that lead there, R(1-p_B) - R(1-q) and R(p_A) + R(1-q), have a sum that does not depend on it:

    radius = (R(p_A) + R(1 - p_B)) / 2,

which for Gaussian noise is σ (Φ_N⁻¹(p_A) - Φ_N⁻¹(p_B)) / 2 (Cohen et al. 2019). At p_B = 1 - p_A it is R(p_A). It is
positive even for p_A < 1/2 if p_B is smaller. All of this needs a theorem that is such an integral: ``Lead.FLOW``.

Uniform noise has a shorter road. A shift v changes the probability of any set by at most the total variation TV(v),
and R(ρ) is how far TV(v) ≤ ρ - 1/2: the top class keeps p_A - TV, the runner-up has at most p_B + TV. Hence

    radius = R(1/2 + (p_A - p_B) / 2),

and no larger one is true: the top class may own all that the shift loses, the runner-up all that it gains
(``Lead.DISTANCE``). Either radius, of a theorem about another norm, gives one by inclusion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError
from geometry.norms import Norm, parse_norm, shrinkage
from smoothing.certificate import Certificate
from smoothing.confidence import Bound, check_alpha, clopper_pearson_lower
from smoothing.methods.inclusion import SOURCES, can_help, direct_theorems
from smoothing.noise import Noise
from smoothing.theorems import Lead, Method, Theorem, certify_radius, evaluate, find_theorems

Array = NDArray[np.float64]

_ROUNDING = 1e-11  # of the times that are added; R is at most that ill-conditioned in 1 - p down to p = 1e-5


def two_bounds(
    votes: NDArray[np.int64],
    chosen: NDArray[np.int64],
    n: ArrayLike,
    alpha: float,
    bound: Bound = clopper_pearson_lower,
) -> tuple[Array, Array]:
    """(p_A, p_B), both right with probability 1-α together: α/2 for the chosen class, α/2 shared by the others.

    ``votes``: shape (images, classes); ``chosen`` and ``n`` per image. ``bound``: lower bounds, as in ``confidence``.
    """
    check_alpha(alpha)
    images, classes = votes.shape
    n = np.broadcast_to(np.asarray(n), (images,))
    first = bound(votes[np.arange(images), chosen], n, alpha / 2)
    others = np.array([np.delete(row, c) for row, c in zip(votes, chosen, strict=True)]).reshape(images, -1)
    if classes == 1:
        return first, 1 - first
    most = others.max(axis=1)
    second = 1 - bound(n - most, n, alpha / (2 * (classes - 1)))
    return first, np.minimum(second * (1 + 4 * np.finfo(float).eps), 1 - first)


def certify_runner_up(
    noise: Noise, norm: Norm | str, first: ArrayLike, second: ArrayLike, *, theorem: str | None = None
) -> Certificate:
    """The largest radius at p_A ≥ ``first``, p_B ≤ ``second`` by two probabilities or by the first alone.

    The certificate's ``rho`` is ``first``; radius 0 abstains. InputError for values outside [0, 1].
    """
    norm = parse_norm(norm)
    first, second = np.broadcast_arrays(*(np.asarray(p, dtype=np.float64) for p in (first, second)))
    if not ((second >= 0) & (second <= 1)).all():
        raise InputError("second is a probability in [0, 1]")
    best = certify_radius(noise, norm, first, theorem=theorem)
    rest = np.minimum(second, 1 - first)
    for row, candidate, source, share in _roads(noise, norm, theorem):
        radius, error = _certify(candidate, noise, source, first, rest)
        radius, error = radius * share, error * share
        better = radius > best.radius * (1 + 1e-9)
        best = replace(
            best,
            radius=np.where(better, radius, best.radius),
            error=np.where(better, error, best.error),
            theorem=np.where(better, row.name, best.theorem),
            method=np.where(better, row.method.value, best.method),
            tight=np.where(better, row.tight and row.lead is Lead.DISTANCE, best.tight),
        )
    return best


def _roads(noise: Noise, norm: Norm, name: str | None) -> Iterator[tuple[Theorem, Theorem, Norm, float]]:
    """(row of the table, theorem that it rests on, norm of that, share of its radius that is left in ``norm``)."""
    for row in find_theorems(noise, norm):
        if name not in (None, row.name):
            continue
        if row.lead is not Lead.UNKNOWN:
            yield row, row, norm, 1.0
        if row.method is Method.INCLUSION and (name or can_help(noise, norm)):
            for source in SOURCES:
                share = shrinkage(source, norm, noise.dim) * (1 - row.accuracy)
                for other in direct_theorems(noise, source) if source != norm else ():
                    if other.lead is not Lead.UNKNOWN:
                        yield row, other, source, share


def _certify(candidate: Theorem, noise: Noise, norm: Norm, first: Array, rest: Array) -> tuple[Array, Array]:
    """(radius, error) by one theorem, the radius rounded down."""
    if candidate.lead is Lead.DISTANCE:
        rho = np.nextafter(0.5 + (first - rest) / 2 * (1 - 2 * np.finfo(float).eps), 0)
        radius, error, ahead = np.zeros(rho.shape), np.zeros(rho.shape), rho > 0.5
        if ahead.any():
            radius[ahead], error[ahead] = evaluate(candidate, noise, norm, rho[ahead])
        return radius, error
    gone = _time(candidate, noise, norm, first)
    # 1 - p_B rounded down: a p_B that no float sees next to 1 is not 0
    left = _time(candidate, noise, norm, np.where(rest > 0, np.nextafter(1 - rest, 0), 1.0))
    # The two may cancel: what rounding did to either, and to 1 - p where R is steep, stands against the sum.
    with np.errstate(invalid="ignore"):
        error = _ROUNDING * (np.abs(gone) + np.abs(left))
        return np.maximum((gone + left) / 2 - error, 0), error


def _time(candidate: Theorem, noise: Noise, norm: Norm, rho: Array) -> Array:
    """R(ρ), below 1/2 -R(1-ρ), rounded down on either side."""
    flat = rho.ravel()
    above = np.maximum(flat, 1 - flat)
    found, lower, slack = np.zeros(flat.shape), np.zeros(flat.shape), np.zeros(flat.shape)
    sure = above > 0.5
    if sure.any():
        lower[sure], slack[sure] = evaluate(candidate, noise, norm, above[sure])
    found = np.where(flat > 0.5, lower, -(lower + 2 * slack))
    return np.where(sure, found, 0.0).reshape(rho.shape)
