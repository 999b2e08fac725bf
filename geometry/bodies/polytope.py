"""Symmetric polytopes in small dimension, from their vertices, by way of Qhull."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from geometry.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Polytope:
    """The convex hull of ``points`` and their mirror images, a body with the origin inside it.

    ``points``: shape (count, dim). Qhull works in float64: volumes and areas carry a relative error near 1e-13 in
    the dimensions where it is practical (dim ≤ 6 or so). InputError where the hull has no interior.
    """

    points: Array

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or not np.isfinite(points).all():
            raise InputError(f"points must be a finite array of shape (count, dim), got shape {points.shape}")
        object.__setattr__(self, "points", np.concatenate([points, -points]))

    @property
    def dim(self) -> int:
        return self.points.shape[1]

    @cached_property
    def _boundary(self) -> tuple[Array, Array]:
        """(simplices, polar vertices): the boundary cut into simplices (rows are vertices), shape
        (count, dim, dim), and for each the a of its hyperplane <a, x> = 1.

        Qhull may cut a facet into simplices of no volume, so the hyperplanes are its own and not solved for.
        """
        if self.dim == 1:
            end = float(np.abs(self.points).max())
            return np.array([[[end]], [[-end]]]), np.array([[1 / end], [-1 / end]])
        try:
            hull = ConvexHull(self.points)
        except QhullError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"the polytope has no interior in dimension {self.dim}: {reason}") from None
        return self.points[hull.simplices], -hull.equations[:, :-1] / hull.equations[:, -1:]

    @property
    def simplices(self) -> Array:
        """The boundary cut into simplices, shape (count, dim, dim): rows are vertices."""
        return self._boundary[0]

    @cached_property
    def cones(self) -> Array:
        """Volume of the cone from the origin over each boundary simplex: |det| / dim!."""
        return np.abs(np.linalg.det(self.simplices)) / np.prod(np.arange(1.0, self.dim + 1))

    @cached_property
    def vertices(self) -> Array:
        """The vertices, each once, shape (count, dim)."""
        if self.dim == 1:
            return self.simplices[:, 0]
        return self.points[ConvexHull(self.points).vertices]

    @cached_property
    def facets(self) -> Array:
        """The polar's vertices a: the body is {x : <a, x> ≤ 1 for all rows a}; coplanar simplices merged."""
        normals = self._boundary[1]
        size = np.abs(normals).max()
        _, first = np.unique(np.round(normals / size, 9), axis=0, return_index=True)
        return normals[first]

    @property
    def log_volume(self) -> float:
        """log Vol."""
        return float(np.log(self.cones.sum()))

    def gauge(self, x: ArrayLike) -> Array:
        """The least t ≥ 0 with x ∈ t·body, over the last axis."""
        return (np.asarray(x) @ self.facets.T).max(axis=-1)

    def support(self, u: ArrayLike) -> Array:
        """max <u, x> over the body, over the last axis."""
        return (np.asarray(u) @ self.vertices.T).max(axis=-1)

    def shadow(self, v: ArrayLike) -> Array:
        """‖v‖₂ Vol(Π_v body) = ½ Σ area |<n, v>| over the facets (Cauchy), over the last axis.

        A simplex of the boundary with cone volume c and polar vertex a has area · n = dim · c · a.
        """
        polar = self._boundary[1]
        return 0.5 * self.dim * (np.abs(np.asarray(v) @ polar.T) @ self.cones)

    @cached_property
    def mean_square(self) -> float:
        """E‖X‖₂² for X uniform on the body, exactly: a simplex with vertices 0, v_i has a closed form."""
        rows = self.simplices
        moment = (rows**2).sum(axis=(1, 2)) + (rows.sum(axis=1) ** 2).sum(axis=1)
        moment = moment / ((self.dim + 1) * (self.dim + 2))
        return float((moment * self.cones).sum() / self.cones.sum())
