"""Edges and faces of a polytope from which facets meet in which vertices, for facts and pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.bodies.polytope import Polytope

Array = NDArray[np.float64]

_ON = 1e-8


def incidence(body: Polytope) -> NDArray[np.bool_]:
    """Whether vertex i lies on facet j, shape (vertices, facets)."""
    return np.abs(body.vertices @ body.facets.T - 1) < _ON


def edges(body: Polytope) -> NDArray[np.intp]:
    """Pairs of vertices whose common facets meet in a line, shape (count, 2).

    Two vertices span an edge just where no third vertex lies on all facets that they share.
    """
    on = incidence(body)
    if body.dim == 1:
        return np.array([[0, 1]])
    shared = on[:, None, :] & on[None, :, :]
    count = shared.sum(axis=2)
    first, second = np.nonzero(np.triu(count >= body.dim - 1, 1))
    common = shared[first, second]
    # a vertex is on all of the common facets where it misses none
    others = (common.astype(np.int64) @ (~on).T.astype(np.int64) == 0).sum(axis=1)
    return np.stack([first, second], axis=1)[others == 2]


def f_vector(body: Polytope) -> tuple[int, ...]:
    """Numbers of faces of dimension 0, …, d-1.

    Faces are the sets of vertices that facets have in common; each is generated from the next larger ones.
    """
    on = incidence(body)
    level = {frozenset(np.flatnonzero(column)) for column in on.T}
    counts = [len(level)]
    facets = list(level)
    for dim in range(body.dim - 2, -1, -1):
        lower = {face & facet for face in level for facet in facets if face != facet}
        lower = {face for face in lower if len(face) > dim and _rank(body.vertices[sorted(face)]) == dim}
        level = lower
        counts.append(len(level))
    return tuple(counts[::-1])


def polygons(body: Polytope) -> list[Array]:
    """The facets of a three-dimensional polytope as polygons, vertices in order, each of shape (corners, 3)."""
    found = []
    for column, normal in zip(incidence(body).T, body.facets, strict=True):
        corners = body.vertices[column]
        centre = corners.mean(axis=0)
        across = corners[0] - centre
        along = np.cross(normal, across)
        angle = np.arctan2((corners - centre) @ along / np.linalg.norm(normal), (corners - centre) @ across)
        found.append(corners[np.argsort(angle)])
    return found


def _rank(points: Array) -> int:
    """The dimension of the affine hull."""
    return int(np.linalg.matrix_rank(points[1:] - points[0], tol=_ON)) if len(points) > 1 else 0
