"""Uniform points of Σ [-g, g]: one of the parallelotopes of a tiling by its volume, then a point of it.

Lift every generator to a random height. Seen from below, the lifted zonotope shows one parallelotope for each basis
J of generators; they tile the zonotope, J with volume 2^d |det J| (Shephard 1974, shephard1974; regular fine tilings,
De Loera et al. 2010, deloera2010). Which side of J's tile another generator shifts it to is a sign: the side of the
hyperplane through the lifted J on which that generator's lifted end lies.

Bases are drawn with probability |det J| / Σ|det| by a walk down the lattice of flats, from R^d to the origin: from F'
to F < F' and the generator g by which they differ with probability w_F |c(F, g)| / Σ of the same. The product of these
is |det J| for every order of J, so neither a list of subsets nor a table of determinants is needed.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.body import Seed
from geometry.errors import InputError
from geometry.zonotopes.flats import Flats, Rank, flats
from geometry.zonotopes.rows import Indices

Array = NDArray[np.float64]

_NUMBERS = 1 << 22  # held at once
_HEIGHTS = 20250  # seeds the heights: which tiling is used is no part of the sample's randomness


class Stair(NamedTuple):
    """From each flat of rank k+1 the ways down to rank k, one after another: generator and flat that remain, and the
    running sum of their weights; flat number f owns those from ``starts[f]`` to ``starts[f + 1]``."""

    generators: Indices
    flats: Indices
    sums: Array
    starts: Indices


_STAIRS: WeakKeyDictionary[Flats, list[Stair]] = WeakKeyDictionary()


def sample_zonotope(generators: ArrayLike, count: int, *, seed: Seed) -> Array:
    """``count`` independent uniform points of the zonotope Σ [-g, g] over the rows g, shape (count, d).

    Uniform up to the rounding of float64: probabilities to 1e-15, and a tile whose place a height decides by less than
    some 1e-14 may be misplaced. Heights are random, so that none should; the tests find none within 1e-10 for the
    linf crystal up to d = 6, over all 906 192 subsets. InputError where the generators do not span, or their flats
    are too many (see ``flats``).
    """
    if count != int(count) or count < 0:
        raise InputError(f"count must be a whole number of at least 0, got {count}")
    lattice, rng = flats(generators), np.random.default_rng(seed)
    rows = lattice.segments.rows.astype(np.float64)
    heights = heights_of(rows)
    out = np.empty((int(count), rows.shape[1]))
    block = max(1, _NUMBERS // max(len(rows), rows.shape[1] ** 2))
    for start in range(0, len(out), block):
        part = out[start : start + block]
        basis = random_bases(lattice, len(part), rng)
        # <g_j, y> = height_j on the basis: y is the slope of the hyperplane through the lifted basis.
        slope = np.linalg.solve(rows[basis], heights[basis][..., None])[..., 0]
        weight = np.where(slope @ rows.T > heights, 1.0, -1.0)
        np.put_along_axis(weight, basis, rng.uniform(-1, 1, basis.shape), axis=1)
        part[:] = weight @ rows
    return out * lattice.segments.scale


def heights_of(rows: Array) -> Array:
    """To where each row is lifted, always the same."""
    return np.random.default_rng(_HEIGHTS).uniform(-1, 1, len(rows)) * np.linalg.vector_norm(rows, axis=1)


def random_bases(lattice: Flats, count: int, rng: np.random.Generator) -> Indices:
    """d-subsets J of the segments' rows with probability |det J| / Σ|det|, shape (count, d)."""
    if lattice not in _STAIRS:
        _STAIRS[lattice] = [_stair(rank) for rank in reversed(lattice.ranks)]
    flat, basis = np.zeros(count, dtype=np.intp), []
    for stair in _STAIRS[lattice]:
        low, high = stair.starts[flat], stair.starts[flat + 1]
        floor, ceiling = stair.sums[low], stair.sums[high]
        at = np.searchsorted(stair.sums, floor + rng.random(count) * (ceiling - floor), side="right") - 1
        at = np.clip(at, low, high - 1)  # where rounding meets the end of a flat's own part
        basis.append(stair.generators[at])
        flat = stair.flats[at]
    return np.stack(basis, axis=1)


def _stair(rank: Rank) -> Stair:
    lower, generator = np.nonzero(rank.above >= 0)
    upper = rank.above[lower, generator]
    order = np.argsort(upper, kind="stable")
    lower, generator = lower[order], generator[order]
    weight = (rank.weights[lower] * np.abs(rank.factors[lower, generator])).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(weight)])
    return Stair(generator, lower, sums, np.concatenate([[0], np.cumsum(np.bincount(upper))]))
