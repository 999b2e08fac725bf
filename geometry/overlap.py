"""Overlaps Vol(S ∩ (S + v)) / Vol(S) of a symmetric polytope with its shifts, and the shift that leaves a share.

S = {x : <a, x> ≤ 1 for all rows a of its facets}. About the middle v/2 of the two centres the overlap is

    S ∩ (S + v) = v/2 + {y : <a, y> ≤ 1 - |<a, v>| / 2},

as -a is a facet along with a. Along r v its facets move at constant speeds and its vertices on straight lines, so that
its volume is one polynomial in r, of degree dim, until a vertex meets another facet. By Lawrence's formula (1991), over
the vertices y of D facets A y = b each (a triangulation of their normals where they lie on more), for almost every c,

    Vol = Σ <c, y>^D / (D! |det A| ∏ γ),    Aᵀ γ = c,

which is that polynomial, as y is linear in r. By Brunn and Minkowski Vol^(1/D) is concave in v: {v : share ≥ s} is
convex, and a ball lies in it if its vertices do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from geometry.bodies.polytope import Polytope

Array = NDArray[np.float64]

_VOLUME = 2e-13  # relative error of a volume in these dimensions, tested
_FLAT = 1e-9  # Qhull leaves simplices of no volume
_TOUCHING = 1e-9
_SHORTEST = 1e-7  # of a piece, relative to all; what lies between takes the polynomial beside it
# Terms cancel where some γ is near 0; for complex c few are. Of these c those with the smallest terms are taken.
_DIRECTIONS = np.random.default_rng(0).normal(size=(16, 12, 2)) @ np.array([1, 1j])


def overlap_share(body: Polytope, shift: ArrayLike) -> float:
    """Vol(S ∩ (S + v)) / Vol(S) at one shift v, shape (dim,); 0 where they do not meet."""
    curve = OverlapCurve(body, np.asarray(shift, dtype=np.float64))
    if 1 - 0.5 * curve.speeds.max() <= _FLAT:  # the overlap has lost its interior
        return 0.0
    return float(curve.piece_at(1.0)[2][0])


@dataclass(frozen=True, eq=False)
class OverlapCurve:
    """The share lost along r v for r ≥ 0, up to where half of the volume is lost. For dim ≤ 5, or few facets in 6."""

    body: Polytope
    direction: Array

    @cached_property
    def speeds(self) -> Array:
        """|<a, v>| for every facet."""
        return np.abs(self.body.facets @ self.direction)

    @cached_property
    def slope(self) -> float:
        """The loss per r at r = 0, ‖v‖₂ Vol(Π_v S) / Vol(S): by concavity none is larger."""
        return float(self.body.relative_shadow(self.direction))

    def piece_at(self, r: float) -> tuple[float, float, Array]:
        """(left, right, coefficients): share = Σ coefficients_n (x - r)^n for left ≤ x ≤ right, around r."""
        facets, dim = self.body.facets, self.body.dim
        if dim == 1:
            return (
                0.0,
                2 / float(self.speeds.max()),
                np.array([1 - 0.5 * r * self.speeds[0], -0.5 * self.speeds[0]]),
            )
        offsets = 1 - 0.5 * r * self.speeds
        index = ConvexHull(facets / offsets[:, None], qhull_options="Qt Qx Q12").simplices
        det = np.abs(np.linalg.det(facets[index]))
        index, det = index[det > _FLAT * det.max()], det[det > _FLAT * det.max()]
        inverse = np.linalg.inv(facets[index])
        vertices = np.einsum("nij,nj->ni", inverse, offsets[index])
        motion = np.einsum("nij,nj->ni", inverse, -0.5 * self.speeds[index])
        left, right = self._until_contact(r, offsets - vertices @ facets.T, motion)
        c = _DIRECTIONS[:, :dim]
        weight = 1 / (math.factorial(dim) * det[:, None] * np.tensordot(inverse, c, axes=(1, 1)).prod(axis=1))
        height, growth = vertices @ c.T, motion @ c.T
        best = np.argsort(np.abs(weight * height**dim).sum(axis=0))[:3]
        weight, height, growth = weight[:, best], height[:, best], growth[:, best]
        volume = [
            math.comb(dim, n) * (weight * height ** (dim - n) * growth**n).sum(axis=0).real.mean()
            for n in range(dim + 1)
        ]
        return left, right, np.array(volume) / float(self.body.volume)

    def _until_contact(self, r: float, slack: Array, motion: Array) -> tuple[float, float]:
        """The largest interval around r in which no vertex passes a facet that it does not lie on."""
        rate = -0.5 * self.speeds - motion @ self.body.facets.T
        rate = np.where(slack > _TOUCHING, rate, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            time = -slack / rate
        before, after = time[rate > _FLAT], time[rate < -_FLAT]
        return r + float(before.max(initial=-np.inf)), r + float(after.min(initial=np.inf))

    @cached_property
    def _pieces(self) -> tuple[Array, Array, Array]:
        """(right ends, centres, coefficients of the loss about them), in the order of r."""
        # s^(1/D) ≤ 1 - c r / D by concavity, so that half of the volume is lost at this r
        last = float(self._latest(np.array(0.5)))
        found, stack = [], [(0.0, last)]
        shortest = _SHORTEST * last
        while stack:
            low, high = stack.pop()
            centre = low + 0.3 * (high - low)
            left, right, share = self.piece_at(centre)
            left, right = max(left, low), min(right, high)
            if left < shortest:  # to the origin, where the loss is r (c + …)
                share = _moved(share, -centre)
                share[:2], centre = (1.0, -self.slope), 0.0
            found.append((right, centre, np.concatenate([[1 - share[0]], -share[1:]])))
            stack += [(a, b) for a, b in ((low, left), (right, high)) if b - a > shortest]
        found.sort(key=lambda piece: piece[0])
        return (
            np.array([right for right, _, _ in found]),
            np.array([centre for _, centre, _ in found]),
            np.array([loss for _, _, loss in found]),
        )

    def loss(self, r: ArrayLike) -> Array:
        """1 - share at r ≥ 0, any shape, as long as the overlap has an interior."""
        right, centre, coefficients = self._pieces
        r = np.asarray(r, dtype=np.float64)
        piece = np.clip(np.searchsorted(right, r), 0, len(right) - 1)
        x, total = r - centre[piece], np.zeros_like(r)
        for n in range(self.body.dim, -1, -1):
            total = total * x + coefficients[piece, n]
        return total

    def radius(self, loss: ArrayLike) -> tuple[Array, Array]:
        """(r, bound on its error) at which ``loss``, in [0, 1/2], is reached: bisection on the polynomials.

        By concavity of s^(1/D) the slope of the share s = 1 - loss at r is at least s (s^(-1/D) - 1) D / r, which turns
        an error of the loss into one of r.
        """
        loss, dim = np.asarray(loss, dtype=np.float64), self.body.dim
        low, high = loss / self.slope, self._latest(loss)
        for _ in range(55):
            middle = 0.5 * (low + high)
            short = self.loss(middle) < loss
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        with np.errstate(all="ignore"):
            steepness = (1 - loss) * np.expm1(-np.log1p(-loss) / dim) * dim / low
            error = np.where(loss > 0, _VOLUME * np.minimum(1.0, 5 * loss) / steepness, 0.0)
        return low, error

    def _latest(self, loss: Array) -> Array:
        """An r at which at least this loss has occurred: D (1 - (1-loss)^(1/D)) / c."""
        return -np.expm1(np.log1p(-loss) / self.body.dim) * self.body.dim / self.slope


def _moved(coefficients: Array, by: float) -> Array:
    """The coefficients of p(x + by) in powers of x."""
    total = np.zeros(len(coefficients))
    for coefficient in coefficients[::-1]:
        total = by * total + np.concatenate([[coefficient], total[:-1]])
    return total
