"""Wulff crystals: the body whose support function is ‖u‖_* = E|<y, u>|, y uniform on the vertices of a ball."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from geometry.bodies.polytope import Array, Polytope
from geometry.errors import InputError
from geometry.norms import L1, Linf, Norm

MOST_DIMENSIONS = 5  # of the linf crystal by vertices: 1882 of them at d = 5, 94 572 at d = 6


def wulff_crystal(norm: Norm, dim: int) -> Polytope:
    """The Wulff crystal of ℓ1 (a cube) or ℓ∞ (rhombus, rhombic dodecahedron, …) as a polytope.

    It is the zonotope Σ [-y, y] / |Vert(B)| over all vertices y of the ball (Yang et al. 2020, Definition 5.1).
    InputError for norms without a finite vertex list, and for ℓ∞ beyond d = 5.
    """
    if isinstance(norm, L1):
        return cube(dim, 1 / dim)
    if not isinstance(norm, Linf):
        raise InputError(f"the Wulff crystal of {norm} is no polytope; known here: l1, linf")
    if dim > MOST_DIMENSIONS:
        raise InputError(
            f"the linf crystal is built by its vertices up to dim {MOST_DIMENSIONS}, got dim {dim}"
        )
    signs = norm.vertices(dim)
    pairs = signs[signs[:, 0] > 0]  # y and -y give the same segment, counted twice
    points = np.zeros((1, dim))
    for generator in 2 * pairs / len(signs):
        points = np.concatenate([points + generator, points - generator])
        if len(points) > 4 * dim and np.linalg.matrix_rank(points) == dim and dim > 1:
            points = points[ConvexHull(points).vertices]
    return Polytope(points)


def cube(dim: int, half: float = 1.0) -> Polytope:
    """[-half, half]^dim as a polytope."""
    return Polytope(half * _all_signs(dim))


def cross_polytope(dim: int) -> Polytope:
    """The ℓ1 ball as a polytope."""
    return Polytope(np.eye(dim))


def _all_signs(dim: int) -> Array:
    return Linf().vertices(dim)
