"""Scores that are a product of two independent laws: S = R W, as shaped noise has them.

R = ψ'(r) ≥ 0 is the radial score; W = <v, ∇g(θ)> belongs to shape and adversary. With the level functions of R,
m(ℓ) = P(R > ℓ) and M(ℓ) = E[R; R > ℓ],

    P(S > s) = E[m(s/W); W > 0],      E[(S - s)₊] = E[W (M(ℓ) - ℓ m(ℓ)); W > 0],   ℓ = s/W.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.differential import EDGES
from smoothing.methods.score_laws import TailLaw, graded, normal_score, panel_ends
from smoothing.methods.signs import sum_of_signs
from smoothing.special import gauss_legendre, log_gamma_ratio

Array = NDArray[np.float64]

_BLOCK = 1 << 20  # products of levels and values of W held at once
_UNSEEN = 1e-30
_MOST_CORNERS = 30
_LEAST = 1e-12  # of the mean of R: lower levels are as good as zero
_APART = 3.5


@dataclass(frozen=True)
class RadialScore:
    """The law of R = ψ'(r) by its levels."""

    above: Callable[[Array, bool], tuple[Array, Array]]
    """ℓ > 0 to (P(R > ℓ), E[R; R > ℓ]); without ``mean`` the second is not computed, and means nothing."""
    mean: float
    """E R."""
    range: tuple[float, float]
    """Levels that R leaves with a probability below 1e-30: (0, inf) where unknown."""
    levels: tuple[float, ...] = ()
    """Levels between which m is smooth: R at normal scores one apart, and its bound or inner extremum."""
    scores: Callable[[Array], Array] | None = None
    """R at normal scores of the radius."""
    bottom: float = 0.0
    """The least R."""
    top: float = np.inf
    """The largest R."""
    is_bounded: bool = False
    """Whether ∫ dq/T(q) diverges for R."""


class _Mixture(TailLaw):
    radial: RadialScore

    @property
    def is_bounded(self) -> bool:
        return self.radial.is_bounded

    def upper(self, w: Array) -> Array:
        return np.minimum(super().upper(w), self.widest * self.radial.top * sp.ndtr(-w))

    @property
    @abstractmethod
    def widest(self) -> float:
        """The largest W."""

    def tail(self, s: Array) -> Array:
        return self._both(np.asarray(s, dtype=np.float64), mean=False)[0]

    def excess(self, s: Array) -> Array:
        return self._both(np.asarray(s, dtype=np.float64), mean=True)[1]

    @abstractmethod
    def _both(self, s: Array, mean: bool) -> tuple[Array, Array]:
        """(P(S > s), E[(S - s)₊]); without ``mean`` the second means nothing."""


