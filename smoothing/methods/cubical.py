"""The level-set method for noise with cubical level sets, along an axis and along the diagonal.

X has a density exp(-ψ(‖x‖∞)), ψ increasing, ‖X‖∞ = s; on the boundary of the cube one coordinate is ±s and the others
are uniform on [-s, s]. For a threshold τ ≥ 0 let R(s) > s be where ψ has risen by τ, ψ(R) = ψ(s) + τ. Shifted by e, the
intervals [-s, s] and [-R, R] + e share the part

    c(s) = (s - e + R) / (2s),    cut off at 0 and 1,

of the former; c ≥ 1 where R ≥ s + e. A point x with ‖x‖∞ = s has L ≥ -τ where ‖x - v‖∞ ≤ R, which has, given s, the
probability

    along (1, …, 1):  c^(d-1) / 2 [c > 0] + 1/2 [c ≥ 1]                  (the facet coordinate is s, or -s)
    along e₁:         [c > 0] / 2d + [c ≥ 1] / 2d + (1 - 1/d) c           (or another coordinate is ±s).

Points with L > τ are those with R(‖x-v‖∞) < ‖x‖∞. In terms of s = ‖x-v‖∞ their density is exp(-τ) times that of s, and

    along (1, …, 1):  P(L > τ) = exp(-τ)/2  E[R'(s) c^(d-1); 0 < c < 1]
    along e₁:         P(L > τ) = exp(-τ)/2d E[R'(s); 0 < c < 1],    R' = ψ'(s) / ψ'(R).

So one function c, with a kink at c = 1 and one at c = 0, gives all masses by quadrature over the law of s.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise

from smoothing.methods.neyman_pearson import RatioLaw
from smoothing.methods.spherical import Law
from smoothing.special import gauss_legendre

Array = NDArray[np.float64]

_LOWEST, _HIGHEST = (
    -11.6,
    9.0,
)  # normal scores beyond them are dropped: below, E[1/s] counts, the root of the mass
_STEP = 1.5  # width of a panel in the normal score
_WIDE = 0.75  # and in log s
_DEEP = np.array([-37, -30, -24, -19, -15, -12, -9.5, -7.5, -6, -4.7, -3.6, -2.7, -1.9, -1.2, -0.6, 0, 0.6, 1.2, 1.9, 2.7, 3.6])  # fmt: skip # noqa: E501
_MOST_PANELS = 600


@dataclass(frozen=True)
class _Nodes:
    """One quadrature for each (e, τ): arrays of shape (len(e), count)."""

    weight: Array
    log_stretch: Array
    """log(R/s)."""
    slope: Array
    """R'(s)."""
    missing: Array
    """1 - c, not cut off."""
    far: Array
    """e + R - s, relative to 2R: what the interval [-R, R] loses on the other side."""
    least: Array
    """R at the lowest s."""


