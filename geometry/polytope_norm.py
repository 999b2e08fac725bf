"""Norms whose unit ball is any symmetric polytope, from its vertices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bodies.polytope import Polytope
from geometry.body import Symmetry
from geometry.errors import InputError
from geometry.norms import Norm

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PolytopeNorm(Norm):
    """The gauge of the convex hull of ``points`` and their mirror images, shape (count, d); in that dimension only."""

    points: Array

    name = "polytope"

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", np.asarray(self.points, dtype=np.float64))
        _ = self.ball.facets  # InputError for points that span no body

    @cached_property
    def ball(self) -> Polytope:
        """The unit ball."""
        return Polytope.symmetric(self.points)

    @property
    def dim(self) -> int:
        return self.ball.dim

    @property
    def symmetry(self) -> Symmetry:
        return self.ball.symmetry

    @property
    def dual(self) -> PolytopeNorm:
        return PolytopeNorm(self.ball.facets)

    def value(self, x: ArrayLike) -> Array:
        return self.ball.gauge(x).value

    def vertices(self, dim: int) -> Array:
        self._check(dim)
        return self.ball.vertices

    def direction(self, dim: int) -> Array:
        """The longest vertex, which is the worst shift against noise with the symmetry of the Euclidean ball."""
        vertices = self.vertices(dim)
        return vertices[np.linalg.norm(vertices, axis=1).argmax()]

    def log_volume(self, dim: int) -> float:
        self._check(dim)
        return float(self.ball.log_volume)

    def shrinkage(self, target: Norm, dim: int) -> float:
        """1 over the largest value of a facet's functional on the target's ball, which is its dual norm."""
        self._check(dim)
        return 1 / float(target.dual.value(self.ball.facets).max())

    def _check(self, dim: int) -> None:
        if dim != self.dim:
            raise InputError(f"the norm is one of dimension {self.dim}, asked for in dimension {dim}")
