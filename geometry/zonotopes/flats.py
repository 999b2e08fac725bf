"""The lattice of flats of the generators, from the origin up: the one table behind volume, faces and samples.

A flat of rank k is a subspace spanned by generators, F, and is kept as its Plücker vector p_F: the k-minors of any
basis, divided by their common factor. With one generator more, p_F ∧ g = c·p_F', which says all at once: c = 0 when g
lies in F, else F' is the flat that both span, |c| is how much volume g adds, and the sign of c is the side of F on
which g lies within F'. Every basis of F' is counted once from each of its elements, so that

    w_F = Σ |p_J| / |p_F| over bases J ⊂ F,      (k+1) w_F' = Σ w_F |c(F, g)| over F ∨ g = F',

and the weight of R^d is Σ|det| over all d-subsets: a sum over flats, of which special generators have far fewer
than subsets. Source: Shephard 1974 (shephard1974) for the sum, Zaslavsky 1975 (zaslavsky1975) for flats and faces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from geometry.errors import InputError
from geometry.zonotopes.rows import Indices, distinct, primitive
from geometry.zonotopes.segments import AnyArray, Segments, checked, segments

# Numbers held at once, and coordinates of all the F ∨ g of one rank beyond which the lattice is refused.
_BLOCK = 1 << 22
MOST_NUMBERS = 1 << 24


@dataclass(frozen=True, eq=False)
class Rank:
    """All flats F of one rank k < d, and what each generator g does to them.

    ``plucker``: p_F, shape (m, C(d, k)); ``weights``: w_F, shape (m,); ``factors``: c(F, g), shape (m, n);
    ``above``: the number of F ∨ g within the next rank, shape (m, n), -1 where g ∈ F.
    """

    plucker: AnyArray
    weights: AnyArray
    factors: AnyArray
    above: Indices


@dataclass(frozen=True, eq=False)
class Flats:
    """The flats of ranks 0 … d-1 of some segments, and ``total`` = Σ|det| over d-subsets of their rows."""

    segments: Segments
    ranks: list[Rank]
    total: Any  # a Python int where the rows are integers, else a float


def flats(generators: ArrayLike) -> Flats:
    """The lattice of flats, remembered for the generators seen last.

    Integers are exact. Floats are handled within ``rows.TOLERANCE``: generators whose angle with a flat is below 1e-9
    lie in it. InputError beyond ``MOST_NUMBERS`` Plücker coordinates in one rank, some seconds of work.
    """
    array = checked(generators)
    if array.dtype == object:
        return _flats(array)
    return _remembered(array.tobytes(), array.shape, str(array.dtype))


def tractable(count: int, dim: int) -> bool:
    """Whether generic generators, each subset its own flat, stay within ``MOST_NUMBERS``."""
    return count * max(math.comb(count, k) * math.comb(dim, k + 1) for k in range(dim)) <= MOST_NUMBERS


@lru_cache(maxsize=8)
def _remembered(data: bytes, shape: tuple[int, int], dtype: str) -> Flats:
    return _flats(np.frombuffer(data, dtype=dtype).reshape(shape))


def _flats(generators: AnyArray) -> Flats:
    reduced = segments(generators)
    rows = reduced.rows
    ranks, weights = [], np.ones(1, dtype=rows.dtype)
    plucker = np.ones((1, 1), dtype=rows.dtype)
    for k in range(reduced.dim):
        upper, above, factors = join(plucker, rows, k)
        ranks.append(Rank(plucker, weights, factors, above))
        plucker, weights = upper, lifted(weights, above, factors, len(upper), k + 1)
        if len(upper) == 0:
            raise InputError(
                f"the generators must span R^{reduced.dim}, got rank {k}: the zonotope has no interior"
            )
    return Flats(reduced, ranks, int(weights[0]) if reduced.exact else float(weights[0]))


def lifted(weights: AnyArray, above: Indices, factors: AnyArray, count: int, share: int) -> AnyArray:
    """The weights of the next rank: Σ w_F |c(F, g)| / share over the pairs (F, g) below each of its flats."""
    total = np.zeros(count, dtype=weights.dtype)
    member = above >= 0
    np.add.at(total, above[member], (weights[:, None] * np.abs(factors))[member])
    return total / share if weights.dtype == np.float64 else total // share


def join(plucker: AnyArray, rows: AnyArray, k: int) -> tuple[AnyArray, Indices, AnyArray]:
    """(upper, above, factors): all flats F ∨ g of rank k+1, which of them each pair spans, and the c(F, g)."""
    if len(plucker) * len(rows) * math.comb(rows.shape[1], k + 1) > MOST_NUMBERS:
        raise InputError(
            f"the generators have {len(plucker)} flats of rank {k}, too many for {len(rows)} generators; "
            "take fewer generators, or Monte Carlo"
        )
    found, above, factors = [], np.full((len(plucker), len(rows)), -1), []
    offset = 0
    for start, wedge in _wedges(plucker, rows, k):
        sizes = np.linalg.vector_norm(rows, axis=1) if rows.dtype == np.float64 else 1.0
        directions, factor = primitive(wedge, sizes)
        outside = factor != 0
        first, label = distinct(directions[outside])
        found.append(directions[outside][first])
        above[start : start + len(wedge)][outside] = offset + label
        factors.append(factor)
        offset += len(first)
    candidates = np.concatenate(found)
    first, label = distinct(candidates)
    member = above >= 0
    above[member] = label[above[member]]
    return candidates[first], above, np.concatenate(factors)


def _wedges(plucker: AnyArray, rows: AnyArray, k: int) -> Iterator[tuple[int, AnyArray]]:
    """(first flat, p_F ∧ g for a block of flats and all g): Laplace's expansion along the new row g."""
    columns, minors = laplace(rows.shape[1], k)
    block = max(1, _BLOCK // max(1, len(rows) * len(columns)))
    for start in range(0, len(plucker), block):
        part = plucker[start : start + block]
        terms = (
            (-1) ** (k + place) * part[:, None, minors[:, place]] * rows[None, :, columns[:, place]]
            for place in range(k + 1)
        )
        total = next(terms)
        for term in terms:
            total = total + term
        yield start, total


@lru_cache
def laplace(dim: int, k: int) -> tuple[Indices, Indices]:
    """(columns, minors), both of shape (C(dim, k+1), k+1): the (k+1)-subsets of the columns, in lexicographic order,
    and for each element the number of the k-subset that is left without it."""
    columns = np.array(list(combinations(range(dim), k + 1)))
    number = {subset: i for i, subset in enumerate(combinations(range(dim), k))}
    minors = [
        [number[(*row[:i], *row[i + 1 :])] for i in range(k + 1)] for row in map(tuple, columns.tolist())
    ]
    return columns, np.array(minors)
