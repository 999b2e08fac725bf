"""Masses of the sets that gain most from a shift of spherical noise, by quadrature over its radial law.

X has the density exp(-ψ(‖x‖)), ψ increasing, and v the length e. Given ‖x‖ = r, x lies in
U_t = {x : ψ(‖x-v‖) ≤ ψ(‖x‖) + t} where the cosine of the angle between x and v is at least

    c(r) = (e/r - (r/e) (exp(2δ) - 1)) / 2,    ψ(r exp δ) = ψ(r) + t,

so that a(t) = P(X ∈ U_t) is one integral over the law of r of a tail of the cosine, whose square is
Beta(1/2, (d-1)/2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.special import gauss_legendre

Array = NDArray[np.float64]

WIDEST = 10.5  # normal scores beyond it have mass 1e-25, which is dropped
# Steps of trapezoidal rules in w, and the d log r / dw up to which one is worth trying.
_STEPS = ((0.25, 1.5), (0.0625, 16.0), (0.015625, 64.0))
_SMOOTH = 64  # dimensions from which on the cosine's law has no corners at ±1 to speak of
_LEAST, _MOST = 1e-140, 1e140
_LOG_T = np.linspace(-42, 12, 500)
GRADED = 0.0
_CLOSE = 0.3
_GRADES = np.array([0.8, 2.2, 5.0, 10.0, 18.0, 32.0])


@dataclass(frozen=True)
class Law:
    """The radial law and its potential ψ."""

    dim: int
    quantile: Callable[[Array], Array]
    """The radius whose upper tail has mass Φ_N(-w)."""
    cdf: Callable[[Array], Array]
    log_density: Callable[[Array], Array]
    """The log-density of log r."""
    rise: Callable[[Array, Array], Array]
    """(r, δ) to ψ(r exp δ) - ψ(r)."""
    reach: Callable[[Array, Array], Array]
    """(r, t) to the δ of that rise, -inf where there is none."""
    slope: Callable[[Array], Array]
    """r ψ'(r)."""
    bend: Callable[[Array], Array]
    """t to log r where ψ, less its part in log r, has risen by t."""
    knees: Callable[[Array], Array]
    """t > 0, of shape (n,), to the places, (n, m), in log r where the density or ``reach`` goes from one power of r to

    another: as a function of ``turn`` times the distance, and exponentially in it.
    """
    turn: float


@dataclass(frozen=True)
class _Rule:
    """One quadrature; of two, the difference bounds the error."""

    start: float
    order: int


_RULES = (_Rule(0.0, 16), _Rule(0.5, 21))


def _shift(rule: _Rule) -> float:
    """What the panels of one rule are moved by against those of the other."""
    return rule.start - 0.5 if rule.start else 0.1


def steps(law: Law) -> list[float | None]:
    """Steps in w of the rules that are to be tried for one law, the cheapest first; None is the rule of panels.

    Under heavy tails U_t's boundary crosses the window of width 1/√d within a part of a step in w, the sooner the
    larger the shift. A trapezoidal rule that is too coarse for that differs from the same rule moved by half a step.
    """
    w = np.linspace(-8, 8, 33)
    steepest = np.diff(_log_quantile(law, w)).max() / (w[1] - w[0])
    if law.dim < _SMOOTH:
        return [GRADED] if law.turn > 20 else [None, GRADED]
    return [*(step for step, most in _STEPS if steepest <= most), None, GRADED]


