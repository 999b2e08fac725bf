"""Σ|det| over all d-subsets of generators, which is Vol(Σ [-g, g]) / 2^d: exactly, or from random subsets.

Source: Shephard 1974 (shephard1974), who credits McMullen. Exactly it is a sum over the flats of the generators
(geometry.zonotopes.flats), or over the subsets themselves where d is near the count and middle ranks are many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from geometry.body import Seed
from geometry.errors import InputError
from geometry.estimate import EXACT, MONTE_CARLO, STANDARD_ERRORS, Estimate
from geometry.norms import Linf
from geometry.zonotopes.flats import flats, join, lifted, tractable
from geometry.zonotopes.rows import TOLERANCE
from geometry.zonotopes.segments import AnyArray, as_exact, checked, segments

Array = NDArray[np.float64]

MOST_SUBSETS = 1 << 21
SAMPLES = 100_000
_NUMBERS = 1 << 22  # held at once


def sum_abs_det(generators: ArrayLike) -> int:
    """Σ|det| over all d-subsets of integer generators, shape (count, d), as a Python int.

    InputError for generators that are no integers, or so many that neither their flats nor their subsets can be
    listed.
    """
    rows = checked(generators)
    if rows.dtype == np.float64:
        raise InputError("sum_abs_det takes integer generators; log_sum_abs_det takes floats")
    count, dim = rows.shape
    if math.comb(count, dim) <= MOST_SUBSETS and not tractable(count, dim):
        exact = rows.astype(object)
        return sum(int(np.abs(bareiss(exact[subsets])).sum()) for subsets in _subsets(count, dim))
    rows = as_exact(rows)
    return _over_flats(rows, np.ones((1, 1), dtype=rows.dtype), 0)


def log_sum_abs_det(generators: ArrayLike, *, samples: int = SAMPLES, seed: Seed = 0) -> Estimate:
    """log Σ|det| over all d-subsets of integers or floats: exact up to rounding where feasible, else Monte Carlo.

    Floats on a lattice go as integers. Others by LU over all subsets, with d³ units in the last place of Σ Π|g| for
    the rounding; or over their flats, with d times the tolerance of these. Monte Carlo from ``samples`` subsets:
    ``sum_abs_det_monte_carlo``. InputError for generators that do not span.
    """
    reduced = segments(generators)
    rows, (count, dim) = reduced.rows, reduced.rows.shape
    units = dim * math.log(reduced.scale)
    rounding = 4e-16 * (1 + abs(units))
    if tractable(count, dim) and (reduced.exact or math.comb(count, dim) > MOST_SUBSETS):
        value = math.log(flats(generators).total)
        lost = 0.0 if reduced.exact else dim * TOLERANCE * _cancellation(rows, value)
    elif math.comb(count, dim) <= MOST_SUBSETS:
        rows = rows.astype(np.float64)
        logs = [np.linalg.slogdet(rows[subsets])[1] for subsets in _subsets(count, dim)]
        value = float(logsumexp(np.concatenate(logs))) if logs else -math.inf
        if value == -math.inf:
            raise InputError(f"the generators must span R^{dim}: all determinants are 0")
        lost = dim**3 * 2.0**-53 * _cancellation(rows, value)
    else:
        estimate = sum_abs_det_monte_carlo(rows, samples, seed)
        return Estimate(estimate.value + units, estimate.error, MONTE_CARLO)
    return Estimate(value + units, lost + rounding * (1 + abs(value)), EXACT)


def sum_abs_det_monte_carlo(generators: ArrayLike, samples: int = SAMPLES, seed: Seed = 0) -> Estimate:
    """log Σ|det| from ``samples`` random d-subsets, with five standard errors. Any number of generators."""
    rows = checked(generators).astype(np.float64)
    count, dim = rows.shape
    if count < dim:
        raise InputError(f"{count} generators do not span R^{dim}")

    def draw(size: int, rng: np.random.Generator) -> Array:
        keys = rng.random((size, count))
        chosen = np.argpartition(keys, dim - 1, axis=1)[:, :dim] if dim < count else np.argsort(keys, axis=1)
        return rows[chosen]

    mean = log_mean_abs_det(draw, samples, seed, max(count, dim * dim))
    return Estimate(mean.value + _log_binomial(count, dim), mean.error, MONTE_CARLO)


def crystal_determinants(dim: int) -> int:
    """Σ|det| over all d-subsets of the 2^{d-1} sign vectors up to sign, the generators of the linf crystal.

    Sign changes of coordinates carry any sign vector into any other, so all but a factor 2^{d-1}/d is the sum over
    the subsets that hold (1, …, 1), and only flats through it are needed. Up to d = 7. Vol(W_d) is
    2^d Σ|det| / 2^{d(d-1)}.
    """
    if not 1 <= dim <= 7:
        raise InputError(f"crystal determinants are summed exactly for dim 1 to 7, got dim {dim}")
    rows = _half_of_signs(dim)
    return _over_flats(rows, rows[:1], 1) * len(rows) // dim


def crystal_log_determinant(dim: int, samples: int = SAMPLES, seed: Seed = 0) -> Estimate:
    """log E|det M| for a random ±1 matrix M of order d, exactly up to d = 7, by Monte Carlo beyond.

    Vol(W_d) = (2^d / d!) E|det M|. E det² = d!, and the spread of log|det| is near √(½ log d):
    a thousand samples tell E|det| to some eight percent even at d = 100.
    """
    if dim <= 7:
        log = math.log(crystal_determinants(dim)) + math.lgamma(dim + 1) - dim * (dim - 1) * math.log(2)
        return Estimate(log, 1e-14, EXACT)

    def draw(size: int, rng: np.random.Generator) -> Array:
        return np.asarray(2.0 * rng.integers(2, size=(size, dim, dim)) - 1, dtype=np.float64)

    return log_mean_abs_det(draw, samples, seed, dim * dim)


def log_mean_abs_det(
    draw: Callable[[int, np.random.Generator], Array], samples: int, seed: Seed, numbers: int
) -> Estimate:
    """log E|det| of the random matrices that ``draw(size, rng)`` gives, shape (size, d, d).

    ``numbers`` is what one matrix costs in memory. The error is five standard errors of the mean, carried through
    the logarithm; infinite where they reach the mean itself.
    """
    rng = np.random.default_rng(seed)
    block = max(1, min(samples, _NUMBERS // numbers))
    logs = np.concatenate(
        [np.linalg.slogdet(draw(min(block, samples - start), rng))[1] for start in range(0, samples, block)]
    )
    top = float(logs.max())
    if top == -math.inf:
        raise InputError(f"all of {samples} random determinants are 0; take more samples")
    relative = np.exp(logs - top)
    mean = float(relative.mean())
    share = STANDARD_ERRORS * float(relative.std(ddof=1)) / math.sqrt(samples) / mean
    return Estimate(top + math.log(mean), -math.log1p(-share) if share < 1 else math.inf, MONTE_CARLO)


def bareiss(matrices: AnyArray) -> AnyArray:
    """Determinants of integer matrices (..., d, d) by fraction-free elimination: every number on the way is a minor."""
    rows = np.array(matrices).reshape(-1, *matrices.shape[-2:])
    dim, index = rows.shape[-1], np.arange(len(rows))
    sign, last = np.ones(len(rows), dtype=rows.dtype), np.ones(len(rows), dtype=rows.dtype)
    for k in range(dim - 1):
        pivot = k + (rows[:, k:, k] != 0).argmax(axis=1)
        top = rows[index, pivot].copy()
        rows[index, pivot], rows[:, k] = rows[:, k].copy(), top
        sign = np.where(pivot == k, sign, -sign)
        singular = top[:, k] == 0
        rows[singular] = 0
        rows[:, k + 1 :, k + 1 :] = (
            top[:, k, None, None] * rows[:, k + 1 :, k + 1 :]
            - rows[:, k + 1 :, k, None] * top[:, None, k + 1 :]
        ) // last[:, None, None]
        last = np.where(singular, 1, top[:, k])
    return (sign * rows[:, -1, -1]).reshape(matrices.shape[:-2])


def _over_flats(rows: AnyArray, plucker: AnyArray, rank: int) -> int:
    """Σ|det| over the d-subsets that hold a given basis, of this rank and Plücker vector; 0 where rows do not span."""
    weights = np.ones(1, dtype=rows.dtype)
    for k in range(rank, rows.shape[1]):
        if len(plucker) == 0:
            return 0
        upper, above, factors = join(plucker, rows, k)
        plucker, weights = upper, lifted(weights, above, factors, len(upper), k + 1 - rank)
    return int(weights.sum())


def _subsets(count: int, dim: int) -> Iterator[NDArray[np.intp]]:
    """All dim-subsets of range(count), in blocks of rows."""
    subsets = combinations(range(count), dim)
    while block := list(islice(subsets, max(1, _NUMBERS // dim**2))):
        yield np.array(block, dtype=np.intp)


def _cancellation(rows: AnyArray, value: float) -> float:
    """Σ Π|g| / e^value over all d-subsets, an elementary symmetric polynomial of the lengths: at least 1."""
    total = np.full(rows.shape[1] + 1, -np.inf)
    total[0] = 0.0
    for log in np.log(np.linalg.vector_norm(rows, axis=1)):
        total[1:] = np.logaddexp(total[1:], total[:-1] + log)
    return math.exp(float(total[-1]) - value)


def _log_binomial(count: int, dim: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(dim + 1) - math.lgamma(count - dim + 1)


def _half_of_signs(dim: int) -> AnyArray:
    """The sign vectors with first entry 1, (1, …, 1) first."""
    signs = Linf().vertices(dim)
    return as_exact(signs[signs[:, 0] > 0].astype(np.int64))
