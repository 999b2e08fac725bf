"""Two sides of max Σ_j |<b_j, v>| over the unit ball of a norm: local ascent below, semidefinite relaxation above.

By Cauchy and Schwarz, for any weights t > 0 with Σ t_j = 1,

    (Σ |<b_j, v>|)² ≤ <v, M v>,    M = Σ b_j b_jᵀ / t_j,

and <v, M v> ≤ <v², y> for any y with diag(y) - M ⪰ 0, so that ‖y‖ in the norm dual to that of v² bounds it: Σ y for ℓ∞,
max y for ℓ2. The best t and y are those of the relaxation max Σ √<b_j, X b_j> over X ⪰ 0 with diag(X) in the ball of v²
(Nesterov 1998); whatever the solver returns, an eigenvalue makes y feasible, so that the bound holds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.bodies import Affine, CrossPolytope, LinfCrystal, Polytope, Zonotope
from geometry.body import Body
from geometry.crystals import crystal_generators, explicit
from geometry.norms import L1, Linf, Norm
from geometry.polytope_norm import PolytopeNorm

Array = NDArray[np.float64]

_STARTS = 64
_STEPS = 200
_SAMPLED_NORMALS = 20_000
_MOST_FACETS = 6  # dimensions in which the crystal's facets are listed
_MOST_CORNERS = 10  # of a cross-polytope: 1024 facets
_SOLVED_DIM = 60  # beyond it a fixed X takes the solver's place
_SOLVED_ROWS = 4000
_ROUNDING = 1e-9
_LARGEST_EXPONENT = 200  # beyond it the solver's norm is that of the limit


def boundary_normals(body: Body) -> tuple[Array, bool]:
    """(rows b, whether they are all): relative shadow = Σ |<b, v>|, exactly or over a sample of the boundary."""
    match body:
        case Polytope():
            return _merged(body.normals), True
        case Zonotope() if body.exact:
            return body.normals, True
        case LinfCrystal() if body.dim <= _MOST_FACETS:
            return Zonotope(body.size * crystal_generators(Linf(), body.dim)).normals, True
        case CrossPolytope() if body.dim <= _MOST_CORNERS:
            return _merged(explicit(body).normals), True
        case Affine(body=Polytope() | CrossPolytope() | LinfCrystal() | Zonotope()):
            rows, exact = boundary_normals(body.body)
            return rows @ np.linalg.inv(body.matrix), exact
    count = max(1000, min(_SAMPLED_NORMALS, (1 << 24) // body.dim))
    gradient = body.gauge_gradient(body.sample(count, seed=1))
    return 0.5 * body.dim / count * gradient, False


def ascend(gradient: Callable[[Array], Array], norm: Norm, dim: int) -> Array:
    """A local maximum over the unit ball of the norm whose gradient is given, the best from many starts.

    v ← the point of the ball where <gradient(v), ·> is largest never loses, as the function is convex.
    """
    generator = np.random.default_rng(0)
    starts = max(4, min(_STARTS, (1 << 20) // dim))
    v = np.concatenate(
        [np.eye(min(dim, starts), dim), np.ones((1, dim)), generator.normal(size=(starts, dim))]
    )
    v = v / norm.value(v)[:, None]
    value = np.zeros(len(v))
    for _ in range(_STEPS):
        slope = gradient(v)
        reached = (slope * v).sum(axis=1)
        if (reached <= value * (1 + 1e-12)).all():
            break
        value, v = reached, extreme_point(norm, slope)
    return v[(gradient(v) * v).sum(axis=1).argmax()]


def extreme_point(norm: Norm, u: Array) -> Array:
    """The points of the unit ball with the largest <u, ·>, row by row."""
    if isinstance(norm, PolytopeNorm):
        return norm.ball.support_point(u)
    p = norm.exponent
    if math.isinf(p):
        return np.where(u < 0, -1.0, 1.0)
    size = np.abs(u) / np.maximum(np.abs(u).max(axis=-1, keepdims=True), np.finfo(float).tiny)
    largest = np.arange(u.shape[-1]) == size.argmax(axis=-1)[..., None]
    v = largest.astype(float) if p == 1 else size ** (1 / (p - 1))
    return np.sign(u) * v / norm.value(v)[..., None]


def sum_bound(normals: Array, norm: Norm) -> float:
    """An upper bound of max Σ |<b, v>| over the unit ball."""
    dim = normals.shape[1]
    x = np.eye(dim)
    if dim <= _SOLVED_DIM and len(normals) <= _SOLVED_ROWS:
        x = _relaxed(normals, norm)
    weight = np.sqrt(np.maximum(np.einsum("ji,ik,jk->j", normals, x, normals), 1e-300))
    weight = np.maximum(weight / weight.sum(), 1e-9 / len(weight))
    weight /= weight.sum()
    return math.sqrt(quadratic_bound((normals / weight[:, None]).T @ normals, norm))


def quadratic_bound(matrix: Array, norm: Norm) -> float:
    """An upper bound of max <v, M v> over the unit ball, M positive semidefinite."""
    if isinstance(norm, L1):
        return float(matrix.diagonal().max())
    if isinstance(norm, PolytopeNorm):
        return float(np.einsum("ji,ik,jk->j", norm.ball.vertices, matrix, norm.ball.vertices).max())
    largest = float(np.linalg.eigvalsh(matrix)[-1])
    if norm.exponent <= 2:  # the ball lies in that of ℓ2, whose bound it is
        return largest * (1 + _ROUNDING)
    dim = len(matrix)
    share = (
        1 - 2 / norm.exponent
    )  # v² lies in the ball of ℓ_{p/2}, y in that of its dual, of exponent 1/share
    candidates = [np.full(dim, largest)]
    if dim <= _SOLVED_DIM:
        y = _best_diagonal(matrix, 1 / share)
        if np.isfinite(y).all():
            candidates.append(y + max(0.0, float(np.linalg.eigvalsh(matrix - np.diag(y))[-1])))
    return min(_length(y, 1 / share) for y in candidates) * (1 + _ROUNDING)


def _length(y: Array, exponent: float) -> float:
    """‖y‖ in ℓ_exponent, however large the exponent."""
    largest = float(np.abs(y).max())
    return largest * float(np.linalg.vector_norm(y / largest, ord=exponent)) if largest else 0.0


def _relaxed(normals: Array, norm: Norm) -> Array:
    """The X of the relaxation; identity if the solver gives up, which costs sharpness and no truth."""
    import cvxpy as cp

    dim = normals.shape[1]
    size = np.linalg.norm(normals, axis=1).max()
    x = cp.Variable((dim, dim), PSD=True)
    squares = cp.sum(cp.multiply((normals / size) @ x, normals / size), axis=1)
    problem = cp.Problem(cp.Maximize(cp.sum(cp.sqrt(squares))), [_in_ball(cp.diag(x), norm)])
    try:
        _solve(problem)
    except cp.SolverError:
        return np.eye(dim)
    return np.eye(dim) if x.value is None else 0.5 * (x.value + x.value.T)


def _solve(problem: Any) -> None:
    """Solve, without warnings about accuracy: what comes back is made feasible anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver="CLARABEL")


