"""Wulff crystals: the body whose support function is ‖u‖_* = E|<y, u>|, y uniform on the vertices of a ball.

Of all sets of their volume they lose least to an adversary with that ball, if it is symmetric enough, as those of ℓ1,
ℓ2 and ℓ∞ are (Yang et al. 2020, Theorem 5.2). For others their volume still bounds Φ of every set from below.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from geometry.bodies import Affine, Ball, Box, CrossPolytope, LinfCrystal, Polytope, Zonotope, cube
from geometry.bodies.ball import kappa_ratio
from geometry.body import Body
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, Lp, Norm
from geometry.polytope_norm import PolytopeNorm

Array = NDArray[np.float64]

# Explicit vertices: 1882 of the linf crystal at d = 5, 94 572 at d = 6, of which Qhull makes too much.
MOST_EXPLICIT = 5
_MOST_CORNERS = 12
# Directions that stand for the boundary of an ℓp ball, by dimension.
_LP_DIRECTIONS = {1: 1, 2: 360, 3: 240}


def wulff_crystal(norm: Norm, dim: int) -> Body:
    """The Wulff crystal of a norm: a cube for ℓ1, a ball for ℓ2, rhombus, rhombic dodecahedron and so on for ℓ∞, in any
    dimension; the zonotope Σ [-y, y] / |Vert(B)| for a polytope norm.

    For other ℓp, d ≤ 3, it is a zonotope that stands for a smooth body: y runs over points of the sphere that follow
    its cone measure.
    """
    match norm:
        case L1():
            return cube(dim, 1 / dim)
        case L2():  # E|<y, u>| = ‖u‖₂ E|y₁|, and κ_{d-1}/κ_d = (d/2) E|y₁|
            return Ball(dim, 2 * kappa_ratio(dim) / dim)
        case Linf():
            return LinfCrystal(dim)
        case PolytopeNorm() | Lp():
            return Zonotope(crystal_generators(norm, dim))
    raise InputError(f"no Wulff crystal is known for {norm}")


def crystal_generators(norm: Norm, dim: int) -> Array:
    """The g of the crystal Σ [-g, g], one for each pair ±y of vertices: 2 y / |Vert(B)|, shape (count, dim)."""
    if isinstance(norm, Lp):
        return lp_directions(norm, dim)
    vertices = norm.vertices(dim)
    if vertices is None:
        raise InputError(f"the Wulff crystal of {norm} is no polytope")
    first = np.take_along_axis(vertices, (vertices != 0).argmax(axis=1)[:, None], axis=1)[:, 0]
    return 2 * vertices[first > 0] / len(vertices)


def explicit(body: Body) -> Polytope:
    """The body as a polytope with vertices and facets. InputError where it is none, or has too many."""
    match body:
        case Polytope():
            return body
        case Box() if body.dim <= _MOST_CORNERS:
            return Polytope(body.half_widths * Linf().vertices(body.dim))
        case CrossPolytope():
            return Polytope(body.radius * L1().vertices(body.dim))
        case LinfCrystal() if body.dim <= MOST_EXPLICIT:
            return Polytope(body.size * Zonotope(crystal_generators(Linf(), body.dim)).vertices)
        case Zonotope():
            return Polytope(body.vertices)
        case Affine():
            points = explicit(body.body).vertices @ body.matrix.T
            return Polytope(points if body.shift is None else points + body.shift)
    raise InputError(f"{body} in dimension {body.dim} is no polytope with a list of vertices")


def lp_directions(norm: Lp, dim: int, count: int | None = None) -> Array:
    """Points of the ℓp sphere that follow its cone measure, one of each pair ±y, each over their number."""
    if dim not in _LP_DIRECTIONS:
        raise InputError(
            f"the Wulff crystal of {norm} is smooth, and drawn up to dim {max(_LP_DIRECTIONS)}; got dim {dim}"
        )
    count = count or _LP_DIRECTIONS[dim]
    if dim == 1:
        return np.ones((1, 1))
    middle = (np.arange(count) + 0.5) / count
    if dim == 2:
        directions = np.stack([np.cos(math.pi * middle), np.sin(math.pi * middle)], axis=1)
    else:  # Fibonacci's spiral over half a sphere
        turn = math.pi * (1 + math.sqrt(5)) * np.arange(count)
        ring = np.sqrt(1 - middle**2)
        directions = np.stack([ring * np.cos(turn), ring * np.sin(turn), middle], axis=1)
    weight = norm.value(directions) ** -float(dim)  # the cone measure of a direction's share
    return directions / norm.value(directions)[:, None] * (weight / weight.sum())[:, None]
