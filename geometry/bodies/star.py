"""Star bodies given by any gauge: volume and shadow from directions on the sphere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bodies.ball import log_kappa
from geometry.bodies.checks import dimension
from geometry.body import Body, Seed, Symmetry
from geometry.errors import InputError
from geometry.estimate import MONTE_CARLO, STANDARD_ERRORS, Estimate

Array = NDArray[np.float64]

_DIRECTIONS = 200_000
_NUMBERS = 1 << 24
_STEP = 6e-6  # of a central difference: the cube root of the rounding
_LEAST_ACCEPTANCE = 1e-4
_LEAST_EFFECTIVE = 400


@dataclass(frozen=True, eq=False)
class StarBody(Body):
    """{x : function(x) ≤ 1} for a positively homogeneous ``function`` of rows: (..., d) to (...).

    ``gradient`` defaults to central differences. ``outer_radius``, of a ball that holds the body, is needed by
    ``sample`` alone, which rejects from that ball. Convex, or symmetric, it is taken to be only if you say so.
    """

    dim: int
    function: Callable[[Array], ArrayLike]
    gradient: Callable[[Array], ArrayLike] | None = None
    outer_radius: float | None = None
    convex: bool = False
    symmetry: Symmetry = Symmetry.NONE

    def __post_init__(self) -> None:
        dimension(self.dim)
        x = np.random.default_rng(0).normal(size=(2, self.dim))
        one, two = np.asarray(self.function(x)), np.asarray(self.function(2 * x))
        if one.shape != (2,) or not (one > 0).all() or not np.allclose(two, 2 * one, rtol=1e-9):
            raise InputError(
                "function must take rows of shape (..., dim) to positive numbers of shape (...), with "
                f"function(2 x) = 2 function(x); two points gave {one} and {two}"
            )

    def __str__(self) -> str:
        return "star body"

    def gauge(self, x: ArrayLike) -> Estimate:
        return Estimate(self.function(np.asarray(x, dtype=np.float64)))

    def gauge_gradient(self, x: ArrayLike) -> Array:
        x = np.asarray(x, dtype=np.float64)
        if self.gradient is not None:
            return np.asarray(self.gradient(x), dtype=np.float64)
        step = _STEP * np.linalg.norm(x, axis=-1)
        found = np.empty_like(x)
        for i in range(self.dim):
            moved = np.zeros_like(x)
            moved[..., i] = step
            found[..., i] = (np.asarray(self.function(x + moved)) - np.asarray(self.function(x - moved))) / (
                2 * step
            )
        return found

    @property
    def log_volume(self) -> Estimate:
        return log_volume_by_directions(self)

    def sample(self, count: int, *, seed: Seed) -> Array:
        if self.outer_radius is None:
            raise InputError("sampling a star body needs outer_radius, the radius of a ball that holds it")
        return sample_by_directions(self, count, self.outer_radius, seed=seed)

    def relative_shadow(self, v: ArrayLike) -> Estimate:
        return relative_shadow_by_directions(self, v)


def log_volume_by_directions(body: Body, *, samples: int = _DIRECTIONS, seed: Seed = 0) -> Estimate:
    """log Vol = log κ_d + log E g(θ)^-d, θ uniform on the sphere."""
    _, log_weight = _weighted_directions(body, samples, seed)
    top = log_weight.max()
    weight = np.exp(log_weight - top)
    mean = weight.mean()
    spread = weight.std(ddof=1) / np.sqrt(len(weight)) / mean
    error = np.log1p(STANDARD_ERRORS * spread) if _is_spread(weight) else np.inf
    return Estimate(log_kappa(body.dim) + top + np.log(mean), error, MONTE_CARLO)


def relative_shadow_by_directions(
    body: Body, v: ArrayLike, *, samples: int = _DIRECTIONS, seed: Seed = 0
) -> Estimate:
    """(d/2) E[w |<∇g(θ), v>|] / E[w], w = g(θ)^-d, θ uniform on the sphere."""
    v = np.asarray(v, dtype=np.float64)
    direction, log_weight = _weighted_directions(body, samples, seed)
    weight = np.exp(log_weight - log_weight.max())[:, None]
    terms = np.abs(body.gauge_gradient(direction) @ v.reshape(-1, body.dim).T)
    mean = (weight * terms).sum(axis=0) / weight.sum()
    # the delta method for a ratio of means
    spread = np.sqrt(((weight * (terms - mean)) ** 2).sum(axis=0)) / weight.sum()
    half = 0.5 * body.dim if _is_spread(weight[:, 0]) else np.inf
    if math.isinf(half):
        return Estimate(
            (0.5 * body.dim * mean).reshape(v.shape[:-1]), np.full(v.shape[:-1], np.inf), MONTE_CARLO
        )
    return Estimate(
        (half * mean).reshape(v.shape[:-1]),
        (half * STANDARD_ERRORS * spread).reshape(v.shape[:-1]),
        MONTE_CARLO,
    )


def _is_spread(weight: Array) -> bool:
    """Whether hundreds of directions matter; where a few do, as in high dimension, no error can be trusted."""
    return bool(weight.sum() ** 2 >= _LEAST_EFFECTIVE * (weight**2).sum())


def sample_by_directions(body: Body, count: int, outer_radius: float, *, seed: Seed) -> Array:
    """Uniform points: a direction is kept with probability (outer_radius · g)^-d, its radius is U^(1/d) / g."""
    generator = np.random.default_rng(seed)
    kept: list[Array] = []
    tried = found = 0
    while found < count:
        block = max(1024, min(2 * count, _NUMBERS // body.dim))
        direction = _sphere(generator, block, body.dim)
        size = body.gauge(direction).value
        if (size * outer_radius < 1).any():
            raise InputError(f"the body is not inside of the ball of outer_radius {outer_radius}")
        keep = np.log(generator.uniform(size=block)) < -body.dim * np.log(size * outer_radius)
        radius = generator.uniform(size=keep.sum()) ** (1 / body.dim) / size[keep]
        kept.append(direction[keep] * radius[:, None])
        tried, found = tried + block, found + int(keep.sum())
        if tried > 100_000 and found < _LEAST_ACCEPTANCE * tried:
            raise InputError(
                f"only {found} of {tried} points of the outer ball are in the body; too few to sample by "
                "rejection in this dimension"
            )
    return np.concatenate(kept)[:count]


def _weighted_directions(body: Body, samples: int, seed: Seed) -> tuple[Array, Array]:
    """Uniform unit vectors and log g^-d at them."""
    samples = max(1000, min(samples, _NUMBERS // body.dim))
    direction = _sphere(np.random.default_rng(seed), samples, body.dim)
    return direction, -body.dim * np.log(body.gauge(direction).value)


def _sphere(generator: np.random.Generator, count: int, dim: int) -> Array:
    x = generator.normal(size=(count, dim))
    return x / np.linalg.norm(x, axis=1, keepdims=True)
