"""How far a polytope's norm is from ℓ2 and from L₁, from above: by an ellipsoid and by a zonotope.

If N(x) ≤ ‖x‖ ≤ D N(x) for a norm N, then C_r(‖·‖) ≤ D C_r(N): once for the sum and once for the vectors. The program's
answer is a guess: N is taken from it and D computed afresh, over the vertices v and the facets a of the ball.

* N = (xᵀMx)^{1/2}: N ≤ ‖x‖ max_v (vᵀMv)^{1/2} and ‖x‖ ≤ N max_a (aᵀM⁻¹a)^{1/2}. The semidefinite program in M and
  M' ⪰ M⁻¹ finds the best M of all: the Banach-Mazur distance to ℓ2, at most √d (John 1948).
* N = Σ w_k |<g_k, x>|: N ≤ ‖x‖ max_v N(v) by convexity, and |<a, x>| ≤ N(x) where a = Σ μ_k g_k with |μ_k| ≤ w_k. The
  linear program finds the best w for the directions g that it is given.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from cotype.rademacher_sums import half_of
from geometry.polytope_norm import PolytopeNorm

Array = NDArray[np.float64]

_ROUNDING = 1e-9
_FLAT = 1e-6  # the least eigenvalue of M beside the largest, in coordinates where the ball is round
_MOST_COLUMNS = 4_000  # facets × directions of the linear program
_MOST_SIGNS = 7  # dimensions in which all sign vectors are directions


def distance_to_l2(norm: PolytopeNorm) -> float:
    """An upper bound D of the distance to ℓ2, which it is to the solver's accuracy; without cvxpy a rougher one."""
    vertices, facets = _rounded_ball(norm)
    m = _best_ellipsoid(vertices, facets)
    values, axes = np.linalg.eigh(0.5 * (m + m.T))
    values = np.maximum(values, _FLAT * values[-1])
    outside = ((vertices @ axes) ** 2 @ values).max()
    inside = ((facets @ axes) ** 2 @ (1 / values)).max()
    return math.sqrt(outside * inside) * (1 + _ROUNDING)


def distance_to_l1(norm: PolytopeNorm) -> float:
    """An upper bound of the distance to the norms of subspaces of L₁; at most that to ℓ2 for enough directions."""
    vertices, facets = _rounded_ball(norm)
    g = _directions(vertices, facets)
    mu = _best_zonotope(vertices, facets, g)
    mu = mu + (facets - mu @ g) @ np.linalg.pinv(g)  # exactly, whatever the solver returned
    weights = np.abs(mu).max(axis=0)
    return float((np.abs(vertices @ g.T) @ weights).max()) * (1 + _ROUNDING)


def _rounded_ball(norm: PolytopeNorm) -> tuple[Array, Array]:
    """Half the vertices and half the facets, in coordinates where the vertices' second moments are the identity."""
    vertices, facets = half_of(norm.ball.vertices), half_of(norm.ball.facets)
    root = np.linalg.cholesky(vertices.T @ vertices / len(vertices))
    return np.linalg.solve(root, vertices.T).T, facets @ root


def _best_ellipsoid(vertices: Array, facets: Array) -> Array:
    """M of the best ellipsoid; the identity where there is no solver."""
    dim = vertices.shape[1]
    try:
        import cvxpy as cp
    except ImportError:
        return np.eye(dim)
    m, inverse, t = cp.Variable((dim, dim), PSD=True), cp.Variable((dim, dim), PSD=True), cp.Variable()
    constraints = [
        cp.bmat([[m, np.eye(dim)], [np.eye(dim), inverse]]) >> 0,
        cp.sum(cp.multiply(vertices @ m, vertices), axis=1) <= 1,
        cp.sum(cp.multiply(facets @ inverse, facets), axis=1) <= t,
    ]
    try:
        cp.Problem(cp.Minimize(t), constraints).solve(solver=cp.CLARABEL)
    except cp.SolverError:
        return np.eye(dim)
    return np.eye(dim) if m.value is None else np.asarray(m.value)


def _directions(vertices: Array, facets: Array) -> Array:
    """The facets' normals with their sums and differences, signs in a small dimension, and random ones."""
    dim = facets.shape[1]
    most = max(4 * dim, _MOST_COLUMNS // len(facets))
    pairs = itertools.islice(itertools.combinations(facets, 2), most)
    mixed = [a + s * b for a, b in pairs for s in (1, -1)]
    signs = list(itertools.product((1.0, -1.0), repeat=dim - 1)) if dim <= _MOST_SIGNS else []
    # signs of the user's coordinates, in which balls tend to be symmetric
    mixed += [np.array([1.0, *row]) for row in signs]
    rows = np.concatenate([facets, np.array(mixed).reshape(-1, dim)])[:most]
    extra = np.random.default_rng(0).normal(size=(max(0, most - len(rows)) // 4, dim))
    rows = np.concatenate([rows, extra])
    size = np.linalg.norm(rows, axis=1)
    return rows[size > 1e-9] / size[size > 1e-9, None]


def _best_zonotope(vertices: Array, facets: Array, g: Array) -> Array:
    """μ of the least D, shape (facets, directions); least squares where the solver gives up."""
    count, k, dim = len(facets), len(g), facets.shape[1]
    # variables: μ by rows, w, D
    cost = np.zeros(count * k + k + 1)
    cost[-1] = 1
    represent = sparse.hstack([sparse.kron(sparse.eye(count), g.T), sparse.csr_matrix((count * dim, k + 1))])
    same = sparse.kron(np.ones((count, 1)), sparse.eye(k))
    zero = sparse.csr_matrix((count * k, 1))
    identity = sparse.eye(count * k)
    below = sparse.hstack([identity, -same, zero])
    above = sparse.hstack([-identity, -same, zero])
    sizes = sparse.csr_matrix(np.abs(vertices @ g.T))
    at_vertices = sparse.hstack(
        [sparse.csr_matrix((len(vertices), count * k)), sizes, -np.ones((len(vertices), 1))]
    )
    found = linprog(
        cost,
        A_ub=sparse.vstack([below, above, at_vertices]).tocsr(),
        b_ub=np.zeros(2 * count * k + len(vertices)),
        A_eq=represent.tocsr(),
        b_eq=facets.ravel(),
        bounds=[(None, None)] * (count * k) + [(0, None)] * (k + 1),
        method="highs-ipm",
    )
    return np.zeros((count, k)) if found.x is None else found.x[: count * k].reshape(count, k)
