"""The radius along one direction, by Monte Carlo: a bracket that holds at every sample size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special as sp

from geometry.errors import InputError
from smoothing.confidence import check_alpha
from smoothing.methods.log_ratios import Draws
from smoothing.methods.monte_carlo import flip_mass_band

Array = NDArray[np.float64]

# Candidates on each side of the pilot's estimate r̂, at r̂ exp(± 2^j z / 2√n).
CANDIDATES = 7
_HALVINGS = 9
_MOST_DOUBLINGS = 60


def radius_band(
    draws: Draws, direction: ArrayLike, rho: ArrayLike, alpha: float, *, around: ArrayLike | None = None
) -> tuple[Array, Array]:
    """(low, high) around the radius along u, inf {r : G(1-ρ, r u) > 1/2}, at all ρ at once but for probability α.

    A refuted shift r u proves radius ≤ r for every noise. A certified one proves radius ≥ r where the growth function
    increases along the ray, as it does for symmetric densities with convex level sets: the overlap of two
    symmetric convex bodies shrinks as one of them moves away from the other.

    ``direction``: shape (dim,). ``rho``: in (1/2, 1), shape (k,). ``around``: a guess of the radii that saves the
    search on pilot draws; a bad one costs width and never truth. (0, inf) where nothing is proven.
    """
    check_alpha(alpha)
    u, rho = np.asarray(direction, dtype=np.float64), np.asarray(rho, dtype=np.float64)
    if rho.ndim != 1 or not ((rho > 0.5) & (rho < 1)).all():
        raise InputError(f"radius_band takes rho in (1/2, 1) of shape (k,), got shape {rho.shape}")
    p = 1 - rho
    guess = _search(draws, u, p) if around is None else np.asarray(around, dtype=np.float64)
    guess, p = np.concatenate([guess, guess]), np.concatenate([p, p])
    side = np.repeat([-1.0, 1.0], len(rho))
    each = alpha / (CANDIDATES * len(rho))  # flip_mass_band halves it for its two sides
    step = 0.5 * sp.ndtri(1 - each / 2) / np.sqrt(draws.n)

    def candidate(j: NDArray[np.int64]) -> Array:
        return guess * np.exp(side * step * 2.0**j)

    # by halving: the nearest candidate that is decided; all of them were fixed by the pilot, and paid for
    first, last = np.zeros(len(p), dtype=np.int64), np.full(len(p), CANDIDATES)
    while (first < last).any():
        middle = np.minimum((first + last) // 2, CANDIDATES - 1)
        low, high = flip_mass_band(draws.log_ratios(candidate(middle)[:, None] * u), each)
        decided = np.where(side < 0, low >= p, high < p)
        last, first = np.where(decided, np.minimum(middle, last), last), np.where(decided, first, middle + 1)
        first = np.minimum(first, last)
    found = np.where(last < CANDIDATES, candidate(last), np.where(side < 0, 0.0, np.inf))
    return found[: len(rho)], found[len(rho) :]


def _search(draws: Draws, u: Array, p: Array) -> Array:
    """Where the pilot's p* crosses each p: bracketed by powers of 4, then halved in log r."""
    low, high = np.ones(1), np.ones(1)
    for _ in range(_MOST_DOUBLINGS):
        if _flip_mass(draws, u, low)[0] > p.max():
            break
        low = low / 4
    for _ in range(_MOST_DOUBLINGS):
        if _flip_mass(draws, u, high)[0] < p.min():
            break
        high = high * 4
    left, right = np.full(p.shape, np.log(low[0])), np.full(p.shape, np.log(high[0]))
    for _ in range(int(np.ceil(np.log2(max(right[0] - left[0], 1)))) + _HALVINGS):
        middle = 0.5 * (left + right)
        beyond = _flip_mass(draws, u, np.exp(middle)) < p
        left, right = np.where(beyond, left, middle), np.where(beyond, middle, right)
    return np.exp(0.5 * (left + right))


def _flip_mass(draws: Draws, u: Array, r: Array) -> Array:
    """p* = E[e^{-Λ}; the upper half of Λ], as the pilot sees it: no bound, an estimate."""
    points = np.sort(draws.pilot(r[:, None] * u), axis=-1)
    count = points.shape[-1]
    return np.exp(-np.maximum(points[:, count - count // 2 :], -700)).sum(axis=-1) / count
