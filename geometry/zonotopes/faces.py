"""The faces of Σ [-g, g], exactly for integer generators: facets, vertices, edges and how many of each dimension.

The k-faces parallel to a flat F of rank k are translates of F's own zonotope, one for each region of the arrangement
that the generators make in R^d / F (McMullen 1971, mcmullen1971). Facets are thus the flats of rank d-1, twice, and
vertices the regions of {x : <g, x> = 0}. Everything is read off the lattice of flats (geometry.zonotopes.flats), which
says what the generators must be; floats are handled within its tolerance.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, identity

from geometry.zonotopes.flats import Flats, Rank, flats, laplace
from geometry.zonotopes.rows import TOLERANCE, Indices, distinct
from geometry.zonotopes.segments import AnyArray, segments


def facets(generators: ArrayLike) -> tuple[AnyArray, AnyArray]:
    """(normals, heights): one normal u for each pair of opposite facets, the zonotope being {x : |<u, x>| ≤ height}.

    Normals, shape (count, d), are primitive integer vectors where the generators lie on a lattice, else of length 1;
    the height is Σ|<g, u>|, in the generators' units.
    """
    lattice = flats(generators)
    heights = np.abs(lattice.ranks[-1].factors).sum(axis=1)
    return normals(lattice), lattice.segments.scaled(heights)


def normals(lattice: Flats) -> AnyArray:
    """The u with <u, g> = p_F ∧ g for each flat F of rank d-1, shape (count, d)."""
    dim = lattice.segments.dim
    (columns,), (minors,) = laplace(dim, dim - 1)
    signs = np.array([(-1) ** (dim - 1 + place) for place in range(dim)])
    return lattice.ranks[-1].plucker[:, minors[columns]] * signs


def vertices(generators: ArrayLike) -> AnyArray:
    """The vertices, each once, shape (count, d): counter-clockwise in the plane, else in lexicographic order."""
    array = np.asarray(generators)
    if array.ndim == 2 and array.shape[1] == 2 and len(segments(array).rows) > 1:
        return _polygon(array)
    lattice = flats(generators)
    points = _vertices(lattice)
    return lattice.segments.scaled(points[np.lexsort(points.T[::-1])])


def edges(generators: ArrayLike) -> Indices:
    """Pairs of numbers of ``vertices(generators)`` that an edge joins, shape (count, 2).

    Two vertices are neighbours exactly if they differ by one 2g: the signs of all other generators are the same.
    """
    points, rows = vertices(generators), segments(generators)
    steps = 2 * rows.scaled(rows.rows)
    count = len(points)
    # Both ends of all candidate edges, told apart by the walk: point i, then point i + 2g for each g.
    walks = (points[None] + steps[:, None]).reshape(-1, points.shape[1])
    size = np.abs(points).max() if points.dtype == np.float64 else 1
    first, label = distinct(np.concatenate([points, walks]), TOLERANCE * size)
    known = first[label[count:]]
    start, end = np.tile(np.arange(count), len(steps)), known
    met = end < count
    pairs = np.sort(np.stack([start[met], end[met]], axis=1), axis=1)
    return pairs[np.lexsort(pairs.T[::-1])]


def f_vector(generators: ArrayLike) -> tuple[int, ...]:
    """(vertices, edges, …, facets): f_k = Σ |μ(F, G)| over flats F ⊂ G with F of rank k.

    μ is the Möbius function of the lattice of flats, and Σ_G |μ(F, G)| counts the regions of the arrangement in
    R^d / F: Zaslavsky 1975 (zaslavsky1975).
    """
    ranks = flats(generators).ranks
    sizes = [len(rank.plucker) for rank in ranks] + [1]
    covers = [
        csr_array((np.ones(len(lower), dtype=np.int64), (lower, upper)), shape=(sizes[k], sizes[k + 1]))
        for k, (lower, upper) in enumerate(_covers(rank)[:2] for rank in ranks)
    ]
    # within[i][j]: which flats of rank i lie in which of rank j
    within = [[identity(size, dtype=np.int64, format="csr")] for size in sizes]
    for i in range(len(ranks)):
        for j in range(i, len(ranks)):
            contained = within[i][-1] @ covers[j]
            contained.data[:] = 1
            within[i].append(contained)
    counts = []
    for i in range(len(ranks)):
        moebius = [within[i][0]]
        for j in range(i + 1, len(ranks) + 1):
            below = [moebius[k - i] @ within[k][j - k] for k in range(i, j)]
            moebius.append(-sum(below[1:], start=below[0]))
        counts.append(sum(int(np.abs(values.data).sum()) for values in moebius))
    return tuple(counts)


def _covers(rank: Rank) -> tuple[Indices, Indices, Indices]:
    """(lower, upper, pair): the pairs of flats with F' = F ∨ g for some g, and which one each (F, g) with g ∉ F is."""
    base = int(rank.above.max()) + 1
    lower, generator = np.nonzero(rank.above >= 0)
    keys, pair = np.unique(lower * base + rank.above[lower, generator], return_inverse=True)
    return keys // base, keys % base, pair


