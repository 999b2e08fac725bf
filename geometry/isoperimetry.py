"""Φ of a body against a norm, and the least Φ that any set of its volume can have.

Φ_B(S) = sup over v in the unit ball B of ‖v‖₂ Vol(Π_v S), at Vol(S) = 1, is how fast an adversary can take volume from
S: uniform noise on S certifies (ρ - 1/2) / Φ. For every measurable set, averaging over vertices of B and Minkowski's
first inequality give

    Φ_B(S) ≥ (d/2) Vol(Z)^(1/d),    Z the Wulff crystal, with support function E|<y, u>|, y a random vertex,

with equality for S = Z where B is symmetric enough (Yang et al. 2020, Theorem 5.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.bodies import Ball, Box, LinfCrystal
from geometry.bodies.ball import kappa_ratio, log_kappa
from geometry.body import Body, Symmetry
from geometry.crystals import wulff_crystal
from geometry.errors import InputError
from geometry.estimate import CLOSED_FORM, Estimate
from geometry.largest_shadow import largest_shadow
from geometry.norms import L1, L2, Linf, Lp, Norm

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Phi:
    """Φ of a body at unit volume, a shift that attains it, and the lower bound over all sets beside it."""

    value: Estimate
    direction: Array
    """The worst shift found, of norm 1; shape (d,)."""
    lower_bound: Estimate

    @property
    def gap(self) -> Estimate:
        """Φ over the lower bound, at least 1: how far the body is from optimal."""
        if self.value is self.lower_bound:
            return Estimate(1.0)
        gap = self.value.value / self.lower_bound.value
        low, high = self.value.lower / self.lower_bound.upper, self.value.upper / self.lower_bound.lower
        return Estimate(gap, np.maximum(high - gap, gap - low), self.value.method)


def phi(body: Body, norm: Norm) -> Phi:
    """Φ_B(S) at unit volume: the largest relative shadow, times Vol(S)^(1/d). It does not depend on the size of S."""
    worst = largest_shadow(body, norm)
    if _is_own_crystal(body, norm):  # two estimates of one number, which meet however wide they are
        least = lower_bound(norm, body.dim)
        return Phi(least, worst.direction, least)
    log_size = body.log_volume
    relative, size = worst.value, np.exp(log_size.value / body.dim)
    stretch = np.exp(log_size.error / body.dim)
    value = relative.value * size
    error = np.maximum(relative.upper * size * stretch - value, value - relative.lower * size / stretch)
    return Phi(Estimate(value, error, relative.method), worst.direction, lower_bound(norm, body.dim))


def _is_own_crystal(body: Body, norm: Norm) -> bool:
    """Whether the body is homothetic to the crystal of ℓ1, ℓ2 or ℓ∞, so that Theorem 5.2 gives its Φ."""
    match norm, body:
        case L1(), Box():
            return body.symmetry is Symmetry.SIGNED_PERMUTATIONS
        case (L2(), Ball()) | (Linf(), LinfCrystal()):
            return True
    return False


def lower_bound(norm: Norm, dim: int) -> Estimate:
    """(d/2) Vol(Z)^(1/d): no measurable set of unit volume has a smaller Φ against ``norm``.

    Against ℓp other than ℓ1, ℓ2, ℓ∞ it is the largest of those of the three balls that lie in the unit ball: a smaller
    adversary has a smaller Φ.
    """
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}")
    if isinstance(norm, L1):
        return Estimate(1.0)
    if isinstance(norm, L2):  # of the ball itself
        return Estimate(kappa_ratio(dim) * np.exp(log_kappa(dim) / dim))
    if isinstance(norm, Lp):
        inside = [(lower_bound(other, dim), norm.shrinkage(other, dim)) for other in (L1(), L2(), Linf())]
        bound, scale = max(inside, key=lambda pair: float(pair[0].lower) * pair[1])
        return Estimate(bound.value * scale, bound.error * scale, bound.method)
    crystal = wulff_crystal(norm, dim).log_volume
    low, high = (0.5 * dim * np.exp(end / dim) for end in (crystal.lower, crystal.upper))
    return (
        Estimate(0.5 * dim * np.exp(crystal.value / dim))
        if crystal.method == CLOSED_FORM
        else (Estimate.between(low, high, crystal.method))
    )
