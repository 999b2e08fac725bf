"""The largest shadow of a body over the shifts in a norm's unit ball, reached at an extreme point.

The relative shadow is a norm in v, so that its maximum over a ball is one of a convex function. One vertex stands for
all where body and ball have the same symmetries; else all vertices are tried where they can be listed; beyond that a
local search gives a lower and a relaxation an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.bodies import Affine, Ball, Box, CrossPolytope, Voxels, Zonotope
from geometry.body import Body, Symmetry
from geometry.errors import InputError
from geometry.estimate import MONTE_CARLO, Estimate
from geometry.norms import L1, L2, Linf, Lp, Norm
from geometry.polytope_norm import PolytopeNorm
from geometry.relaxation import ascend, boundary_normals, extreme_point, quadratic_bound, sum_bound
from geometry.zonotopes.flats import tractable

Array = NDArray[np.float64]

_VERTICES = 1 << 20  # at most so many are tried
_MONTE_CARLO_VERTICES = 1 << 10
_BLOCK = 1 << 12


@dataclass(frozen=True)
class LargestShadow:
    """sup ‖v‖₂ Vol(Π_v S) / Vol(S) over the unit ball, and a shift that attains the lower end."""

    value: Estimate
    direction: Array


def largest_shadow(body: Body, norm: Norm) -> LargestShadow:
    """sup over v in the unit ball of ``norm`` of the body's relative shadow, with the shift."""
    if isinstance(norm, PolytopeNorm) and norm.dim != body.dim:
        raise InputError(f"the norm is one of dimension {norm.dim}, the body of dimension {body.dim}")
    known = _canonical(body, norm)
    if known is not None:
        return LargestShadow(body.relative_shadow(known), known)
    vertices = _listed(body, norm)
    return _search(body, norm) if vertices is None else _all_of(body, vertices)


def _canonical(body: Body, norm: Norm) -> Array | None:
    """The worst shift, where it is known by symmetry or by a closed form."""
    dim = body.dim
    if body.symmetry is Symmetry.ROTATIONS or dim == 1:
        return norm.direction(dim)
    if isinstance(body, Box):  # Σ w_i |v_i| is largest where ℓp's dual norm of w says
        return _dual_point(norm, 0.5 / body.half_widths)
    if isinstance(body, Voxels):  # the same, as every face is across an axis
        return _dual_point(norm, body.relative_shadow(np.eye(dim)).value)
    if isinstance(body, CrossPolytope) and isinstance(norm, (L2, Lp)) and norm.exponent <= 2:
        return L1().direction(dim)  # h(v) ≤ ‖v‖₂ ≤ ‖v‖_p, with equality at e₁
    if isinstance(body, Affine) and isinstance(body.body, Ball) and isinstance(norm, L2):
        return np.linalg.svd(body.matrix)[0][:, -1]
    if body.symmetry is Symmetry.SIGNED_PERMUTATIONS and isinstance(norm, (L1, Linf)):
        return norm.direction(dim)
    return None


def _dual_point(norm: Norm, weights: Array) -> Array | None:
    """The v ≥ 0 of norm 1 with the largest <weights, v>, for ℓp."""
    match norm:
        case L1():
            return (np.arange(len(weights)) == weights.argmax()).astype(np.float64)
        case Linf():
            return np.ones(len(weights))
        case L2() | Lp():
            v = (weights / weights.max()) ** (1 / (norm.exponent - 1))
            return np.asarray(v / norm.value(v))
    return None


def _listed(body: Body, norm: Norm) -> Array | None:
    """The vertices of the ball, one of each pair ±v, if there are few enough for the body's way to shadows."""
    if isinstance(norm, Linf) and body.dim > _VERTICES.bit_length():
        return None
    vertices = norm.vertices(body.dim)
    if vertices is None:
        return None
    # the first coordinate that is not 0 decides between v and -v
    first = np.take_along_axis(vertices, (vertices != 0).argmax(axis=1)[:, None], axis=1)[:, 0]
    vertices = vertices[first > 0]
    cheap = body.relative_shadow(vertices[:1]).method != MONTE_CARLO
    return vertices if cheap or len(vertices) <= _MONTE_CARLO_VERTICES else None


def _all_of(body: Body, vertices: Array) -> LargestShadow:
    """Every vertex in turn. By Monte Carlo the largest mean exceeds the largest truth, within the stated error."""
    found = [body.relative_shadow(vertices[i : i + _BLOCK]) for i in range(0, len(vertices), _BLOCK)]
    lower = np.concatenate([part.lower for part in found])
    upper = np.concatenate([part.upper for part in found])
    values = np.concatenate([part.value for part in found])
    value, method = values.max(), f"{len(vertices)} vertices, {found[0].method}"
    error = max(upper.max() - value, value - lower.max())
    return LargestShadow(Estimate(value, error, method), vertices[values.argmax()])


def _search(body: Body, norm: Norm) -> LargestShadow:
    """Ascent from many starts for a lower bound, a semidefinite relaxation for an upper one."""
    if isinstance(body, Affine) and isinstance(body.body, Ball):
        inverse = np.linalg.inv(body.matrix)
        scale = float(body.body.relative_shadow(np.eye(body.dim)[0]).value)
        direction = ascend(lambda v: v @ (inverse.T @ inverse), norm, body.dim)
        reached = body.relative_shadow(direction)
        upper = scale * np.sqrt(quadratic_bound(inverse.T @ inverse, norm))
        return LargestShadow(_bracket(reached.value, upper, "ascent and relaxation"), direction)
    normals, exact = boundary_normals(body)
    if exact and tractable(*normals.shape):
        return _projection_body(normals, norm)
    direction = ascend(lambda v: np.sign(v @ normals.T) @ normals, norm, body.dim)
    reached = body.relative_shadow(direction)
    if exact:
        upper = sum_bound(normals, norm)
        return LargestShadow(_bracket(reached.value, upper, "ascent and relaxation"), direction)
    # No relaxation of a sample bounds the body; √ of the largest E<b, v>² does, up to the sampling of it.
    moment = len(normals) * normals.T @ normals
    upper = np.sqrt(quadratic_bound(moment, norm)) * (1 + (5 + 2 * np.sqrt(body.dim)) / np.sqrt(len(normals)))
    return LargestShadow(_bracket(reached.lower, upper, "ascent and relaxation, Monte Carlo"), direction)


def _projection_body(normals: Array, norm: Norm) -> LargestShadow:
    """The shadow is the support function of the zonotope Σ [-b, b], whose farthest vertex in the dual norm decides."""
    vertices = Zonotope(normals).vertices
    far = vertices[norm.dual.value(vertices).argmax()]
    direction = extreme_point(norm, far)
    return LargestShadow(
        Estimate(norm.dual.value(far), 0.0, f"{len(vertices)} vertices of the projection body"), direction
    )


def _bracket(lower: float | Array, upper: float | Array, method: str) -> Estimate:
    return Estimate.between(lower, np.maximum(lower, upper), method)