def _vertices(lattice: Flats) -> AnyArray:
    """Vertices of F' from those of the flats F that it covers: F's zonotope moved to either side, by ± the sum of all
    generators of F' off F, each turned to the same side. From the origin up, a vertex found from each facet on it."""
    rows = lattice.segments.rows
    size = float(np.abs(rows).astype(np.float64).sum())
    owner, points = np.zeros(1, dtype=np.intp), np.zeros((1, lattice.segments.dim), dtype=rows.dtype)
    for rank in lattice.ranks:
        lower, upper, pair = _covers(rank)
        flat, generator = np.nonzero(rank.above >= 0)
        shifts = np.zeros((len(lower), rows.shape[1]), dtype=rows.dtype)
        side = np.where(rank.factors[flat, generator] > 0, 1, -1)
        np.add.at(shifts, pair, side[:, None] * rows[generator])
        source, copies = _ragged(owner, lower, len(rank.plucker))
        moved = np.repeat(shifts, copies, axis=0)
        points = np.concatenate([points[source] + moved, points[source] - moved])
        owner = np.tile(np.repeat(upper, copies), 2)
        first, _ = distinct(np.column_stack([owner.astype(rows.dtype), points]), TOLERANCE * size)
        first = first[np.argsort(owner[first], kind="stable")]
        owner, points = owner[first], points[first]
    return points


def _ragged(owner: Indices, groups: Indices, count: int) -> tuple[Indices, Indices]:
    """(source, copies): the positions of each asked group's members within the sorted ``owner``, one after another."""
    sizes = np.bincount(owner, minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    copies = sizes[groups]
    offsets = np.repeat(starts[groups] - np.concatenate([[0], np.cumsum(copies)[:-1]]), copies)
    return offsets + np.arange(len(offsets)), copies


def _polygon(generators: AnyArray) -> AnyArray:
    """A polygon by its edges in the order of their slopes, which are compared as fractions."""
    reduced = segments(generators)
    rows = reduced.rows.copy()
    left = (rows[:, 0] < 0) | ((rows[:, 0] == 0) & (rows[:, 1] < 0))
    rows[left] *= -1

    def slope(number: int) -> tuple[bool, Fraction]:
        x, y = rows[number].tolist()
        return (False, Fraction(y) / Fraction(x)) if x else (True, Fraction(0))

    steps = 2 * rows[sorted(range(len(rows)), key=slope)]
    # From the bottom of the left side, -Σ g, along rising slopes to the opposite vertex; then the mirror image.
    lower = np.cumsum(np.concatenate([-rows.sum(axis=0)[None], steps[:-1]]), axis=0)
    return reduced.scaled(np.concatenate([lower, -lower]))
