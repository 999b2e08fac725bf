"""The differential method for a score that is a sum of d independent copies of one symmetric score.

That is the score of product noise along (1, …, 1), the direction that decides against ℓ∞. Its upper partial
expectation has the dual Φ(p) = min over s of E[(S-s)_+] + s p, so T(q) = 2 Φ(q/2) = min 2 E[(S-s)_+] + s q: an
approximate s errs to second order and to the sound side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.contour import contours
from smoothing.methods.score_laws import ScoreLaw, graded, normal_score, panel_ends
from smoothing.methods.signs import sum_of_signs
from smoothing.methods.tail_tables import (
    DEEP,
    Tail,
    Unresolved,
    convolve,
    panels,
    tabulate,
)
from smoothing.methods.tail_upper import UpperOfTail

Array = NDArray[np.float64]

_BELOW = 32.0  # e^-32 of the median score counts as zero
_CLEARANCE, _SEEN = 5.0, 1e-13
_SEEN_TAILS = (
    1 - 1e-14,
    1 - 1e-12,
    1 - 1e-9,
    1 - 1e-4,
    0.9,
    0.5,
    0.1,
    1e-4,
    1e-9,
    1e-18,
)  # panels end there: no step can hide
_ROUNDING = 2e-13  # of one addition, as a relative shift of s
_CHECKED = 4e-12
_MANY = 10
_MOMENTS, _SAME = 4.0, 4e-9
_USELESS = 1e-3
_MOST_CONTOUR_PANELS = 3000
_LIGHT = 12.0  # tails y^-12 end early enough for exponential tilts
_CONTOUR_CHECKED = 3e-11
_CORNERED = 12  # sums of more bounded scores need no edges at their corners
_FEW = 64  # scores, beyond which a sum has no corners to speak of
_FAR = -680.0  # log of the tail where a heavy table ends


@dataclass(frozen=True, eq=False)
class Score:
    """The law of one symmetric score without atoms: ``log_tail(τ)`` = log P(|s| > e^τ), vectorised.

    ``top`` is the largest score (inf if none), where the law may end with a jump of its density.
    ``tail_index`` α > 1 says P(|s| > y) ~ y^-α; inf for scores with exponential moments.
    """

    log_tail: Callable[[Array], Array]
    top: float = np.inf
    tail_index: float = np.inf


class SumOfScores:
    """T(q) for S = s₁ + … + s_d, tabulated once: by contour integrals for large d, by doublings for small.

    ``upper(w)`` is T(Φ_N(-w)), increased by ``accuracy``, which bounds its relative error: what the tables were
    found to be off by, between their nodes, from a finer rule or another contour, plus rounding.
    ``finite_at_certainty`` says that the radius stays finite as ρ → 1: only where the score's tail is a power.
    Where many scores keep too close to ±1 for a table, ``resolved`` is False and T is a bound from moments.
    """

    def __init__(self, score: Score, dim: int) -> None:
        self.bounded = bool(np.isfinite(score.top))
        self.finite_at_certainty = bool(np.isfinite(score.tail_index))
        self._top = dim * score.top
        self._one, self._dim = _tabulate_one(score), dim
        try:
            self.law: Tail | None = _sum({1: self._one}, dim)
        except Unresolved:
            self.law = None
        if self.law is not None and not self.law.error < _USELESS:
            self.law = None
        self.resolved = self.law is not None
        self.accuracy = 1e-12 + (2 * self.law.error if self.law is not None else 0.0)
        self._integral = None if self.law is None else UpperOfTail.of(self.law)

    def upper(self, w: Array) -> Array:
        w = np.asarray(w, dtype=np.float64)
        if self._integral is None:
            value = _from_moments(self._one, self._dim, w)
        else:
            # Where the table ends nothing is known but the largest value, which may be infinite.
            q = sp.ndtr(-w)
            value = self._integral(w, np.where(q > 0, q, 1) * self._top)
        return value * (1 + self.accuracy)


def _from_moments(one: Tail, n: int, w: Array) -> Array:
    """Bounds of T: √(n Var(s) q), and q (n log M(c) + log(2/q)) / c for every c > 0 (Donsker and Varadhan)."""
    y, mass, _ = one.sources(4)
    y, mass = y.ravel(), 2 * mass.ravel()
    q, log_q = sp.ndtr(-w), sp.log_ndtr(-w)
    square = float((mass * y * y).sum())
    bound = np.sqrt(n * square * q) if one.slope < -2.5 else np.full_like(q, np.inf)
    if np.isinf(one.slope):
        for c in np.geomspace(0.1, 300, 160) / np.sqrt(n * square):
            if c * y[-1] < 40:  # what the table drops has mass 1e-38
                log_m = float(np.log1p((mass * 2 * np.sinh(c * y / 2) ** 2).sum()))
                bound = np.minimum(bound, q * (n * log_m + np.log(2) - log_q) / c)
    return bound


def _tabulate_one(score: Score) -> Tail:
    def law(tau: Array) -> Array:
        return score.log_tail(tau) - np.log(2)

    ceiling = np.log(score.top) if np.isfinite(score.top) else 700.0
    low = _where(law, np.log(0.25), -700.0, ceiling) - _BELOW
    if 1 - np.exp(score.log_tail(np.array([low]))[0]) > _SEEN:
        low -= 6 * _CLEARANCE
    deep = ceiling if np.isfinite(score.top) else _where(law, DEEP, low, 700.0)
    heavy = np.isfinite(score.tail_index)
    high = _where(law, _FAR, deep, 700.0) if heavy else deep
    corners = (score.top,) if np.isfinite(score.top) else ()
    seen = [_where(law, np.log(tail / 2), low, deep) for tail in _SEEN_TAILS]
    edges = np.unique(np.append(panels(low, deep, high), seen))
    median = _where(law, np.log(0.25), low, deep)
    edges = np.append(edges[:-1][np.diff(edges) > 1e-6 * (deep - median)], edges[-1])
    table = tabulate(law, edges, -score.tail_index, corners, tolerance=1e-13)
    return replace(table, error=_check(table, law) + _ROUNDING)


def _sum(laws: dict[int, Tail], n: int) -> Tail:
    """The law of n scores: by contour integrals where they converge fast, else from two halves.

    Halves are as equal as can be, so that no law is narrow next to the other.
    """
    if n not in laws:
        law = _by_contours(laws[1], n) if n >= _MANY and laws[1].slope < -_LIGHT else None
        law = law or _add(_sum(laws, n // 2), _sum(laws, n - n // 2), corners=n <= _CORNERED)
        # A cluster of scores between the nodes would go unseen, were it not for its part in the variance.
        missing = abs(law.variance / (n * laws[1].variance) - 1) if laws[1].slope < -_MOMENTS else 0.0
        if not missing < _SAME:
            raise Unresolved
        laws[n] = replace(law, error=law.error + missing)
    return laws[n]


def _by_contours(one: Tail, n: int) -> Tail | None:
    lines = contours(one, n)
    if lines is None:
        return None
    # The last line is the best for a tail of 1e-38; beyond it nothing is wanted.
    edges = panels(one.edges[0], float(np.log(lines.best[-1])), -np.inf)
    try:
        law = tabulate(lines.log_tail, edges, -np.inf, most=_MOST_CONTOUR_PANELS)
    except Unresolved:
        return None
    error = _check(law, lambda tau: lines.log_tail(tau, shift=1))
    return replace(law, error=one.error + error + _ROUNDING) if error < _CONTOUR_CHECKED else None


def _where(law: Callable[[Array], Array], goal: float, low: float, high: float) -> float:
    """The largest τ in [low, high] whose tail is still above e^goal."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = bool(law(np.array([middle]))[0] > goal)
        low, high = (middle, high) if above else (low, middle)
    return low


