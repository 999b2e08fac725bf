"""Polar bodies {y : <x, y> ≤ 1 for all x ∈ S}: gauge and support change places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bodies.affine import Affine
from geometry.bodies.ball import Ball
from geometry.bodies.box import Box, cube
from geometry.bodies.cross_polytope import CrossPolytope
from geometry.bodies.lp_ball import LpBall
from geometry.bodies.polytope import Polytope
from geometry.bodies.star import (
    log_volume_by_directions,
    relative_shadow_by_directions,
    sample_by_directions,
)
from geometry.body import Body, Seed, Symmetry
from geometry.errors import InputError
from geometry.estimate import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Polar(Body):
    """The polar of a convex body with the origin inside; ``polar`` makes it where no closed form is known."""

    body: Body

    def __str__(self) -> str:
        return f"polar of {self.body}"

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.body.dim

    @property
    def symmetry(self) -> Symmetry:  # type: ignore[override]
        return self.body.symmetry

    def support(self, u: ArrayLike) -> Estimate:
        return self.body.gauge(u)

    def support_point(self, u: ArrayLike) -> Array:
        return self.body.gauge_gradient(u)

    def gauge(self, x: ArrayLike) -> Estimate:
        return self.body.support(x)

    def gauge_gradient(self, x: ArrayLike) -> Array:
        return self.body.support_point(x)

    @property
    def log_volume(self) -> Estimate:
        return log_volume_by_directions(self)

    def sample(self, count: int, *, seed: Seed) -> Array:
        # a ball that holds the polar: inside of the cube of its widths
        ends = np.concatenate([np.eye(self.dim), -np.eye(self.dim)])
        widths = self.support(ends).value.reshape(2, self.dim).max(axis=0)
        return sample_by_directions(self, count, float(np.linalg.norm(widths)), seed=seed)

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        return relative_shadow_by_directions(self, v)


def polar(body: Body) -> Body:
    """The polar body, in closed form where there is one. InputError for a body that is not convex."""
    if not body.convex:
        raise InputError(f"the polar of {body} is that of its convex hull; make that body first")
    match body:
        case Polar():
            return body.body
        case Ball():
            return Ball(body.dim, 1 / body.radius)
        case CrossPolytope():
            return cube(body.dim, 1 / body.radius)
        case Box() if body.symmetry is Symmetry.SIGNED_PERMUTATIONS:
            return CrossPolytope(body.dim, 1 / float(body.half_widths[0]))
        case Box():
            return Affine(CrossPolytope(body.dim), np.diag(1 / body.half_widths))
        case LpBall() if body.p > 1:
            return LpBall(body.dim, body.p / (body.p - 1), 1 / body.radius)
        case LpBall():
            return cube(body.dim, 1 / body.radius)
        case Affine(shift=None):
            return Affine(polar(body.body), np.asarray(np.linalg.inv(body.matrix).T, dtype=np.float64))
        case Polytope():
            return Polytope(body.facets)
    return Polar(body)