class _Cubical(RatioLaw):
    """What the two directions share: the nodes."""

    def __init__(self, law: Law) -> None:
        self._law, self.dim = law, law.dim
        with np.errstate(all="ignore"):
            self._centre = float(np.log(law.quantile(np.zeros(1)))[0])
            self._edges = [self._radial_edges(0.0), self._radial_edges(0.5)]
            narrow = (
                np.diff(self._edges[0]).max() < 0.8 * np.diff(law.bend(np.exp(np.array([-1.0, 0.0])))).min()
            )
            self._bends = not narrow
            self._turns = self._has_turns()
            self._log_norm = [0.0, 0.0]
            for rule in range(2):
                edges = np.unique(np.concatenate([self._edges[rule], self._static_bends(rule)]))
                self._log_norm[rule] = math.log(self._on_panels(edges[None, :], rule)[1].sum())

    @property
    def rounding(self) -> float:
        """The density of log s is a difference of terms of the size of d |log s|, s about its median."""
        spread = np.abs(np.log(self._law.quantile(np.array([-2.0, 2.0]))) - self._centre).max()
        return 2e-16 * self.dim * float(spread)

    def _radial_edges(self, shift: float) -> Array:
        """Panel ends of log s about its median, at most _STEP wide in w and _WIDE in log s."""
        w = np.arange(_LOWEST, _HIGHEST, _STEP) + _STEP * (0.5 + 0.5 * shift)
        w = np.clip(np.concatenate([[_LOWEST], w, [_HIGHEST]]), _LOWEST, _HIGHEST)
        ends = np.unique(np.clip(np.log(self._law.quantile(w)), -300, 300)) - self._centre
        counts = np.maximum(np.ceil(np.diff(ends) / _WIDE), 1).astype(int)
        if counts.sum() > _MOST_PANELS:
            counts = np.ceil(counts * (_MOST_PANELS / counts.sum())).astype(int)
        return np.concatenate(
            [
                np.linspace(a, b, n, endpoint=False)
                for a, b, n in zip(ends[:-1], ends[1:], counts, strict=True)
            ]
            + [ends[-1:]]
        )

    def _static_bends(self, rule: int) -> Array:
        ends = self._edges[rule]
        if not self._bends:
            return ends[:1]
        return np.clip(self._law.bend(np.exp(_DEEP + 0.3 * rule)) - self._centre, ends[0], ends[-1])

    def _has_turns(self) -> bool:
        """Whether ψ' is not monotone, so that R - s may be."""
        r = np.exp(self._centre + np.linspace(self._edges[0][0], self._edges[0][-1], 200))
        change = np.diff(np.log(self._law.slope(r) / r))
        return bool((change > 1e-12).any() and (change < -1e-12).any())

    def _on_panels(self, edges: Array, rule: int) -> tuple[Array, Array]:
        """(log s about its median, weights) of Gauss rules on the panels of each row."""
        nodes, gauss = gauss_legendre((16, 21)[rule])
        half = 0.5 * np.diff(edges, axis=1)[:, :, None]
        y = (edges[:, :-1, None] + half * (1 + nodes)).reshape(len(edges), -1)
        centre = np.exp(self._centre)
        log_density = self.dim * y - self._law.rise(np.full_like(y, centre), y) - self._log_norm[rule]
        return y, (half * gauss).reshape(len(edges), -1) * np.exp(log_density)

    def _nodes(self, e: Array, tau: Array, rule: int) -> _Nodes:
        law = self._law
        with np.errstate(all="ignore"):
            ends = self._edges[rule]
            edges = [np.broadcast_to(ends, (len(e), len(ends)))]
            if self._bends:
                static = self._static_bends(rule)
                edges.append(np.broadcast_to(static, (len(e), len(static))))
                moving = law.bend(tau[:, None] * np.exp(_DEEP + 0.3 * rule)) - self._centre
                edges.append(np.where(np.isfinite(moving), np.clip(moving, ends[0], ends[-1]), ends[0]))
            edges_ = np.sort(np.concatenate(edges, axis=1), axis=1)
            if self._turns:
                edges_ = self._with_changes(edges_, tau, tau, self._log_speed)
            edges_ = self._with_changes(edges_, e, tau, self._rise_less_shift)
            edges_ = self._with_changes(edges_, e, tau, self._sum_less_shift)
            y, weight = self._on_panels(edges_, rule)
            s, lowest = np.exp(self._centre + y), np.exp(self._centre + edges_[:, 0])
            delta = self._reach(s, tau[:, None])
            rise = s * np.expm1(delta)
            r = s + rise
            e = e[:, None]
            slope = np.exp(delta) * law.slope(s) / law.slope(r)
            slope = np.where(tau[:, None] > 0, slope, 1.0)
            return _Nodes(
                np.where(weight > 0, weight, 0.0),
                delta,
                np.where(np.isfinite(slope), slope, 0.0),
                (e - rise) / (2 * s),
                (e + rise) / (2 * r),
                lowest * np.exp(self._reach(lowest, tau)),
            )

    def _with_changes(self, edges: Array, e: Array, tau: Array, function: object) -> Array:
        """The panel ends with those places added where a function of (log s, e, τ) changes its sign."""
        assert callable(function)
        value = function(edges, e[:, None], tau[:, None])
        changes = (value[:, 1:] > 0) != (value[:, :-1] > 0)
        row, column = np.nonzero(changes)
        if not len(row):
            return edges
        low, high = edges[row, column], edges[row, column + 1]
        root = elementwise.find_root(function, (low, high), args=(e[row], tau[row]), maxiter=70).x
        root = np.where(np.isfinite(root), root, low)
        place = np.arange(len(row)) - np.searchsorted(row, row)
        extra = np.repeat(edges[:, :1], place.max() + 1, axis=1)
        extra[row, place] = root
        return np.sort(np.concatenate([edges, extra], axis=1), axis=1)

    def _reach(self, s: Array, tau: Array) -> Array:
        """log(R/s)."""
        return np.where(tau > 0, self._law.reach(s, tau + 0 * s), 0.0)

    def _rise_less_shift(self, y: Array, e: Array, tau: Array) -> Array:
        with np.errstate(all="ignore"):
            s = np.exp(self._centre + y)
            value = s * np.expm1(self._reach(s, tau)) - e
        return np.where(np.isfinite(value), value, 1.0)

    def _sum_less_shift(self, y: Array, e: Array, tau: Array) -> Array:
        with np.errstate(all="ignore"):
            s = np.exp(self._centre + y)
            value = s * (1 + np.exp(self._reach(s, tau))) - e
        return np.where(np.isfinite(value), value, 1.0)

    def _log_speed(self, y: Array, e: Array, tau: Array) -> Array:
        """log R', 0 where R - s is stationary."""
        with np.errstate(all="ignore"):
            s = np.exp(self._centre + y)
            delta = self._reach(s, tau)
            value = delta + np.log(self._law.slope(s) / self._law.slope(s * np.exp(delta)))
        return np.where(np.isfinite(value), value, 0.0)

    def middle(self, e: Array, tau: Array) -> Array:
        return self._middle(self._nodes(e, tau, 0))

    @abstractmethod
    def _middle(self, at: _Nodes) -> Array:
        """1/2 - P(L ≥ -τ)."""


