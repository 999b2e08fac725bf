"""Affine images of bodies: ellipsoids are those of the ball."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bodies.ball import Ball
from geometry.bodies.checks import square_matrix
from geometry.body import Body, Seed, Symmetry
from geometry.errors import InputError
from geometry.estimate import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine(Body):
    """A S + b. ``matrix`` A: shape (d, d), invertible; ``shift`` b: shape (d,), with the origin inside A S + b.

    A shift leaves volume and shadow as they are. Of the gauge it asks for bisection, and the body to be convex.
    """

    body: Body
    matrix: Array
    shift: Array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", square_matrix(self.matrix, "matrix"))
        if len(self.matrix) != self.body.dim:
            raise InputError(
                f"matrix must have shape ({self.body.dim}, {self.body.dim}), got {self.matrix.shape}"
            )
        if self.shift is None:
            return
        shift = np.asarray(self.shift, dtype=np.float64)
        if shift.shape != (self.dim,) or not np.isfinite(shift).all():
            raise InputError(f"shift must be a finite vector of length {self.dim}, got shape {shift.shape}")
        object.__setattr__(self, "shift", shift if shift.any() else None)
        if shift.any() and not (self.body.convex and self.body.gauge(self._inverse @ -shift).value < 1):
            raise InputError("shift must keep the origin inside, and the body must be convex")

    def __str__(self) -> str:
        return "ellipsoid" if isinstance(self.body, Ball) else f"image of {self.body}"

    @property
    def dim(self) -> int:  # type: ignore[override]
        return self.body.dim

    @property
    def convex(self) -> bool:  # type: ignore[override]
        return self.body.convex

    @property
    def symmetry(self) -> Symmetry:  # type: ignore[override]
        if self.shift is not None:
            return Symmetry.NONE
        scaled = np.array_equal(self.matrix, self.matrix[0, 0] * np.eye(self.dim))
        return self.body.symmetry if scaled else min(self.body.symmetry, Symmetry.CENTRAL)

    @cached_property
    def _inverse(self) -> Array:
        return np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)

    def support(self, u: ArrayLike) -> Estimate:
        inner = self.body.support(np.asarray(u) @ self.matrix)
        moved = 0.0 if self.shift is None else np.asarray(u) @ self.shift
        return Estimate(inner.value + moved, inner.error, inner.method)

    def support_point(self, u: ArrayLike) -> Array:
        point = self.body.support_point(np.asarray(u) @ self.matrix) @ self.matrix.T
        return point if self.shift is None else point + self.shift

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        moved = np.asarray(x, dtype=np.float64) - (0.0 if self.shift is None else self.shift)
        return self.body.contains(moved @ self._inverse.T)

    def gauge(self, x: ArrayLike) -> Estimate:
        """gauge_S(A⁻¹ x); with a shift the t at which gauge_S(A⁻¹ (x - t b)) = t."""
        y = np.asarray(x, dtype=np.float64) @ self._inverse.T
        if self.shift is None:
            return self.body.gauge(y)
        b = self._inverse @ self.shift
        # t - gauge(y - t b) rises with slope at least 1 - gauge(-b) > 0
        slope = 1 - float(self.body.gauge(-b).value)
        low = np.zeros(y.shape[:-1])
        high = self.body.gauge(y).value / slope
        for _ in range(60):
            t = 0.5 * (low + high)
            inside = self.body.gauge(y - t[..., None] * b).value <= t
            low, high = np.where(inside, low, t), np.where(inside, t, high)
        return Estimate.between(low, high, "bisection")

    def gauge_gradient(self, x: ArrayLike) -> Array:
        y = np.asarray(x, dtype=np.float64) @ self._inverse.T
        if self.shift is None:
            return self.body.gauge_gradient(y) @ self._inverse
        # differentiate gauge_S(A⁻¹ (x - t b)) = t for t(x)
        b, t = self._inverse @ self.shift, self.gauge(x).value[..., None]
        inner = self.body.gauge_gradient(y - t * b)
        return inner @ self._inverse / (1 + inner @ b)[..., None]

    @property
    def log_volume(self) -> Estimate:
        inner = self.body.log_volume
        return Estimate(inner.value + np.linalg.slogdet(self.matrix)[1], inner.error, inner.method)

    def sample(self, count: int, *, seed: Seed) -> Array:
        x = self.body.sample(count, seed=seed) @ self.matrix.T
        return x if self.shift is None else x + self.shift

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """That of S along A⁻¹ v: shares of volume do not change under A."""
        return self.body.relative_shadow(np.asarray(v) @ self._inverse.T)


def ellipsoid(matrix: ArrayLike) -> Affine:
    """A B₂, the image of the unit ball. ``matrix`` A: shape (d, d), invertible."""
    matrix = square_matrix(matrix, "matrix")
    return Affine(Ball(len(matrix)), matrix)
