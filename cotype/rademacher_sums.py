"""Moments of a Rademacher sum in a norm, E‖Σ σ_j x_j‖ and (E‖Σ σ_j x_j‖²)^{1/2}, σ uniform signs, with a true error.

In this order, the first that applies:

* *Closed form.* Disjoint supports in ℓp: the norm does not depend on the signs. The second moment in ℓ2, and of
  numbers: (Σ ‖x_j‖²)^{1/2}.
* *ℓ1, first moment, any n.* Σ_i E|<σ, (x_ji)_j>|, one ``geometry.rademacher`` average for each coordinate.
* *All signs*, n ≤ 26: a table of the sums of the first x_j, shifted by every sum of the others; the last sign is +, as
  ‖-S‖ = ‖S‖. The error is a bound on rounding.
* *Monte Carlo* beyond: an interval that fails with probability 1e-9 at most (``cotype.concentration``).

A polytope's norm is ℓ∞ of the image x ↦ (<a, x>), one a from each pair of facets, and is treated as that.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cotype.concentration import mean_interval
from geometry.errors import InputError
from geometry.estimate import CLOSED_FORM, EXACT, MONTE_CARLO, Estimate
from geometry.norms import Norm, lp
from geometry.polytope_norm import PolytopeNorm
from geometry.rademacher import rademacher_average

Array = NDArray[np.float64]

MOST_SIGNS = 26
_MOST_WORK = 1 << 31  # numbers that an enumeration may go through: ten seconds or so
_BLOCK = 1 << 17  # numbers in a table of sums, which stays in the cache
_SAMPLE_BLOCK = 1 << 22
_UNIT = 2.0**-53


def rademacher_norm(
    vectors: ArrayLike, norm: Norm, *, moment: int = 1, samples: int = 100_000, seed: int = 0
) -> Estimate:
    """(E‖Σ σ_j x_j‖^moment)^{1/moment} for the rows x_j of ``vectors``, shape (n, d), and moment 1 or 2.

    ``samples`` and ``seed`` matter to Monte Carlo only.
    """
    x = checked(vectors, moment)
    x = x[x.any(axis=1)]
    if not len(x):
        return Estimate(0.0)
    if is_lp(norm):
        x = x[:, x.any(axis=0)]
    _, exponent = np.frexp(np.abs(x).max())
    found = _moment(np.ldexp(x, -exponent), norm, moment, samples, seed)
    return Estimate(np.ldexp(found.value, exponent), np.ldexp(found.error, exponent), found.method)


def checked(vectors: ArrayLike, moment: int) -> Array:
    """``vectors`` as an array; InputError unless it is (n, d), finite, and the moment is 1 or 2."""
    x = np.asarray(vectors, dtype=np.float64)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise InputError(f"vectors must be finite numbers of shape (n, d), n, d >= 1, got shape {x.shape}")
    if moment not in (1, 2):
        raise InputError(f"moment must be 1 or 2, got {moment}")
    return x


def lengths(columns: Array, norm: Norm) -> Array:
    """The norms of the columns, shape (d, ...) to (...): the first axis is reduced faster than a short last one.

    ℓp is divided by the largest entry first, so that no power leaves the range of floats.
    """
    if not is_lp(norm):
        return norm.value(np.moveaxis(columns, 0, -1))
    p, size = norm.exponent, np.abs(columns)
    if p == 1:
        return np.asarray(size.sum(axis=0))
    largest = size.max(axis=0)
    if math.isinf(p):
        return np.asarray(largest)
    size /= np.where(largest > 0, largest, 1.0)
    powers = np.square(size, out=size) if p == 2 else np.power(size, p, out=size)
    return np.asarray(largest * powers.sum(axis=0) ** (1 / p))


def image(vectors: Array, norm: Norm) -> tuple[Array, Norm]:
    """(y, N) with N(Σ s_j y_j) = ‖Σ s_j x_j‖ for all real s: half the facets and ℓ∞ for a polytope's norm."""
    if not isinstance(norm, PolytopeNorm):
        return vectors, norm
    if vectors.shape[1] != norm.dim:
        raise InputError(f"the norm is one of dimension {norm.dim}, the vectors have {vectors.shape[1]}")
    return vectors @ half_of(norm.ball.facets).T, lp(math.inf)


def half_of(points: Array) -> Array:
    """One of each pair ±a: those on one side of a hyperplane in general position."""
    side = np.random.default_rng(0).normal(size=points.shape[1])
    return points[points @ side > 0]