class AlongDiagonal(_Cubical):
    """The shifts e (1, …, 1)."""

    @property
    def typical(self) -> float:
        r = np.exp(np.array([self._centre]))
        return float((r / np.maximum(self._law.slope(r), 1.0))[0])

    def _middle(self, at: _Nodes) -> Array:
        lost, out = at.missing, at.missing <= 0
        gone = np.where(lost < 1, self._loss(lost), 1.0)
        return 0.5 * (at.weight * np.where(out, -1.0, gone)).sum(axis=1)

    def _loss(self, part: Array) -> Array:
        """1 - (1 - part)^(d-1)."""
        with np.errstate(all="ignore"):
            return -np.expm1((self.dim - 1) * np.log1p(-np.clip(part, 0, 1))) if self.dim > 1 else 0.0 * part

    def needed(self, e: Array, tau: Array, *, check: bool = False) -> tuple[Array, Array]:
        at = self._nodes(e, tau, int(check))
        inside = (at.missing > 0) & (at.missing < 1)
        with np.errstate(all="ignore"):
            share = np.where(inside, 1 - self._loss(at.missing), 0.0)
            above = 0.5 * np.exp(-tau) * (at.weight * share * at.slope).sum(axis=1)
            # 1/2 - P(L > τ), as an integral over the law of R(s), with density exp(-τ) (R/s)^(d-1) R', and the rest
            whole = np.exp((self.dim - 1) * at.log_stretch) * at.slope * at.weight
            lost = np.where(inside, self._loss(at.far), 1.0)
            part = np.where(whole > 0, whole * lost, 0.0) * np.exp(-tau)[:, None]
            centred = 0.5 * (part.sum(axis=1) + self._law.cdf(at.least))
            middle = np.exp(-tau) * self._middle(at)
            excess = 0.5 - above + middle
        return np.where(excess < 0.2, centred + middle, excess), above - middle


class AlongAxis(_Cubical):
    """The shifts e (1, 0, …, 0), dim ≥ 2."""

    @property
    def typical(self) -> float:
        return float(np.exp(self._centre))

    def _middle(self, at: _Nodes) -> Array:
        none, all_ = at.missing >= 1, at.missing <= 0
        facets = none.astype(float) - all_
        rest = np.clip(at.missing, 0, 1) - 0.5
        return (at.weight * (facets / (2 * self.dim) + (1 - 1 / self.dim) * rest)).sum(axis=1)

    def needed(self, e: Array, tau: Array, *, check: bool = False) -> tuple[Array, Array]:
        at, d = self._nodes(e, tau, int(check)), self.dim
        fall = np.exp(-tau)
        inside = (at.missing > 0) & (at.missing < 1)
        above = fall / (2 * d) * (at.weight * np.where(inside, at.slope, 0.0)).sum(axis=1)
        middle = fall * self._middle(at)
        # 1/2 = 1/2d + (d-1)/2d, so that at τ = 0 only what is lost remains
        facets = np.where(inside, 1 - fall[:, None] * at.slope, 1.0)
        facets = facets + fall[:, None] * np.where(at.missing >= 1, 1.0, np.where(inside, 0.0, -1.0))
        lost = (at.weight * np.clip(at.missing, 0, 1)).sum(axis=1)
        excess = (at.weight * facets).sum(axis=1) / (2 * d) + (1 - 1 / d) * (
            0.5 * -np.expm1(-tau) + fall * lost
        )
        return excess, np.where(excess < 0.25, 0.5 - excess, above - middle)