@dataclass(frozen=True, eq=False)
class SignsMixture(_Mixture):
    """W = σ₁ + … + σ_d, fair signs: a cross-polytope against ℓ∞.

    Only values of W near s/R matter one by one: those far above contribute their means, by cumulative sums, and those
    far below nothing. So the cost is that of R's spread, 1/√d, and not of W's.
    """

    radial: RadialScore
    dim: int

    @cached_property
    def _signs(self) -> tuple[Array, Array, Array, Array]:
        """(values, masses) of W > 0, ascending, and the sums of mass and of mass · value from each one on."""
        value, mass = sum_of_signs(self.dim)
        keep = mass > _UNSEEN * mass[0]
        value, mass = value[keep], mass[keep]

        def beyond(x: Array) -> Array:
            return np.append(np.cumsum(x[::-1])[::-1], 0.0)

        return value, mass, beyond(mass), beyond(mass * value)

    @property
    def widest(self) -> float:
        return float(self.dim)

    @property
    def _spread(self) -> float:
        """The standard deviation of log R, about."""
        low, high = np.log(self.radial.scores(np.array([-1.0, 1.0]))) if self.radial.scores else (0.0, 0.0)
        return max(0.5 * abs(float(high - low)), 1e-9)

    @property
    def size(self) -> float:
        return 2 * self.radial.mean * float(self._signs[3][0])

    @property
    def edges(self) -> Array:
        """Between q = 2 P(W ≥ w) for two neighbouring w, most of the mass has the same W, as long as R w spreads less
        than W steps. s grows like a root of q at the first of them, below which S = 0. R may have a least and a
        largest value.
        """
        value, _, later, _ = self._signs
        corners = -sp.ndtri(2 * later[1:-1][value[1:] < _APART / self._spread])
        first = float(-sp.ndtri(2 * later[0])) if self.dim % 2 == 0 else EDGES[0]
        ends = [end for end in (self.radial.bottom, self.radial.top) if 0 < end < np.inf]
        kinks = [normal_score(2 * self.tail(value[:_MOST_CORNERS] * end)) for end in ends]
        return panel_ends(corners, graded(first), *kinks)

    def _both(self, s: Array, mean: bool) -> tuple[Array, Array]:
        value, mass, later_mass, later_mean = self._signs
        low, high = self.radial.range
        first = np.searchsorted(value, s / high if np.isfinite(high) else np.zeros_like(s))
        with np.errstate(divide="ignore"):
            last = np.searchsorted(value, s / low if low > 0 else np.full_like(s, np.inf))
        tail, excess = later_mass[last], later_mean[last] * self.radial.mean - s * later_mass[last]
        width = int((last - first).max(initial=0))
        if not width:
            return tail, excess
        step = max(_BLOCK // width, 1)
        for start in range(0, len(s), step):
            part = slice(start, start + step)
            row, column = np.nonzero(np.arange(width) < (last - first)[part, None])
            index = first[part][row] + column
            weight, w = mass[index], value[index]
            level = np.maximum(s[part][row] / w, _LEAST * self.radial.mean)
            m, partial = self.radial.above(level, mean)
            count = len(first[part])
            tail[part] += np.bincount(row, weight * m, minlength=count)
            if mean:
                gain = weight * w * np.maximum(partial - level * m, 0.0)
                excess[part] += np.bincount(row, gain, minlength=count)
        return tail, excess


_STEP, _STEP_LIMIT = 0.25, 0.01
_TRAPEZOID: Array = np.arange(-42.0, 43.0) * _STEP
_MANY, _STEEPEST = 64, 0.3  # as in the level-set method of spheres
_NODES, _WEIGHTS = gauss_legendre(24)
# A cubic map makes roots at the ends of a panel smooth.
_PLACES = 0.25 * (2 + 3 * _NODES - _NODES**3)
_SHARES = 0.75 * (1 - _NODES**2) * _WEIGHTS


@dataclass(frozen=True, eq=False)
class CosineMixture(_Mixture):
    """W = C, a coordinate of a uniform direction in R^d, d ≥ 2: a ball against ℓ2.

    In high dimension the trapezoidal rule in the normal score of R serves, P(C > c) being smooth. Otherwise C = tanh x
    has the density sech(x)^(d-1) / B(1/2, (d-1)/2) in x, and panels follow s/C through R's law.
    """

    radial: RadialScore
    dim: int

    @property
    def widest(self) -> float:
        return 1.0

    @property
    def size(self) -> float:
        return self.radial.mean * float(2 / (self.dim - 1) * np.exp(-self._log_norm))  # E R E|C|

    @property
    def _log_norm(self) -> float:
        return float(0.5 * np.log(np.pi) - log_gamma_ratio(0.5 * (self.dim - 1), 0.5))

    @cached_property
    def _edges(self) -> Array:
        """Panel ends in x > 0, to where 1e-34 of the mass is left: in units of the spread, and graded."""
        half = 0.5 * (self.dim - 1)
        end = np.log(2) + 40 / half if half < 20 else np.arctanh(np.sqrt(-np.expm1(-79 / half)))
        unit = np.concatenate([np.geomspace(1e-7, 0.02, 8), np.linspace(0.05, 1, 14)])
        return np.concatenate([[0.0], end * unit])

    def _level(self, w: Array) -> Array:
        """Quantiles by a spline through the table and one step of Newton's method: this law is smooth.

        The step is small, except where q is 1 but for rounding: there it is noise, and limited.
        """
        from scipy.interpolate import CubicSpline

        at, log_level = self._table
        spline = CubicSpline(at, log_level)
        inside = np.clip(w, at[0], at[-1])
        guess = np.clip(spline(inside), log_level[0], log_level[-1])
        missed = inside - normal_score(2 * self.tail(np.exp(guess)))
        y = guess + np.clip(missed * spline(inside, 1), -_STEP_LIMIT, _STEP_LIMIT)
        return np.where(y <= self._floor, 0.0, np.exp(y))

    def _both(self, s: Array, mean: bool) -> tuple[Array, Array]:
        if self.dim < _MANY or self.radial.scores is None:
            return self._by_cosine(s, mean)
        value = np.asarray(self.radial.scores(_TRAPEZOID))
        if not np.abs(np.diff(np.log(value))).max() < _STEEPEST * _STEP:
            return self._by_cosine(s, mean)
        half = 0.5 * (self.dim - 1)
        c = np.minimum(s[:, None] / value, 1.0)
        beyond: Array = 0.5 * sp.betainc(half, 0.5, (1 - c) * (1 + c))
        partial = np.exp(half * np.log1p(-c * c) - self._log_norm) / (self.dim - 1)
        weight = np.asarray(_STEP / np.sqrt(2 * np.pi) * np.exp(-0.5 * _TRAPEZOID**2))
        return np.asarray(beyond @ weight), np.asarray(
            np.maximum(partial - c * beyond, 0.0) @ (weight * value)
        )

    def _by_cosine(self, s: Array, mean: bool) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            moving = np.arctanh(np.clip(s[:, None] / np.array(self.radial.levels), 0, 1))
        moving = np.clip(moving, 0, self._edges[-1])
        fixed = np.broadcast_to(self._edges, (len(s), len(self._edges)))
        edges = np.sort(np.concatenate([fixed, moving], axis=1), axis=1)
        tail, excess = np.zeros_like(s), np.zeros_like(s)
        step = max(_BLOCK // (edges.shape[1] * len(_NODES)), 1)
        for start in range(0, len(s), step):
            part = slice(start, start + step)
            left, width = edges[part, :-1, None], np.diff(edges[part], axis=1)[:, :, None]
            x = (left + width * _PLACES).reshape(len(left), -1)
            log_cosh = np.log(np.cosh(x))
            weight = (width * _SHARES).reshape(len(left), -1)
            weight = weight * np.exp((1 - self.dim) * log_cosh - self._log_norm)
            with np.errstate(all="ignore"):
                level = s[part, None] / np.tanh(x)
                level = np.maximum(level, _LEAST * self.radial.mean)
            # most panels that follow s/C have left the range, where R has no mass, or have no width
            row, column = np.nonzero((weight > 0) & (level < self.radial.top))
            at, level, weight = (row, column), level[row, column], weight[row, column]
            with np.errstate(all="ignore"):
                m, partial = self.radial.above(level, mean)
                gain = weight * np.tanh(x[at]) * np.maximum(partial - level * m, 0.0)
            tail[part] = np.bincount(row, weight * m, minlength=len(left))
            excess[part] = np.bincount(row, np.where(np.isfinite(gain), gain, 0.0), minlength=len(left))
        return tail, excess
