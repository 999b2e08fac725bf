"""E‖X‖₂² for X uniform on Σ [-g, g], exactly: over the parallelotopes of a tiling (see ``tiling``)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError
from geometry.zonotopes.segments import segments
from geometry.zonotopes.tiling import heights_of

Array = NDArray[np.float64]

MOST_TILES = 2_000_000
_BLOCK = 1 << 16
_FLAT = 1e-9  # relative to the generators' lengths: a tile of no volume


def mean_square(generators: ArrayLike) -> float:
    """E‖X‖₂², to 1e-12: a tile has volume ∝ |det| and, about the origin, mean square |centre|² + Σ |g|² / 3.

    InputError where the d-subsets of the generators are more than ``MOST_TILES``, seconds of work.
    """
    reduced = segments(generators)
    rows = reduced.rows.astype(np.float64)
    count, dim = rows.shape
    if math.comb(count, dim) > MOST_TILES:
        raise InputError(
            f"{count} generators in dimension {dim} have too many tiles for an exact mean square"
        )
    heights, lengths = heights_of(rows), np.linalg.vector_norm(rows, axis=1)
    total = volume = 0.0
    for basis in _blocks(count, dim):
        det = np.abs(np.linalg.det(rows[basis]))
        solid = det > _FLAT * lengths[basis].prod(axis=1)
        basis, det = basis[solid], det[solid]
        slope = np.linalg.solve(rows[basis], heights[basis][..., None])[..., 0]
        sign = np.where(slope @ rows.T > heights, 1.0, -1.0)
        np.put_along_axis(sign, basis, 0.0, axis=1)
        square = ((sign @ rows) ** 2).sum(axis=1) + (lengths[basis] ** 2).sum(axis=1) / 3
        total, volume = total + float(det @ square), volume + float(det.sum())
    return total / volume * reduced.scale**2


def _blocks(count: int, dim: int) -> Iterator[NDArray[np.intp]]:
    subsets = combinations(range(count), dim)
    while block := list(islice(subsets, _BLOCK)):
        yield np.array(block, dtype=np.intp)