def _in_ball(diagonal: Any, norm: Norm) -> Any:
    """The constraint that v², the diagonal, puts on X for ‖v‖ ≤ 1."""
    import cvxpy

    cp: Any = cvxpy  # whose annotations know whole exponents only
    if isinstance(norm, Linf):
        return diagonal <= 1
    return cp.sum(diagonal) <= 1 if norm.exponent <= 2.02 else cp.pnorm(diagonal, norm.exponent / 2) <= 1


def _best_diagonal(matrix: Array, exponent: float) -> Array:
    """y of the least ℓ_exponent norm with diag(y) ⪰ M, as near as the solver comes."""
    import cvxpy

    cp: Any = cvxpy
    size = float(np.abs(matrix).max())
    y = cp.Variable(len(matrix))
    length = cp.norm_inf(y) if exponent > _LARGEST_EXPONENT else cp.pnorm(y, exponent)
    problem = cp.Problem(cp.Minimize(length), [cp.diag(y) - matrix / size >> 0])
    try:
        _solve(problem)
    except cp.SolverError:
        return np.full(len(matrix), float(np.linalg.eigvalsh(matrix)[-1]))
    return np.full(len(matrix), float(np.linalg.eigvalsh(matrix)[-1])) if y.value is None else size * y.value


def _merged(normals: Array) -> Array:
    """Parallel rows added up: Σ |<b, v>| does not change, and the relaxation shrinks."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals, length = normals[length[:, 0] > 0], length[length[:, 0] > 0]
    unit = normals / length
    lead = np.take_along_axis(unit, (np.abs(unit) > 1e-9).argmax(axis=1)[:, None], axis=1)
    unit = np.round(unit * np.sign(lead), 9) + 0.0
    rows, group = np.unique(unit, axis=0, return_inverse=True)
    total = np.zeros(len(rows))
    np.add.at(total, group.ravel(), length[:, 0])
    # the rounding is of the direction only; the first member of a group gives it exactly
    first = np.full(len(rows), len(unit))
    np.minimum.at(first, group.ravel(), np.arange(len(unit)))
    return normals[first] / length[first] * total[:, None]
