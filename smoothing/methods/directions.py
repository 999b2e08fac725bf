"""Directions on the boundary of an adversary's unit ball: the worst one, and random ones."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from geometry.norms import Norm

Array = NDArray[np.float64]


def worst_direction(norm: Norm, dim: int) -> Array:
    """The shift that decides the radius for noise with the symmetries of the ball, shape (dim,)."""
    return norm.direction(dim)


def random_directions(norm: Norm, dim: int, count: int, *, seed: int) -> Array:
    """``count`` vectors of norm 1, shape (count, dim): by turns ±e_i, sign vectors brought to norm 1, generic points.

    The first two hold the vertices of the ℓ1 and ℓ∞ balls. Generic points follow the cone measure of the ℓp ball:
    independent coordinates ∝ exp(-|x|^p), divided by their norm.
    """
    generator = np.random.default_rng(seed)
    p = norm.exponent
    axes = np.zeros((-(-count // 3), dim))
    axes[np.arange(len(axes)), generator.integers(dim, size=len(axes))] = generator.choice(
        [-1.0, 1.0], len(axes)
    )
    signs = generator.choice([-1.0, 1.0], (-(-(count - 1) // 3), dim))
    shape = (count - len(axes) - len(signs), dim)
    if math.isinf(p):
        generic = generator.uniform(-1, 1, shape)
    else:
        generic = generator.gamma(1 / p, size=shape) ** (1 / p) * generator.choice([-1.0, 1.0], shape)
    found = np.empty((count, dim))
    found[0::3], found[1::3], found[2::3] = axes, signs, generic
    return found / norm.value(found)[:, None]
