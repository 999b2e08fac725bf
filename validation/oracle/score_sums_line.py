"""Sums of d scores of exponential-power noise with p next to 1: M along the imaginary axis, where it is real.

M(it)^d comes back near every t = πk/c, c = E|Y|, and dies out slowly. With nodes t_j = jH the sums

    f(s) = (H/π) (1/2 + Σ M_j^d cos(t_j s)),   P(S > s) = 1/2 - (H/π) (s/2 + Σ M_j^d sin(t_j s)/t_j),
    E|S-s| = π/(2H) - (4/(πH)) Σ over odd j of M_j^d cos(t_j s)/j²

are those of S folded into a period 2π/H: exact but for what lies beyond π/H. All are polynomials in e^{iHs}.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil, exp, log, pi, sqrt
from typing import Any

import numpy as np
from flint import acb, acb_poly, arb, ctx

from validation.oracle import score_sums
from validation.oracle.arith import ball
from validation.oracle.score_flow import Flow
from validation.oracle.score_sums import BITS, around, flow

FARTHEST = 0.15  # |p - 1| served here
DEPTH = 75.0  # what is left out is e^-DEPTH


class Line:
    """f, P and E[S; S > s] from the nodes on the axis."""

    def __init__(self, p: Fraction, dim: int) -> None:
        self.levels, self.masses = _levels(p, dim)
        self.slope, self.fastest = abs(1 - 1 / float(p)), _fastest(p, dim)
        sizes, weights = (np.array([float(x) for x in part]) for part in (self.levels, self.masses))
        self.centre = float(weights @ sizes)
        self.spread = sqrt(float(weights @ (sizes - self.centre) ** 2) * dim)
        # As far as sums of scores reach: by their moment generating function, of scores cut at a mass of e^-DEPTH.
        c = np.geomspace(0.01, 30, 200)[:, None] / sqrt(dim)
        c = c[c[:, 0] * sizes.max() < 300]
        log_m = np.log1p(2 * np.sinh(c * sizes / 2) ** 2 @ weights)
        self.reach = float(np.min((dim * log_m + DEPTH) / c[:, 0]))
        self.step = arb(pi / (2 * self.reach) / score_sums.FINER)
        self.power = self._powers(sizes, weights, dim)

    def _powers(self, sizes: Any, weights: Any, dim: int) -> list[Any]:
        """M_j^d, to where it stays below e^-DEPTH; what double precision shows to be less is zero."""
        step = float(self.step)
        # Many scores are normal, and one is p e^{qv}, whose transform falls like Γ(1/p + iqt).
        last = max(1.5 * sqrt(2 * DEPTH) / self.spread, self.fastest / self.slope) / step
        powers = [arb(1)]
        for first in range(1, ceil(last), 1000):
            j = np.arange(first, first + 1000)
            rough = np.cos(step * j[:, None] * sizes) @ weights
            for index in np.flatnonzero(dim * np.log(np.abs(rough) + 1e-14) > -DEPTH):
                powers += [arb(0)] * (first + int(index) - len(powers))
                powers.append(self._mean(self.step * (first + int(index))) ** dim)
        if max(abs(float(m)) for m in [arb(0), *powers[int(0.97 * last) :]]) > exp(5 - DEPTH):
            raise ValueError(f"the transform of {dim} scores does not die out by t = {last * step:.0f}")
        return powers

    def _mean(self, t: Any) -> Any:
        """M(it) = E cos(tY)."""
        mean = arb(0)
        for level, mass in zip(self.levels, self.masses, strict=True):
            mean += mass * (t * level).cos()
        return mean

    def _sum(self, weights: list[Any], s: Any) -> Any:
        return acb_poly(weights)(acb(0, self.step * s).exp())

    def f(self, s: Any) -> Any:
        """The density of S."""
        return self.step / arb.pi() * (self._sum(self.power, s).real - arb(1) / 2)

    def mass(self, s: Any) -> Any:
        """P(S > s)."""
        weights = [arb(0), *(m / (self.step * j) for j, m in enumerate(self.power[1:], start=1))]
        return arb(1) / 2 - self.step / arb.pi() * (s / 2 + self._sum(weights, s).imag)

    def phi(self, s: Any) -> Any:
        """E[S; S > s] = E(S-s)₊ + s P(S > s), and 2 E(S-s)₊ = E|S-s| - s."""
        weights = [m / j**2 if j % 2 else arb(0) for j, m in enumerate(self.power)]
        size = arb.pi() / (2 * self.step) - 4 / (arb.pi() * self.step) * self._sum(weights, s).real
        return (size - s) / 2 + s * self.mass(s)


def _fastest(p: Fraction, dim: int) -> float:
    """|q| t up to which M^d counts if one M falls like Γ(1/p + iqt), and for p < 1 a little slower."""
    return (1.5 if p > 1 else 2.2) * 2 * DEPTH / (pi * dim)


def _levels(p: Fraction, dim: int) -> tuple[list[Any], list[Any]]:
    """|Y| = p e^{qv}, v = log u, u ~ Gamma(1/p), and masses: the trapezoidal rule in v.

    Its step follows e^{it|Y|}, of frequency qt e^{qv}, to the largest t and wherever there is mass for M^d.
    """
    slope = 1 - 1 / float(p)
    fastest = _fastest(p, dim) * exp(5 * slope if slope > 0 else -slope * DEPTH / dim)
    if fastest > 400:
        raise ValueError(f"the score's transform is out of reach at p={float(p)} in {dim} dimensions")
    step, levels, masses = arb(2 * pi / (fastest + 60)) / score_sums.FINER, [], []
    shape, q = ball(1 / p), ball(1 - 1 / p)
    for index in range(int(-float(p) * 85 / float(step)), ceil(log(90) / float(step))):
        v = step * index
        levels.append(ball(p) * (q * v).exp())
        masses.append(step * (v * shape - v.exp() - shape.lgamma()).exp())
    return levels, masses


@lru_cache(maxsize=32)
def near_one_flow(p: Fraction, dim: int) -> Flow:
    """Exponential-power noise against l∞, all radii; 0 < |p - 1| < 0.15, d ≥ 2."""
    with ctx.workprec(BITS):
        line = Line(p, dim)
        return flow(line, sqrt(dim), 1.0, cuts=around(line.centre, line.spread, dim, line.reach))
