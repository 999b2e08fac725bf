"""Covariograms, the share Vol(S ∩ (S + v)) / Vol(S) that a body keeps under a shift, and the exact radius from them.

Uniform noise on S certifies ρ up to the least r at which some v of norm r leaves a share of 3/2 - ρ. For convex S the
share to the power 1/d is concave in v (Brunn and Minkowski), so that the worst v lies along a vertex of the ball.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection
from scipy.special import betainc

from geometry.bodies import Affine, Ball, Box, CrossPolytope, LinfCrystal, Polytope, Voxels, Zonotope
from geometry.body import Body, Seed, Symmetry
from geometry.crystals import MOST_EXPLICIT, explicit
from geometry.errors import InputError
from geometry.estimate import EXACT, MONTE_CARLO, STANDARD_ERRORS, Estimate
from geometry.largest_shadow import largest_shadow
from geometry.norms import L1, Linf, Norm
from geometry.overlap import OverlapCurve, overlap_share

Array = NDArray[np.float64]

_QHULL = 1e-11
_SAMPLES = 200_000
_BISECTIONS = 60


def covariogram(body: Body, v: ArrayLike, *, samples: int = _SAMPLES, seed: Seed = 0) -> Estimate:
    """Vol(S ∩ (S + v)) / Vol(S) for each row v; exact for boxes, ellipsoids, voxels and small polytopes.

    For other bodies the share of ``samples`` uniform points x with x - v in S.
    """
    lost = lost_share(body, v, samples=samples, seed=seed)
    return Estimate(1 - lost.value, lost.error, lost.method)


def lost_share(body: Body, v: ArrayLike, *, samples: int = _SAMPLES, seed: Seed = 0) -> Estimate:
    """1 - covariogram, which closed forms give to full relative accuracy for short shifts too."""
    v = np.asarray(v, dtype=np.float64)
    if v.shape[-1:] != (body.dim,):
        raise InputError(f"v must have rows of length {body.dim}, got shape {v.shape}")
    rows = v.reshape(-1, body.dim)
    polytope = _small_polytope(body)
    if polytope is not None and not isinstance(body, Box):
        lost = np.array([1 - _polytope_share(polytope, row) for row in rows])
        return Estimate(lost.reshape(v.shape[:-1]), _QHULL, EXACT)
    match body:
        case Box():
            with np.errstate(divide="ignore"):
                logs = np.log1p(-np.minimum(0.5 * np.abs(v) / body.half_widths, 1))
            return Estimate(-np.expm1(logs.sum(axis=-1)))
        case Ball():
            half = np.minimum(0.5 * np.linalg.norm(v, axis=-1) / body.radius, 1)
            return Estimate(betainc(0.5, 0.5 * (body.dim + 1), half**2))
        case Affine():
            moved = np.linalg.solve(body.matrix, v[..., None])[..., 0]
            return lost_share(body.body, moved, samples=samples, seed=seed)
        case Voxels():
            share = np.array([body.overlap(row) for row in rows]) / body.volume.value
            return Estimate((1 - share).reshape(v.shape[:-1]), 0.0, EXACT)
    x = body.sample(samples, seed=seed)
    lost = np.stack([~body.contains(x - row) for row in rows], axis=1)
    mean = Estimate.mean(lost.astype(np.float64))
    # where every point is kept or lost, the rule of three stands in for a standard error of 0
    error = np.maximum(mean.error, 15 / samples)
    return Estimate(mean.value.reshape(v.shape[:-1]), error.reshape(v.shape[:-1]), mean.method)


def overlap_radius(body: Body, norm: Norm, rho: ArrayLike) -> Estimate:
    """The exact certified radius of uniform noise on a convex body, for any shape of ρ in [1/2, 1].

    The least r over the vertices v of the norm's ball at which the share along r v falls to 3/2 - ρ. By Monte Carlo,
    where the share is, with the error that follows. InputError for a body or a ball that leaves the worst v open.
    """
    rho = np.asarray(rho, dtype=np.float64)
    if not ((rho >= 0.5) & (rho <= 1)).all():
        raise InputError("rho must lie in [1/2, 1]")
    if not body.convex:
        raise InputError(f"the worst shift of {body} is not known: it is not convex")
    radii = [_radius_along(body, direction, rho) for direction in _worst_directions(body, norm)]
    lower = np.min([radius.lower for radius in radii], axis=0)
    upper = np.min([radius.upper for radius in radii], axis=0)
    return Estimate.between(lower, upper, radii[0].method)


def _worst_directions(body: Body, norm: Norm) -> Array:
    """One vertex where symmetry makes them equal, else all that are listed."""
    shared = body.symmetry is Symmetry.ROTATIONS or (
        body.symmetry is Symmetry.SIGNED_PERMUTATIONS and isinstance(norm, (L1, Linf))
    )
    if shared:
        return norm.direction(body.dim)[None]
    vertices = norm.vertices(body.dim)
    if vertices is None:
        raise InputError(f"the worst shift of {body} against {norm} is not known")
    return vertices


def _radius_along(body: Body, direction: Array, rho: Array) -> Estimate:
    """The r at which the share lost along r · direction is ρ - 1/2."""
    polytope = _small_polytope(body)
    if polytope is not None and polytope.symmetry >= Symmetry.CENTRAL:
        radius, error = OverlapCurve(polytope, direction).radius(rho - 0.5)
        return Estimate(radius, error, EXACT)
    # Concavity of share^(1/d): 3/2 - ρ is left before r = d (1 - (3/2-ρ)^(1/d)) / rate.
    if lost_share(body, 0.0 * direction, samples=1000).method == MONTE_CARLO:
        return _radius_from_exits(body, direction, rho)
    rate = float(body.relative_shadow(direction).lower)
    last = -np.expm1(np.log1p(0.5 - rho) / body.dim) * body.dim / rate
    ends = []
    for side in ("upper", "lower"):  # the most that may be lost gives the least radius
        low, high = np.zeros_like(rho), np.array(last, dtype=np.float64)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            short = getattr(lost_share(body, middle[..., None] * direction), side) < rho - 0.5
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        ends.append(low if side == "upper" else high)
    return Estimate.between(ends[0], ends[1], EXACT)


def _radius_from_exits(body: Body, direction: Array, rho: Array, samples: int = 50_000) -> Estimate:
    """A quantile of the r at which x - r · direction leaves S, x uniform on S: it leaves for good, as S is convex."""
    x = body.sample(samples, seed=0)
    low, high = np.zeros(samples), np.full(samples, 2 * float(np.abs(x).max() / np.abs(direction).max()))
    while (still := body.contains(x - high[:, None] * direction)).any():
        high[still] *= 2
    for _ in range(_BISECTIONS // 2):
        middle = 0.5 * (low + high)
        inside = body.contains(x - middle[:, None] * direction)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    share = rho - 0.5
    spread = STANDARD_ERRORS * np.sqrt(share * (1 - share) / samples) + 15 / samples
    return Estimate.between(
        np.where(share > spread, np.quantile(low, np.maximum(share - spread, 0)), 0.0),
        np.quantile(high, np.minimum(share + spread, 1)),
        MONTE_CARLO,
    )


def _small_polytope(body: Body) -> Polytope | None:
    """The body with its vertices and facets, if it is a polytope of few dimensions."""
    if body.dim > MOST_EXPLICIT:
        return None
    match body:
        case Polytope() | CrossPolytope() | LinfCrystal() | Zonotope() | Box():
            return explicit(body)
        case Affine(shift=None) if _small_polytope(body.body) is not None:
            return explicit(body)
    return None


def uniform_radius(body: Body, norm: Norm, rho: ArrayLike) -> Estimate:
    """(ρ - 1/2) / (largest relative shadow): the sound radius of uniform noise on any body, in any dimension.

    Use its ``lower`` end.
    """
    rate = largest_shadow(body, norm).value
    share = np.asarray(rho, dtype=np.float64) - 0.5
    with np.errstate(divide="ignore"):
        return Estimate.between(share / rate.upper, share / np.maximum(rate.lower, 0), rate.method)


def _polytope_share(body: Polytope, v: Array) -> float:
    """Vol(S ∩ (S + v)) / Vol(S); by the vertex formula for symmetric bodies, else by Qhull on both sets of facets."""
    if body.dim == 1 or body.symmetry >= Symmetry.CENTRAL:
        return 1.0 if not v.any() else overlap_share(body, v)
    facets, offsets = body.facets, np.minimum(1.0, 1.0 + body.facets @ v)
    length = np.linalg.norm(facets, axis=1)
    # the centre of the largest ball inside: an interior point, or the news that there is none
    rows = np.column_stack([facets, length])
    centre = linprog(
        np.append(np.zeros(body.dim), -1.0), rows, offsets, bounds=[(None, None)] * (body.dim + 1)
    )
    if not centre.success or centre.x[-1] <= 1e-9 * body.edge:
        return 0.0
    corners = HalfspaceIntersection(np.column_stack([facets, -offsets]), centre.x[:-1]).intersections
    return float(ConvexHull(corners).volume / math.exp(float(body.log_volume)))