def is_lp(norm: Norm, p: float | None = None) -> bool:
    """Whether the norm is an ℓp, and if p is given, that one."""
    try:
        return norm.exponent == (p or norm.exponent)
    except InputError:
        return False


def _moment(x: Array, norm: Norm, moment: int, samples: int, seed: int) -> Estimate:
    """Of vectors with largest entry in [1/2, 1)."""
    n, dim = x.shape
    y, target = image(x, norm)
    closed = _closed_form(x, norm, moment)
    if closed is not None:
        return closed
    if moment == 1 and is_lp(target, 1):
        return _by_coordinates(y)
    # Rounding moves the coordinates of S by n units of those of Σ|x_j|, and norms of d terms by d units.
    rounding = 4 * (n + dim + 32) * _UNIT * reach(x, norm)
    most = reach(y, target)
    slack = rounding if moment == 1 else 2 * rounding * most
    if n <= MOST_SIGNS and y.shape[1] << (n - 1) <= _MOST_WORK:
        mean = _all_signs(y, target, moment)
        return _root(mean, mean - slack, mean + slack, moment, EXACT)
    powers = _sampled(y, target, moment, samples, seed)
    sizes = lengths(y.T, target)
    steps = 2 * sizes if moment == 1 else np.minimum(4 * most * sizes, most**2)
    least, largest = mean_interval(powers, steps=steps, largest=most**moment)
    least = max(least, float(sizes.max()) ** moment)  # Jensen: the other signs average out
    return _root(0.5 * (least + largest), least - slack, largest + slack, moment, MONTE_CARLO)


def _closed_form(x: Array, norm: Norm, moment: int) -> Estimate | None:
    if not is_lp(norm):
        return None
    if (np.count_nonzero(x, axis=0) <= 1).all():
        value, terms = float(lengths(x.sum(axis=0), norm)), x.shape[1]
    elif moment == 2 and (x.shape[1] == 1 or is_lp(norm, 2)):
        value, terms = float(np.linalg.norm(x)), x.size
    else:
        return None
    return Estimate(value, (terms + 8) * _UNIT * value, CLOSED_FORM)


def _by_coordinates(x: Array) -> Estimate:
    averages = rademacher_average(x.T)
    value = math.fsum(averages.value)
    return Estimate(value, math.fsum(averages.error) + 2 * _UNIT * value, averages.method)


def _all_signs(x: Array, norm: Norm, moment: int) -> float:
    """The mean of ‖x_1 σ_1 + … + x_{n-1} σ_{n-1} + x_n‖^moment over all signs."""
    n, dim = x.shape
    low = min(n - 1, max(0, int(math.log2(_BLOCK / dim))))
    table = np.zeros((dim, 1))
    for vector in x[:low]:
        table = np.concatenate([table - vector[:, None], table + vector[:, None]], axis=1)
    high = x[low : n - 1]
    totals = []
    for block in range(1 << len(high)):
        signs = 1.0 - 2 * (block >> np.arange(len(high)) & 1)
        sizes = lengths(table + (signs @ high + x[-1])[:, None], norm)
        totals.append(float(sizes.sum() if moment == 1 else np.square(sizes).sum()))
    return math.fsum(totals) / 2 ** (n - 1)


def _sampled(x: Array, norm: Norm, moment: int, samples: int, seed: int) -> Array:
    """‖S‖^moment of independent S."""
    if samples < 2:
        raise InputError(f"samples must be at least 2, got {samples}")
    generator = np.random.default_rng(seed)
    found, step = [], max(1, _SAMPLE_BLOCK // max(x.shape))
    for start in range(0, samples, step):
        signs = generator.integers(0, 2, size=(min(step, samples - start), len(x)), dtype=np.int8)
        found.append(lengths(x.T @ (1.0 - 2 * signs).T, norm) ** moment)
    return np.concatenate(found)


def _root(mean: float, least: float, most: float, moment: int, method: str) -> Estimate:
    value, least, most = (max(0.0, z) ** (1 / moment) for z in (mean, least, most))
    return Estimate(value, (1 + 8 * _UNIT) * max(value - least, most - value) + 2 * _UNIT * value, method)


def reach(x: Array, norm: Norm) -> float:
    """A bound of ‖z‖ for all |z| ≤ Σ_j |x_j|, coordinate by coordinate: every sum, and its rounding in units."""
    total = np.abs(x).sum(axis=0)
    if isinstance(norm, PolytopeNorm):
        return float((np.abs(norm.ball.facets) @ total).max())
    return float(lengths(total, norm) if is_lp(norm) else total @ norm.value(np.eye(len(total))))
