"""Σ [-g, g] written shortest: no zero segments, no two parallel ones, and integers wherever the input is a lattice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError
from geometry.zonotopes.rows import distinct, primitive

Array = NDArray[np.float64]
AnyArray = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Segments:
    """The zonotope is scale · Σ [-r, r] over the ``rows``, none zero and no two parallel.

    ``rows``: integers (int64, or Python ints where a bound on all that is computed from them passes 2^62), or
    floats where the input is on no lattice that such integers resolve; then ``scale`` is 1.
    """

    rows: AnyArray
    scale: float

    @property
    def exact(self) -> bool:
        """Whether the rows are integers."""
        return self.rows.dtype != np.float64

    @property
    def dim(self) -> int:
        return int(self.rows.shape[1])

    def scaled(self, values: AnyArray) -> AnyArray:
        """The user's coordinates: integers where the user gave integers, else float64."""
        return values if self.exact and self.scale == 1 else (values * self.scale).astype(np.float64)


def segments(generators: ArrayLike) -> Segments:
    """Generators of shape (count, d), reduced. InputError unless they are finite.

    Floats that are small integer multiples of one number, such as 2^{1-d}·{±1}^d, become integers times a scale.
    """
    given = checked(generators)
    rows, scale = _on_a_lattice(given)
    rows = _merge_parallel(rows[(rows != 0).any(axis=1)])
    return Segments(rows, scale)


def checked(generators: ArrayLike) -> AnyArray:
    """The generators as int64, object (Python ints) or float64. InputError for other shapes or values."""
    array = np.asarray(generators)
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"generators must be an array of shape (count, dim), got shape {array.shape}")
    if array.dtype == object and all(isinstance(entry, int | np.integer) for entry in array.flat):
        return np.array([[int(entry) for entry in row] for row in array], dtype=object)
    if array.dtype == np.uint64:
        return array.astype(object)
    if array.dtype.kind in "biu":
        return array.astype(np.int64)
    try:
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("generators must be integers or floats") from None
    if not np.isfinite(array).all():
        raise InputError("generators must be finite")
    return array


def as_exact(rows: AnyArray) -> AnyArray:
    """Integer rows as int64 where no minor, and no sum of minors over subsets, can overflow; else as Python ints.

    Hadamard: a k-minor is at most the product of its rows' lengths. The greatest sums here are k Σ|minor| over all
    k-subsets, k ≤ d, and Laplace's expansions, at most √d times the bound of their minors.
    """
    count, dim = rows.shape
    squares = sorted(max(1, sum(int(entry) ** 2 for entry in row)) for row in rows.tolist())
    minor = math.isqrt(math.prod(squares[-dim:])) + 1
    sums = max(math.comb(count, k) * k for k in range(1, dim + 1)) + math.isqrt(dim) + 1
    return rows.astype(np.int64 if minor * sums * 2 < 1 << 62 else object)


def _on_a_lattice(given: AnyArray) -> tuple[AnyArray, float]:
    """(rows, scale) with given = scale · rows exactly: integer rows where there are small ones."""
    if given.dtype != np.float64:
        return as_exact(given), 1.0
    sizes = np.abs(given[given != 0])
    if len(sizes) == 0:
        return given, 1.0
    for unit in (1.0, float(sizes.min()), _binary_unit(sizes)):
        with np.errstate(over="ignore"):
            rows = np.rint(given / unit)
        if np.abs(rows).max() < 1 << 20 and (rows * unit == given).all():
            rows = as_exact(rows.astype(np.int64))
            if rows.dtype == np.int64:
                return rows, unit
    return given, 1.0


def _binary_unit(sizes: Array) -> float:
    """The greatest power of two of which all of these floats are multiples."""
    mantissa, exponent = np.frexp(sizes)
    digits = (mantissa * 2.0**53).astype(np.int64)
    trailing = np.log2((digits & -digits).astype(np.float64))
    return float(np.ldexp(1.0, int((exponent - 53 + trailing).min())))


def _merge_parallel(rows: AnyArray) -> AnyArray:
    """[-g, g] + [-cg, cg] = [-(1+|c|)g, (1+|c|)g]; in the order of first appearance."""
    if len(rows) == 0:
        return rows
    directions, lengths = primitive(rows)
    first, label = distinct(directions)
    order = np.argsort(first)
    total = np.zeros(len(first), dtype=rows.dtype)
    np.add.at(total, label, np.abs(lengths))
    if len(first) == len(rows):
        return rows
    return (directions[first] * total[:, None])[order]
