"""Boxes: the cube, which is the Wulff crystal of ℓ1, and its images under stretching of the axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bodies.checks import positive
from geometry.body import Body, Seed, Symmetry
from geometry.estimate import Estimate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Box(Body):
    """{x : |x_i| ≤ h_i}. ``half_widths``: shape (d,), positive."""

    half_widths: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "half_widths", positive(self.half_widths, "half_widths"))

    def __str__(self) -> str:
        return "cube" if self.symmetry is Symmetry.SIGNED_PERMUTATIONS else "box"

    @property
    def dim(self) -> int:  # type: ignore[override]
        return len(self.half_widths)

    @property
    def symmetry(self) -> Symmetry:  # type: ignore[override]
        equal = bool((self.half_widths == self.half_widths[0]).all())
        return Symmetry.SIGNED_PERMUTATIONS if equal else Symmetry.CENTRAL

    def support(self, u: ArrayLike) -> Estimate:
        return Estimate(np.abs(u) @ self.half_widths)

    def support_point(self, u: ArrayLike) -> Array:
        return np.where(np.asarray(u) < 0, -self.half_widths, self.half_widths)

    def gauge(self, x: ArrayLike) -> Estimate:
        return Estimate((np.abs(x) / self.half_widths).max(axis=-1))

    def gauge_gradient(self, x: ArrayLike) -> Array:
        x = np.asarray(x, dtype=np.float64)
        largest = (np.abs(x) / self.half_widths).argmax(axis=-1)[..., None]
        gradient = np.zeros_like(x)
        side = np.sign(np.take_along_axis(x, largest, axis=-1)) / self.half_widths[largest]
        np.put_along_axis(gradient, largest, side, axis=-1)
        return gradient

    @property
    def log_volume(self) -> Estimate:
        return Estimate(np.log(2 * self.half_widths).sum())

    def sample(self, count: int, *, seed: Seed) -> Array:
        return np.random.default_rng(seed).uniform(-1, 1, (count, self.dim)) * self.half_widths

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """Σ |v_i| / (2 h_i)."""
        return Estimate(np.abs(v) @ (0.5 / self.half_widths))


def cube(dim: int, half: float = 1.0) -> Box:
    """[-half, half]^dim."""
    return Box(np.full(dim, half))
