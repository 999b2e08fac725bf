"""Radii of shaped noise whose score is S = ψ'(r) W with r and W independent and W spread out.

Cross-polytope noise against l∞: W is a sum of d fair signs. Spherical noise against l2: W is a coordinate of a uniform
direction, (1+W)/2 ~ Beta((d-1)/2, (d-1)/2). On S > 0 the density of log S is that of λ = log ψ'(r) mixed over log W.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import log
from typing import Any

import numpy as np
from flint import arb, ctx

from validation.oracle.arith import PrecisionError, ball
from validation.oracle.score_flow import Flow, Real, Stretch, real
from validation.oracle.score_levels import FAINT, Level
from validation.oracle.shells import Shell


def signs(dim: int) -> tuple[Any, Any, Any, Any]:
    """(w, P(W = w)) for the w > 0 that matter, P(W > 0) and E W⁺, of a sum W of d fair signs."""
    with ctx.workprec(256):
        whole = arb(dim + 1).lgamma() - dim * arb(2).log()
        ups = [m for m in range(dim // 2 + 1, dim + 1) if (2 * m - dim) ** 2 < 2 * (FAINT + 5) * dim]
        weights = [(whole - arb(m + 1).lgamma() - arb(dim - m + 1).lgamma()).exp() for m in ups]
        middle = (whole - 2 * arb(dim // 2 + 1).lgamma()).exp() if dim % 2 == 0 else arb(0)
        first = dim // 2 + 1
        mean = (
            whole - arb(first).lgamma() - arb(dim - first + 1).lgamma()
        ).exp()  # = first · C(d, first) 2^-d
        values = np.array([Real(2 * m - dim) for m in ups])
        return values, np.array([real(w) for w in weights]), real((1 - middle) / 2), real(mean)


def span(level: Level) -> Any:
    """What λ rises over its marks, above `top` where it is approached or turned at, else above its value at t = 0."""
    t = np.array(level.bulk())
    if level.turns:
        return level.rise(level.hump, t - level.hump)
    return level.level - level.top + level.rise(Real(0), t) if anchored(level) else level.rise(Real(0), t)


def anchored(level: Level) -> bool:
    """Whether h of the single w has to be followed up to the end of its support."""
    return level.turns or (level.bounded and level.shell.dim <= 30)


def sign_density(level: Level, logs: Any, weights: Any) -> Any:
    """h(x) = Σ P(W = w) · (density of λ at x - log w), each w only where it reaches."""
    edges = logs + (level.top if anchored(level) else level.level)
    marks = np.append(span(level), [0] if anchored(level) else [])
    low, high = marks.min(), marks.max()

    def density(base: Any, offset: Any) -> Any:
        away = base - edges  # falls with w
        first = np.searchsorted(-away, offset.min() - high)
        used = slice(int(first), int(np.searchsorted(-away, offset.max() - low, "right")))
        rise = away[used] + offset[:, None]
        total = np.zeros_like(rise)
        if anchored(level):
            inside = level.sign * rise > 0
            for t, slope in level.ends(level.sign * rise[inside]):
                total[inside] += np.exp(level.log_density(t)) / slope
        else:
            t = level.position(rise)
            inside = (t > level.left) & (t < level.right)
            t = t[inside]
            total[inside] = np.exp(level.log_density(t)) / np.abs(level.slope(t))
        return total @ weights[used]

    return density


def sign_stretches(level: Level, logs: Any) -> Iterator[Stretch]:
    """From the right: cuts at the peaks of the single w, or at the extreme level of each, where h has a root."""
    marks = span(level)
    if not anchored(level):
        marks = np.sort(marks)
        cuts = np.sort((logs[:, None] + level.level + marks).ravel())
        width, kept = (marks[3] - marks[2]) / 2, [cuts[-1]]
        for cut in cuts[-2::-1]:
            if kept[-1] - cut > width:
                kept.append(cut)
        kept.append(kept[-1] - width)
        for right, left in pairwise(kept):
            yield Stretch(right, Real(0), left - right)
        return
    edges, reach = logs + level.top, np.sqrt(np.sort(np.unique(np.abs(marks))))
    for index in range(len(edges) - 1, -1, -1):
        if level.sign > 0:
            top = np.sqrt(edges[index + 1] - edges[index]) if index + 1 < len(edges) else reach[-1]
        else:
            top = np.sqrt(edges[index] - edges[index - 1]) if index else reach[-1]
        ys = [Real(0), *[y for y in reach if y < top * 0.95], top]
        if level.sign > 0:
            ys = ys[::-1]
        for right, left in pairwise(ys):
            yield Stretch(edges[index], right, left, level.sign, 2)


@lru_cache(maxsize=64)
def sign_flow(shell: Shell) -> Flow:
    """Cross-polytope noise against l∞, all radii."""
    level = Level(shell)
    values, weights, mass, mean = signs(shell.dim)
    logs = np.log(values)
    stretches = list(sign_stretches(level, logs))
    return Flow(sign_density(level, logs, weights), stretches, mass, mean * level.mean)


@lru_cache(maxsize=8)
def unit_rule(step: int) -> tuple[Any, Any]:
    """Nodes and weights on (0, 1) that cluster doubly exponentially at both ends, small nodes in relative precision."""
    x = np.arange(-4.3 * 2**step, 4.3 * 2**step + 1, dtype=Real) / 2**step
    grown = np.exp(Real(np.pi) * np.sinh(x))
    return grown / (1 + grown), Real(np.pi) * np.cosh(x) * grown / (1 + grown) ** 2 / 2**step


def coordinate_density(level: Level, dim: int) -> Any:
    """h(x) = ∫ (density of y) · (density of log W at x - λ(y)) dy over λ(y) > x, by two doubly exponential rules."""
    with ctx.workprec(256):
        half = ball(Fraction(dim, 2))
        scale = real(half.lgamma() - (half - ball(Fraction(1, 2))).lgamma() - arb.pi().log() / 2)
    finest = [4]
    left, right, power = level.left, level.right, Real(dim - 3) / 2

    def part(start: Any, gap: Any, way: int, length: Any, z: Any = None) -> Any:
        """Over t = start + way·η, 0 < η < length, where λ(start) - x = gap; z is the distance from an extremum."""
        kept = length > 0
        start, gap, length = start[kept], gap[kept], length[kept]
        total = np.zeros(kept.shape, Real)
        for step in range(finest[0], 10):
            nodes, weights = unit_rule(step)
            eta = length[:, None] * nodes
            over = gap[:, None] + (
                level.rise(start[:, None], way * eta)
                if z is None
                else level.climb(z[kept][:, None], way * eta)
            )
            over = np.maximum(over, Real("1e-4000"))
            outer = over > 0.3
            shape = np.where(
                outer, np.log1p(-np.exp(-2 * np.where(outer, over, 1))), np.log(-np.expm1(-2 * over))
            )
            logs = level.log_density(start[:, None] + way * eta) + scale - over + power * shape
            values = np.exp(logs)
            fine, coarse = values @ weights, 2 * values[:, ::2] @ weights[::2]
            # every other node is a rule too, and the error of the fine one is about the square of the coarse one's
            if np.all(np.abs(fine - coarse) <= 1e-12 * fine + Real(1e-40)):
                finest[0] = step
                total[kept] = length * fine
                return total
        raise PrecisionError(f"an inner integral does not settle for {level.shell}")

    def density(base: Any, offset: Any) -> Any:
        if level.turns:
            away = (base - level.top) + offset
            beyond = level.sign * away > 0  # levels taken twice
            drop = np.where(beyond, level.sign * away, 1)
            ends = level.root(-1, drop), level.root(1, drop)
            pairs = []
            for side, root in zip((-1, 1), ends, strict=True):
                edge = level.hump + np.where(beyond, root, 0)
                start = np.clip(edge, left, right)
                moved = level.rise(level.hump, start - level.hump) - away
                gap = np.where((start == edge) & beyond, 0, moved)
                z = np.where(start == edge, np.where(beyond, root, 0), start - level.hump)
                if level.sign > 0:
                    pairs.append((start, gap, side, side * ((right if side > 0 else left) - start), z))
                else:
                    stop = np.clip(level.hump, left, right)
                    pairs.append((start, gap, -side, np.where(beyond, side * (start - stop), 0), z))
            return sum(part(*pair) for pair in pairs)
        up = level.slope(Real(0)) > 0
        if level.bounded:
            away = (base - level.top) + offset
            rise, edge = away + (level.top - level.level), np.full(away.shape, -np.inf, Real)
            edge[away < 0] = level.ends(-away[away < 0])[0][0]
        else:
            rise = (base - level.level) + offset
            edge = level.position(rise)
            # of a level that is not taken, all t lie above (sign 1), or none
            edge = np.where(np.isnan(edge), (-1 if up else 1) * level.sign * Real(np.inf), edge)
        start = np.maximum(edge, left) if up else np.minimum(edge, right)
        length = np.maximum(right - start if up else start - left, 0)
        start = np.where(length > 0, start, 0)
        gap = np.where(start == edge, 0, level.rise(Real(0), start) - rise)
        return part(start, gap, 1 if up else -1, length)

    return density


@lru_cache(maxsize=64)
def coordinate_flow(shell: Shell) -> Flow:
    """Spherical noise against l2, all radii."""
    dim, level = shell.dim, Level(shell)
    with ctx.workprec(256):
        half = ball(Fraction(dim, 2))
        mean = real((half.lgamma() - (half + ball(Fraction(1, 2))).lgamma()).exp() / (2 * arb.pi().sqrt()))
    origin = level.hump if level.turns else Real(0)
    ends = level.rise(origin, np.array([level.left, level.right]) - origin) + (
        level.top if level.turns else level.level
    )
    high = max(ends.max(), level.top) if level.turns else level.top if level.bounded else ends.max()
    low = (min(ends.min(), level.top) if level.turns else ends.min()) - 75 - log(dim) / 2
    if level.turns and level.sign < 0:
        high = level.top
    stretches = []
    if level.turns:
        above = np.sqrt(np.linspace(high - level.top, 0, int(high - level.top) + 2, dtype=Real))
        stretches += [Stretch(level.top, a, b, 1, 2) for a, b in pairwise(above) if a > 0]
        below = np.sqrt(np.linspace(0, level.top - low, int(level.top - low) + 2, dtype=Real))
        stretches += [Stretch(level.top, a, b, -1, 2) for a, b in pairwise(below)]
    else:
        cuts = np.sqrt(np.linspace(0, high - low, int(high - low) // 3 + 3, dtype=Real))
        stretches += [Stretch(high, a, b, -1, 2) for a, b in pairwise(cuts)]
    return Flow(coordinate_density(level, dim), stretches, Real(0.5), mean * level.mean)
