"""One body of every kind in a few small dimensions, for the tests that loop over all."""

import numpy as np

from geometry.bodies import (
    Affine,
    Ball,
    Box,
    CrossPolytope,
    LinfCrystal,
    LpBall,
    Polar,
    Polytope,
    StarBody,
    Voxels,
    Zonotope,
    cube,
    ellipsoid,
)
from geometry.body import Symmetry

SHEAR = {
    2: np.array([[1.0, 0.5], [0.2, 1.5]]),
    3: np.array([[1.0, 0.5, 0], [0, 1.2, 0.3], [0.4, 0, 0.8]]),
    4: np.eye(4) + 0.3 * np.eye(4, k=1),
}
GENERATORS = {
    2: np.array([[1.0, 0], [1, 1], [0, 2], [1, -1]]),
    3: np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, -1, 0]]),
    4: np.vstack([np.eye(4), np.ones(4), [1, -1, 1, -1]]),
}


def l3(x):
    return np.linalg.vector_norm(x, ord=3, axis=-1)


def convex_bodies(dim):
    """Name to body."""
    rng = np.random.default_rng(dim)
    points = rng.normal(size=(4 * dim, dim))
    return {
        "cube": cube(dim, 0.7),
        "box": Box(np.linspace(0.5, 1.5, dim)),
        "ball": Ball(dim, 1.3),
        "cross-polytope": CrossPolytope(dim, 0.9),
        "lp-ball 1.5": LpBall(dim, 1.5, 1.1),
        "lp-ball 4": LpBall(dim, 4.0),
        "ellipsoid": ellipsoid(SHEAR[dim]),
        "moved ball": Affine(Ball(dim), SHEAR[dim], np.full(dim, 0.2)),
        "polytope": Polytope(points - points.mean(axis=0)),
        "sheared cross-polytope": Affine(CrossPolytope(dim), SHEAR[dim]),
        "zonotope": Zonotope(GENERATORS[dim]),
        "crystal": LinfCrystal(dim),
        "polar of a zonotope": Polar(Zonotope(GENERATORS[dim])),
    }


def star_bodies(dim):
    """Bodies of which only a gauge is known, or that are not convex."""
    return {
        "star body that is convex": StarBody(dim, l3, outer_radius=dim**0.2, convex=True),
        "lp-ball 0.8": LpBall(dim, 0.8),
        "pinched": StarBody(
            dim,
            lambda x: (
                np.linalg.norm(x, axis=-1) * (1.2 + x[..., 0] * x[..., 1] / ((x**2).sum(axis=-1) + 1e-300))
            ),
            outer_radius=1.5,
            symmetry=Symmetry.CENTRAL,
        ),
    }


def voxel_bodies(dim):
    rng = np.random.default_rng(dim)
    grid = rng.uniform(size=(4,) * dim) < 0.5
    cuts = np.cumsum(rng.uniform(0.3, 1, 5))
    return {"voxels": Voxels(grid), "uneven voxels": Voxels(grid, (cuts,) * dim)}
