"""Polytopes in small dimension, from vertices or from half-spaces, by way of Qhull."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from geometry.body import Body, Seed, Symmetry
from geometry.errors import InputError
from geometry.estimate import EXACT, Estimate

Array = NDArray[np.float64]

_SAME = 9  # decimals to which coplanar facets and symmetric points agree
_VOLUME = 1e-12


@dataclass(frozen=True, eq=False)
class Polytope(Body):
    """The convex hull of ``points``, shape (count, d), with the origin in its interior.

    Qhull works in float64: volumes and areas carry a relative error near 1e-13 in the dimensions where it is practical
    (d ≤ 6 or so). InputError where the hull has no interior, or the origin is not in it.
    """

    points: Array

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or not points.size or not np.isfinite(points).all():
            raise InputError(f"points must be a finite array of shape (count, dim), got shape {points.shape}")
        object.__setattr__(self, "points", points)

    @classmethod
    def symmetric(cls, points: ArrayLike) -> Polytope:
        """The hull of ``points`` and their mirror images."""
        points = np.asarray(points, dtype=np.float64)
        return cls(np.concatenate([points, -points])) if points.ndim == 2 else cls(points)

    @classmethod
    def from_halfspaces(cls, normals: ArrayLike, offsets: ArrayLike) -> Polytope:
        """{x : <a, x> ≤ b for every row a of ``normals`` and b > 0 of ``offsets``}; InputError if unbounded."""
        normals, offsets = np.asarray(normals, dtype=np.float64), np.asarray(offsets, dtype=np.float64)
        if normals.ndim != 2 or offsets.shape != normals.shape[:1]:
            raise InputError(
                "halfspaces are normals of shape (count, dim) and offsets of shape (count,), got "
                f"{normals.shape} and {offsets.shape}"
            )
        if not (offsets > 0).all():
            raise InputError("every offset must be positive: the origin lies inside")
        try:
            return cls(cls(normals / offsets[:, None]).facets)
        except InputError:
            raise InputError(
                "the halfspaces leave an unbounded set, or numbers that are not finite"
            ) from None

    def __str__(self) -> str:
        return "polytope"

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.points.shape[1]

    @cached_property
    def symmetry(self) -> Symmetry:  # type: ignore[override]
        return symmetry_of(self.vertices)

    @cached_property
    def _boundary(self) -> tuple[Array, Array]:
        """(simplices, polar vertices): the boundary cut into simplices (rows are vertices), shape (count, d, d), and
        for each the a of its hyperplane <a, x> = 1.

        Qhull may cut a facet into simplices of no volume, so the hyperplanes are its own and not solved for.
        """
        if self.dim == 1:
            ends = np.array([self.points.max(), self.points.min()])
            if not ends[0] > 0 > ends[1]:
                raise InputError("the origin must be inside the polytope")
            return ends[:, None, None], 1 / ends[:, None]
        size = np.abs(self.points).max() or 1.0  # Qhull knows one scale only
        try:
            hull = ConvexHull(self.points / size)
        except QhullError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"the polytope has no interior in dimension {self.dim}: {reason}") from None
        if not (hull.equations[:, -1] < 0).all():
            raise InputError("the origin must be inside the polytope; subtract the mean of the vertices")
        return self.points[hull.simplices], -hull.equations[:, :-1] / hull.equations[:, -1:] / size

    @property
    def simplices(self) -> Array:
        """The boundary cut into simplices, shape (count, d, d): rows are vertices."""
        return self._boundary[0]

    @cached_property
    def cones(self) -> Array:
        """Volume of the cone from the origin over each boundary simplex: |det| / d!."""
        return np.abs(np.linalg.det(self.simplices)) / math.factorial(self.dim)

    @cached_property
    def vertices(self) -> Array:
        """The vertices, each once, shape (count, d)."""
        if self.dim == 1:
            return self.simplices[:, 0]
        _ = self._boundary  # which complains in our words
        return self.points[ConvexHull(self.points / np.abs(self.points).max()).vertices]

    @cached_property
    def facets(self) -> Array:
        """The polar's vertices a: the body is {x : <a, x> ≤ 1 for all rows a}; coplanar simplices merged."""
        normals = self._boundary[1]
        _, first = np.unique(_rounded(normals), axis=0, return_index=True)
        return normals[first]

    @cached_property
    def normals(self) -> Array:
        """Rows b with relative shadow Σ |<b, v>|: ½ area · n / Vol of every simplex of the boundary, shape (count, d).

        A simplex with cone volume c and polar vertex a has area · n = d · c · a.
        """
        return 0.5 * self.dim * self._boundary[1] * (self.cones / self.cones.sum())[:, None]

    @property
    def log_volume(self) -> Estimate:
        volume = float(self.cones.sum())
        if not 0 < volume < math.inf:
            raise InputError(f"the polytope's volume is no float: {volume}; scale its points")
        return Estimate(math.log(volume), _VOLUME, EXACT)

    def gauge(self, x: ArrayLike) -> Estimate:
        return Estimate((np.asarray(x) @ self.facets.T).max(axis=-1).clip(min=0), 0.0, EXACT)

    def gauge_gradient(self, x: ArrayLike) -> Array:
        return self.facets[(np.asarray(x) @ self.facets.T).argmax(axis=-1)]

    def support_point(self, u: ArrayLike) -> Array:
        return self.vertices[(np.asarray(u) @ self.vertices.T).argmax(axis=-1)]

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """½ Σ area |<n, v>| / Vol over the facets (Cauchy)."""
        share = np.abs(np.asarray(v) @ self.normals.T).sum(axis=-1)
        return Estimate(share, _VOLUME * share, EXACT)

    def sample(self, count: int, *, seed: Seed) -> Array:
        """A cone over a boundary simplex by its volume, then a point of it: Dirichlet weights, one for the origin."""
        generator = np.random.default_rng(seed)
        which = generator.choice(len(self.cones), size=count, p=self.cones / self.cones.sum())
        weights = generator.exponential(size=(count, self.dim + 1))
        weights = weights[:, 1:] / weights.sum(axis=1, keepdims=True)
        return np.einsum("nv,nvd->nd", weights, self.simplices[which])

    @cached_property
    def mean_square(self) -> float:
        """E‖X‖₂² for X uniform on the body, exactly: a simplex with vertices 0, v_i has a closed form."""
        rows = self.simplices
        moment = (rows**2).sum(axis=(1, 2)) + (rows.sum(axis=1) ** 2).sum(axis=1)
        moment = moment / ((self.dim + 1) * (self.dim + 2))
        return float((moment * self.cones).sum() / self.cones.sum())


def symmetry_of(points: Array) -> Symmetry:
    """The symmetry of a set of points, by comparing it with its images under the generators of each group."""
    rows = _rounded(points)
    own = np.unique(rows, axis=0)

    def invariant(image: Array) -> bool:
        return np.array_equal(own, np.unique(image + 0.0, axis=0))  # + 0.0: no negative zeros

    if not invariant(-rows):
        return Symmetry.NONE
    flipped, turned, swapped = rows.copy(), np.roll(rows, 1, axis=1), rows.copy()
    flipped[:, 0] *= -1
    swapped[:, :2] = swapped[:, :2][:, ::-1]
    widths = np.abs(points).max(axis=0)
    hyperoctahedral = np.allclose(widths, widths[0], rtol=1e-9) and all(
        map(invariant, (flipped, turned, swapped))
    )
    return Symmetry.SIGNED_PERMUTATIONS if hyperoctahedral else Symmetry.CENTRAL


def _rounded(rows: Array) -> Array:
    """In units of each coordinate's largest entry: a body may be thin along one axis."""
    return np.round(rows / np.abs(rows).max(axis=0), _SAME) + 0.0
