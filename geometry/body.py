"""The contract of a body: a set of positive volume with the origin inside, star-shaped about it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError
from geometry.estimate import EXACT, MONTE_CARLO, STANDARD_ERRORS, Estimate

Array = NDArray[np.float64]
Seed = int | np.random.Generator

# How many boundary points stand behind a shadow by Monte Carlo, and how many numbers are held at once.
_SAMPLES = 100_000
_NUMBERS = 1 << 24


class Symmetry(IntEnum):
    """The maps that leave a body as it is; each kind holds those before it."""

    NONE = 0
    CENTRAL = 1
    SIGNED_PERMUTATIONS = 2
    ROTATIONS = 3


class Body(ABC):
    """A body S in R^d. Points and directions are rows: shape (..., d) in, shape (...) or (..., d) out.

    Contract: ``dim``, ``gauge``, ``gauge_gradient``, ``log_volume``, ``sample``; convex bodies also ``support_point``,
    and those that know better than by Monte Carlo ``relative_shadow``. Numbers come as ``Estimate``, which
    says how they were found. The final classes are frozen dataclasses.
    """

    dim: int
    convex: bool = True
    symmetry: Symmetry = Symmetry.NONE

    @abstractmethod
    def gauge(self, x: ArrayLike) -> Estimate:
        """The least t ≥ 0 with x ∈ t S."""

    @abstractmethod
    def gauge_gradient(self, x: ArrayLike) -> Array:
        """∇ gauge at x ≠ 0: constant along rays, <∇, x> = gauge(x); anywhere on a corner one of its sides.

        For a convex body this is the point of the polar body that supports x.
        """

    @property
    @abstractmethod
    def log_volume(self) -> Estimate:
        """log Vol(S)."""

    @abstractmethod
    def sample(self, count: int, *, seed: Seed) -> Array:
        """Independent uniform points of S, shape (count, dim)."""

    def support(self, u: ArrayLike) -> Estimate:
        """max <u, x> over x ∈ S."""
        return Estimate((self.support_point(u) * np.asarray(u)).sum(axis=-1), 0.0, EXACT)

    def support_point(self, u: ArrayLike) -> Array:
        """A point x of S that attains max <u, x>: the gradient of the support function."""
        raise InputError(
            f"no support function is known of this {self}: it is not convex, or given by its gauge"
        )

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether x ∈ S, up to the gauge's error."""
        return np.asarray(self.gauge(x).value <= 1.0)

    def sample_boundary(self, count: int, *, seed: Seed) -> Array:
        """Independent points of the boundary by cone measure, the directions of uniform points: x / gauge(x)."""
        x = self.sample(count, seed=seed)
        return x / self.gauge(x).value[:, None]

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        """‖v‖₂ Vol(Π_v S) / Vol(S): the share of the volume that a shift along v loses, per length, at the start.

        A norm in v for convex S. For any other body: ½ ∫ |<n, v>| over the boundary, per volume, which is the
        derivative of Vol((S + rv) \\ S) / Vol(S) at r = 0. Here by ``shadow_monte_carlo``. It stays a float in every
        dimension, where volumes do not.
        """
        return self.shadow_monte_carlo(v)

    def shadow(self, v: ArrayLike) -> Estimate:
        """‖v‖₂ Vol(Π_v S), the volume of the projection along v; convex and even in v."""
        relative, volume = self.relative_shadow(v), self.volume
        value = relative.value * volume.value
        return Estimate(value, relative.upper * volume.upper - value, relative.method)

    def shadow_monte_carlo(self, v: ArrayLike, *, samples: int = _SAMPLES, seed: Seed = 0) -> Estimate:
        """``relative_shadow`` from samples of the body and its gauge alone, by Cauchy's formula.

        It is (d/2) E|<∇gauge(θ), v>| with θ on the boundary by cone measure: the directions of uniform points do, as
        ∇gauge is constant along rays.
        """
        v = np.asarray(v, dtype=np.float64)
        rows, generator = v.reshape(-1, self.dim), np.random.default_rng(seed)
        block = max(1, min(samples, _NUMBERS // max(self.dim, len(rows))))
        total, squares, done = np.zeros(len(rows)), np.zeros(len(rows)), 0
        while done < samples:
            count = min(block, samples - done)
            normal = self.gauge_gradient(self.sample(count, seed=generator))
            terms = np.abs(normal @ rows.T)
            total, squares, done = total + terms.sum(axis=0), squares + (terms**2).sum(axis=0), done + count
        mean = total / samples
        spread = np.sqrt(np.maximum(squares / samples - mean**2, 0) / (samples - 1))
        half = 0.5 * self.dim
        return Estimate(
            (half * mean).reshape(v.shape[:-1]),
            (half * STANDARD_ERRORS * spread).reshape(v.shape[:-1]),
            MONTE_CARLO,
        )

    @property
    def volume(self) -> Estimate:
        """Vol(S); overflows to inf or 0 where only its logarithm is a float."""
        log = self.log_volume
        with np.errstate(over="ignore"):
            return Estimate(np.exp(log.value), np.exp(log.value) * np.expm1(log.error), log.method)

    @property
    def edge(self) -> float:
        """Vol(S)^(1/d), the edge of the cube of the same volume."""
        return math.exp(float(self.log_volume.value) / self.dim)