def _add(x: Tail, y: Tail, corners: bool) -> Tail:
    """The law of X + Y, on ever finer rules until a check between the nodes agrees."""
    heavy = np.isfinite(x.slope)
    # What is left of a table stands at zero; sums are smooth only well to the right of that.
    low = max(x.edges[0], y.edges[0]) + (_CLEARANCE if max(x.atom, y.atom) > _SEEN else 0.0)
    high = float(np.logaddexp(x.edges[-1], y.edges[-1]))
    if heavy:
        high = max(x.edges[-1], y.edges[-1]) + np.log(2)
    grid = np.linspace(low if heavy else max(low, high - 16), high, 48)[:-1]
    below = convolve(x, y, grid, 1)
    deep = _first(grid, below < DEEP, high)
    high = _first(grid, below < _FAR, high) if heavy else deep
    tops = sorted({a + b for a in (0.0, *x.corners) for b in (0.0, *y.corners)} - {0.0})
    edges = panels(low, deep, high)
    if x.corners or y.corners:
        edges = np.unique(np.concatenate([edges, np.log(tops)]))
        edges = edges[edges <= deep + 1e-12]
    for split in (1, 2, 4):
        try:
            law = tabulate(
                partial(convolve, x, y, split=split), edges, x.slope, tuple(tops) if corners else ()
            )
        except Unresolved:  # by a rule too coarse, perhaps: it steps by its error where s/2 meets an edge
            if split == 4:
                raise
            continue
        error = _check(law, partial(convolve, x, y, split=2 * split))
        if error < _CHECKED:
            break
    return replace(law, error=x.error + y.error * (x is not y) + error + _ROUNDING)


def _first(grid: Array, wanted: NDArray[np.bool_], otherwise: float) -> float:
    return float(grid[wanted.argmax()]) if wanted.any() else otherwise


def _check(law: Tail, exact: Callable[[Array], Array]) -> float:
    """The largest shift of log s by which the table differs from ``exact``, off its nodes."""
    left, right = law.edges[:-1], law.edges[1:]
    keep = law(left) > -42
    tau = np.concatenate([left + share * (right - left) for share in (0.02, 0.21, 0.5, 0.93)])[
        np.tile(keep, 4)
    ]
    slope = np.maximum((law(tau) - law(tau + 1e-6)) / 1e-6, 1.0)
    return float(np.max(np.abs(law(tau) - exact(tau)) / slope))


@dataclass(frozen=True, eq=False)
class ScoreSum(ScoreLaw):
    """S = s₁ + … + s_d as a score law; its table is made when it is first asked for."""

    one: Score
    dim: int

    @cached_property
    def table(self) -> SumOfScores:
        """The law of S."""
        return SumOfScores(self.one, self.dim)

    def upper(self, w: Array) -> Array:
        return self.table.upper(w)

    @property
    def edges(self) -> Array | None:
        """Few scores that keep to ±1 are nearly a sum W of signs: corners at q = 2 P(W ≥ w), and at S = w · top."""
        if not 1 < self.dim <= _FEW:
            return None
        value, mass = sum_of_signs(self.dim)
        boundary = -sp.ndtri(2 * np.cumsum(mass[::-1])[::-1])
        corners = [boundary, graded(float(boundary[0]))]
        law = self.table.law
        if law is not None and np.isfinite(self.one.top):
            tau = np.log(value * self.one.top)
            tail = np.exp(law(tau[tau < law.edges[-1]]))
            corners.append(normal_score(2 * tail))
        return panel_ends(*corners)

    @property
    def noise(self) -> float:
        return max(1e-12, self.table.accuracy)

    @property
    def is_bounded(self) -> bool:
        return not np.isfinite(self.one.tail_index)