class SphericalMasses:
    """a(t) for one law, by either of two rules: trapezoidal in w with this ``step``, or of panels (None)."""

    def __init__(self, law: Law, step: float | None) -> None:
        self.law = law
        self._graded = step == GRADED
        step = None if self._graded else step
        self._half = 0.5 * (law.dim - 1)
        self._log_norm = float(sp.betaln(0.5, self._half))
        with np.errstate(all="ignore"):
            self._lost = float(law.cdf(np.array(_LEAST))), float(1 - law.cdf(np.array(_MOST)))
        if step is None:
            self._ends = [self._radial_edges(_shift(rule)) for rule in _RULES]
            self._bulges = self._tabulate_bulges()
            self._shared = []
        else:
            self._shared = [self._score_rule(step, rule.start) for rule in _RULES]

    def __call__(
        self, e: Array, t: Array, rule: int, tail: NDArray[np.bool_]
    ) -> tuple[Array, tuple[Array, Array]]:
        """a(t) where ``tail``, elsewhere 1/2 - a(t), and its derivatives in log e and in t."""
        with np.errstate(all="ignore"):
            if self._shared:
                r, weight = self._shared[rule]
                delta = self.law.reach(r, t[:, None])
            else:
                r, delta, weight = self._steep_rule(e, t, _RULES[rule])
            e = e[:, None]
            near, far = 0.5 * e / r, 0.5 * (r / e) * np.expm1(2 * delta)
            cosine, s = near - far, r * np.exp(delta)
            # 1 - c² as a product, exact where c is near ±1
            rise = r * np.expm1(delta)
            gap = np.where(r < 2 * e, s - (r - e), rise + e)
            rest = (gap / (2 * r)) * ((s + (r - e)) / (2 * r)) * ((e - rise) / e) * ((r + e + s) / e)
            inner = rest > 0
            used = inner & (weight > 1e-30)
            square, rest = np.where(used, cosine * cosine, 0.5), np.where(used, np.minimum(rest, 1.0), 0.5)
            density = np.where(used, np.exp((self._half - 1) * np.log(rest) - self._log_norm), 0.0)
            density = density * weight
            to_e = (density * np.where(used, near + far, 0.0)).sum(axis=1)
            speed = (r / e) * np.exp(2 * delta) / self.law.slope(s)
            to_t = -(density * np.where(used, speed, 0.0)).sum(axis=1)
        full = used & tail[:, None]
        part = np.where(cosine > 0, 0.5, -0.5)
        middle = used & ~full & (square < 0.75)
        part[middle] *= sp.betainc(0.5, self._half, square[middle])
        middle = used & ~full & (square >= 0.75)
        part[middle] *= sp.betaincc(self._half, 0.5, rest[middle])
        above = sp.betainc(self._half, 0.5, rest[full]) * 0.5
        part[full] = np.where(cosine[full] > 0, above, 1 - above)
        outside = ~used & tail[:, None]
        part[outside] = np.where(cosine[outside] > 0, 0.0, 1.0)
        sign = np.where(tail, -1.0, 1.0)
        return (part * weight).sum(axis=1) + np.where(tail, 0.0, self._dropped(e[:, 0], t)), (
            sign * to_e,
            sign * to_t,
        )

    def _dropped(self, e: Array, t: Array) -> Array:
        """What radii beyond the range of floats add to 1/2 - a(t): there |cosine| > 1."""
        with np.errstate(all="ignore"):
            inner = _LEAST * np.exp(self.law.reach(np.full_like(t, _LEAST), t)) < e
        below, above = self._lost
        return 0.5 * below * np.where(inner, 1.0, -1.0) - 0.5 * above * np.sign(t)

    def log_quantile(self, w: Array) -> Array:
        return _log_quantile(self.law, w)

    def _radial_edges(self, shift: float) -> Array:
        """Panels of log r of width 1 in w, and under heavy tails of width 1 in log r as well."""
        scores = np.clip(np.arange(-11, 12) + shift, -WIDEST, WIDEST)
        ends = self.log_quantile(np.unique(np.concatenate([[-WIDEST], scores, [WIDEST]])))
        span = self.log_quantile(np.array([-9.0, 9.0]))
        count = min(90, math.ceil(span[1] - span[0]))
        return np.union1d(ends, np.linspace(span[0], span[1], count) + 0.5 * shift if count > 20 else ends)

    def _score_rule(self, step: float, start: float) -> tuple[Array, Array]:
        """The trapezoidal rule in the normal score of r: the law's window of width 1/√d has width 1 there."""
        count = math.ceil(WIDEST / step)
        w = (np.arange(-count, count, dtype=np.float64) + start) * step
        weight = step / math.sqrt(2 * math.pi) * np.exp(-0.5 * w * w)
        return np.exp(self.log_quantile(w))[None, :], weight[None, :]

    def _steep_rule(self, e: Array, t: Array, rule: _Rule) -> tuple[Array, Array, Array]:
        """Nodes r, δ and weights of Gauss rules on panels that are narrow both in w and, about e, in log r.

        s = r exp δ is smooth in r for t ≥ 0. For t < 0 it ends in a root at s = 0, so there the variable is log s, down
        to a tiny part of e, and log r on what is left.
        """
        law = self.law
        ends = self._ends[_RULES.index(rule)]
        wide = np.broadcast_to(ends, (len(e), len(ends)))
        near = self._near_edges(e, t, rule)
        # the smaller of r and s where the larger one is e: between two places where |cosine| = 1, however close
        # they are; and where |r-s| is extreme: between two places where it is e
        middle = np.log(e) + law.reach(e, -np.abs(t))
        middle = np.where(np.isfinite(middle), middle, ends[0])
        near = np.concatenate([near, middle[:, None], self._bulge(t)[:, None]], axis=1)
        edges = np.concatenate([wide, near], axis=1)
        lowest, highest = np.full(len(e), ends[0]), np.full(len(e), ends[-1])
        if (t >= 0).all():
            y, width = self._panels(edges, lowest, highest, e, t, rule, inverse=False)
            return np.exp(y), law.reach(np.exp(y), t[:, None]), width * np.exp(law.log_density(y))
        least = np.log(e) - 20
        turn = np.clip(least + law.reach(np.exp(least), -t), ends[0], ends[-1])
        y, width = self._panels(edges, lowest, turn, e, t, rule, inverse=False)
        mapped = wide if self._graded else edges
        mapped = mapped + law.reach(np.exp(mapped), t[:, None])
        least = np.maximum(least, turn + law.reach(np.exp(turn), t))
        most = np.maximum(least, highest + law.reach(np.exp(highest), t))
        mapped = np.where(np.isfinite(mapped), mapped, least[:, None])
        log_s, width_s = self._panels(
            np.concatenate([edges, mapped], axis=1), least, most, e, t, rule, inverse=True
        )
        back = law.reach(np.exp(log_s), -t[:, None])
        log_r = log_s + back
        ratio = np.where(back > 0, law.slope(np.exp(log_s)) / law.slope(np.exp(log_r)), 1.0)
        weight = np.concatenate(
            [width * np.exp(law.log_density(y)), width_s * ratio * np.exp(law.log_density(log_r))], 1
        )
        r = np.exp(np.concatenate([y, log_r], axis=1))
        delta = np.concatenate([law.reach(np.exp(y), t[:, None]), -back], axis=1)
        return r, delta, np.where(weight > 0, weight, 0.0)

    def _near_edges(self, e: Array, t: Array, rule: _Rule) -> Array:
        """Panels' ends about e, and where ψ(s) = ψ(r) + t bends: where ψ itself is of the size of t, or of 1."""
        shift = _shift(rule)
        offsets = np.arange(-3.6, 4 + 0.5 * math.log(self.law.dim), 0.6) + shift
        around = np.log(e)[:, None] + np.concatenate([[-20, -14, -10, -7.5, -6, -5, -4, 0.0], offsets])
        if self._graded:
            knees = self.law.knees(np.abs(t))
            knees = np.where(np.isfinite(knees), knees, self._ends[0][0])
            return np.concatenate([around, self._grade(knees, rule)], axis=1)
        levels = np.exp(
            np.array([-36, -25, -18, -12, -8, -5, -3, -1.8, -0.9, -0.3, 0.3, 0.9, 1.8, 3, 5]) + shift
        )
        levels = np.concatenate(
            [np.abs(t)[:, None] * levels, np.broadcast_to(levels, (len(t), len(levels)))], axis=1
        )
        return np.concatenate([around, self.law.bend(levels)], axis=1)

    def _grade(self, places: Array, rule: _Rule) -> Array:
        """Edges about places where something turns within 1 / ``turn``, and then falls exponentially."""
        steps = _GRADES * (1.3 if rule.start else 1.0) / max(self.law.turn, 1.0)
        steps = np.concatenate([-steps[::-1], [0.0], steps])
        return (places[:, :, None] + steps).reshape(len(places), -1)

    def _bulge(self, t: Array) -> Array:
        """log of the smaller of r and s where |r-s| is extreme, by interpolation."""
        with np.errstate(divide="ignore"):
            return np.asarray(self._bulges(np.clip(np.log(np.abs(t)), _LOG_T[0], _LOG_T[-1])))

    def _tabulate_bulges(self) -> Callable[[Array], Array]:
        """log t to that place, where ψ'(r) = ψ'(s), that is r ψ'(s) s = s ψ'(r) r; to an end where there is none."""
        from scipy.interpolate import PchipInterpolator

        law, t = self.law, np.exp(_LOG_T)

        def falls(y: Array) -> NDArray[np.bool_]:
            r = np.exp(y)
            s = r * np.exp(law.reach(r, t))
            return np.asarray(law.slope(r) * s > law.slope(s) * r)

        low, high = np.full(t.shape, self._ends[0][0]), np.full(t.shape, self._ends[0][-1])
        with np.errstate(all="ignore"):
            first = falls(low)
            for _ in range(50):
                middle = 0.5 * (low + high)
                same = falls(middle) == first
                low, high = np.where(same, middle, low), np.where(same, high, middle)
        return PchipInterpolator(_LOG_T, low)

    def _panels(
        self, edges: Array, low: Array, high: Array, e: Array, t: Array, rule: _Rule, *, inverse: bool
    ) -> tuple[Array, Array]:
        """Nodes and widths. Panels end where |cosine| = 1: its law has a root there, which the cubic map smooths."""
        edges = np.sort(np.clip(edges, low[:, None], high[:, None]), axis=1)
        edges = np.concatenate([low[:, None], edges, high[:, None]], axis=1)
        kinks = self._kinks(e, t, edges, inverse)
        if self._graded:
            for kink in kinks.T[:, :, None]:  # no edge so close to a kink that the panel beyond it feels the root
                edges = np.where(np.abs(edges - kink) < _CLOSE / max(self.law.turn, 1.0), kink, edges)
            kinks = np.clip(self._grade(kinks, rule), low[:, None], high[:, None])
        edges = np.sort(np.concatenate([edges, kinks], axis=1), axis=1)
        edges = edges[:, np.append(True, (np.diff(edges, axis=1) > 0).any(axis=0))]
        nodes, gauss = gauss_legendre(rule.order)
        nodes, gauss = 0.5 * (1 + nodes), 0.5 * gauss
        left, width = edges[:, :-1, None], np.diff(edges, axis=1)[:, :, None]
        y = (left + width * (nodes * nodes * (3 - 2 * nodes))).reshape(len(e), left.shape[1] * len(nodes))
        return y, (width * (6 * nodes * (1 - nodes) * gauss)).reshape(len(e), left.shape[1] * len(nodes))

    def _outside(self, y: Array, e: Array, t: Array, inverse: bool) -> NDArray[np.bool_]:
        """Whether |cosine| > 1, at log r = y or (``inverse``) at log s = y."""
        e, t = e[:, None], t[:, None]
        if inverse:
            delta = -self.law.reach(np.exp(y), -t)
            r = np.exp(y - delta)
        else:
            r = np.exp(y)
            delta = self.law.reach(r, t)
        return np.abs(e / r - r / e * np.expm1(2 * delta)) > 2

    def _kinks(self, e: Array, t: Array, edges: Array, inverse: bool) -> Array:
        """Where |cosine| = 1: at most four places for each shift; the others are given as the first edge."""
        outside = self._outside(edges, e, t, inverse)
        changes = outside[:, 1:] != outside[:, :-1]
        index = np.argsort(~changes, axis=1, kind="stable")[:, :4]
        found = np.take_along_axis(changes, index, axis=1)
        low, high = np.take_along_axis(edges, index, axis=1), np.take_along_axis(edges, index + 1, axis=1)
        side = np.take_along_axis(outside, index, axis=1)
        for _ in range(50):
            middle = 0.5 * (low + high)
            same = self._outside(middle, e, t, inverse) == side
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return np.where(found, low, edges[:, :1])


def _log_quantile(law: Law, w: Array) -> Array:
    return np.log(np.clip(law.quantile(w), _LEAST, _MOST))
