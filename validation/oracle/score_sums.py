"""Radii of product noise against l∞, whose score is a sum S of d independent copies of Y = φ'(x₁).

With M(ζ) = E e^(ζY), continued from the upper imaginary axis into the quadrant, and any path there from 0 to ∞ on which
M^d e^(-sζ) stays small,

    f(s) = (1/π) Im ∫ M^d e^(-sζ) dζ,   P(S > s) = β/π + (1/π) Im ∫ M^d e^(-sζ) dζ/ζ,
    Φ(s) = E[S; S > s] = (1/π) Im ∫ (M^d)' e^(-sζ) dζ/ζ,

β the argument with which the path leaves 0. These are sums over the nodes of one path for all s, and `Spectrum` keeps
them. `flow` turns f, P and Φ into radii.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log
from typing import Any

import numpy as np
from flint import acb, arb, ctx

from validation.oracle.score_flow import Flow, Real, Stretch, extended, real

BITS = 192
LOWEST = 9e-10  # the least 1-ρ that is followed
FINER = 1  # divides the steps of all rules: 2 doubles the nodes, for a check


@dataclass(frozen=True)
class Spectrum:
    """Nodes ζ of a path in the quadrant with M^d dζ, M^d dζ/ζ and (M^d)' dζ/ζ there, and β/π."""

    nodes: list[Any]
    density: list[Any]
    above: list[Any]
    partial: list[Any]
    turn: Any

    def _sum(self, weights: list[Any], s: Any) -> Any:
        total = acb(0)
        for node, weight in zip(self.nodes, weights, strict=True):
            exponent = -s * node
            if exponent.real < -100:  # and all nodes further out
                break
            total += weight * exponent.exp()
        return total.imag / arb.pi()

    def f(self, s: Any) -> Any:
        """The density of S."""
        return self._sum(self.density, s)

    def mass(self, s: Any) -> Any:
        """P(S > s), s > 0."""
        return self.turn + self._sum(self.above, s)

    def phi(self, s: Any) -> Any:
        """E[S; S > s], s ≥ 0."""
        return self._sum(self.partial, s)


def half_line(step: float, start: float, stop: float) -> list[tuple[Any, Any]]:
    """(x, dx) of x = exp(t - e^-t) from about x = e^-start up to x = e^stop."""
    found = []
    for index in range(int(-log(start) / step), ceil(stop / step) + 1):
        t = arb(index) * arb(step)
        x = (t - (-t).exp()).exp()
        found.append((x, x * (1 + (-t).exp()) * arb(step)))
    return found


def _log_range(law: Any, scale: float, order: float, top: float | None) -> tuple[float, float]:
    """log s below which P(0 < S < s) ~ s^order is less than 1e-24, and log s beyond which LOWEST is not reached."""
    low = log(scale) - 56 * max(1.0, 1 / order)
    left, right = log(scale), log(scale) + 2.0 if top is None else top
    while top is None and float(law.mass(arb(right).exp())) > LOWEST / 2:
        left, right = right, right + 1
    for _ in range(12):
        middle = (left + right) / 2
        left, right = (middle, right) if float(law.mass(arb(middle).exp())) > LOWEST / 2 else (left, middle)
    return low, right


def flow(law: Any, scale: float, order: float, corners: int = 0, cuts: Sequence[float] = ()) -> Flow:
    """Panels in x = log s, cut at whole s where there are corners, or at ``cuts``, between which f changes a lot."""
    with ctx.workprec(BITS):
        low, high = _log_range(law, scale, order, log(corners) if corners else None)

        def density(base: Any, offset: Any) -> Any:
            with ctx.workprec(BITS):
                start = np.exp(base)
                whole = np.rint(start)
                start = whole if corners and abs(start - whole) < 1e-16 * start else start
                close = np.abs(offset) < 0.5  # to a corner, from which it is then measured
                anchors, steps = (
                    np.where(close, start, 0),
                    start * np.where(close, np.expm1(offset), np.exp(offset)),
                )
                points = [
                    extended(anchor) + extended(step) for anchor, step in zip(anchors, steps, strict=True)
                ]
                return np.array([real(s * law.f(s)) for s in points])

        stretches, right = [], Real(high)
        edges = [Real(m) for m in range(corners, 0, -1)]
        for upper, lower in pairwise(edges):
            if np.log(lower) >= high:
                continue
            top, bottom = min(np.log(upper), Real(high)), np.log(lower)
            middle = (top + bottom) / 2
            whole = top == np.log(upper)
            base = np.log(upper) if whole else top
            stretches.append(Stretch(base, Real(0), np.sqrt(top - middle), -1, 2))
            stretches.append(Stretch(bottom, np.sqrt(middle - bottom), Real(0), 1, 2))
            right = bottom
        first = -1 if corners else 0
        if corners:
            stretches.append(Stretch(right, Real(0), Real(1), -1, 2))
        inner = sorted((Real(log(s)) - right for s in cuts if log(s) < float(right) - 1e-9), reverse=True)
        count = int((float(right + (inner[-1] if inner else 0)) - low) / 3) + 3
        below = np.linspace(inner[-1] if inner else first, Real(low) - right, count, dtype=Real)
        ends = [Real(first), *inner[:-1], *below] if inner else list(below)
        stretches += [Stretch(right, a, b) for a, b in pairwise(ends)]
        s = arb(high).exp()
        tail = real(law.mass(s)), real(law.phi(s))
        origin = arb(low).exp()
        return Flow(density, stretches, Real(0.5), real(law.phi(origin)), tail, LOWEST)


def around(centre: float, spread: float, dim: int, reach: float) -> list[float]:
    """Where to cut between bumps of that spread about centre · (d, d-2, …), if these stand apart."""
    if spread > 2.5 * centre:
        return []
    sites = [centre * m for m in range(dim % 2, dim + 1, 2) if centre * m < reach]
    parts = (-12, -8, -4, -2, 0, 2, 4, 8, 12)
    cuts = {s + part * spread for s in sites for part in parts} | {s + centre for s in sites}
    return sorted(s for s in cuts if s > 0.2 * spread)
