"""Panels of log r for the masses of `spherical`: they end wherever the cosine's threshold c(r) or the density bends.

The cosine's tail has a root, or in few dimensions a corner, where c(r) is ±1. By the triangle inequality these kinks
are where one of r, s = r exp δ and e is the sum of the other two. A profile of large k has a wall besides: ψ and the
density turn within 1/k of certain radii, the knees, and c(r) runs from beyond ±1 to where it stays within a few times
1/k of a kink. There panels begin as narrow as that, and widen with the distance as an exponential or a root allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smoothing.special import gauss_legendre

if TYPE_CHECKING:
    from smoothing.methods.spherical import Law

Array = NDArray[np.float64]

WIDEST = 10.5  # normal scores beyond it have mass 1e-25, which is dropped
# For each of two rules: nodes and weights on [0, 1], what the panels are moved by, and how far apart grades are.
_POINTS = tuple((0.5 * (1 + nodes), 0.5 * weights) for nodes, weights in map(gauss_legendre, (16, 21)))
_SHIFTS = (0.1, 0.0)
_SPREADS = (1.0, 1.3)
# In units of the width of a knee: sixteen nodes follow exp(-x) over the last of these panels, where it is exp(-18).
_GRADES = np.array([0.8, 2.2, 5.0, 10.0, 18.0, 32.0])
_AROUND = np.array([-20, -14, -10, -7.5, -6, -5, -4, 0.0])
_LEVELS = np.array([-36, -25, -18, -12, -8, -5, -3, -1.8, -0.9, -0.3, 0.3, 0.9, 1.8, 3, 5])
_LOG_T = np.linspace(-42, 12, 500)


class Panels:
    """Gauss rules for shifts e and rises t of one law, ``graded`` toward knees and kinks or not."""

    def __init__(self, law: Law, *, graded: bool) -> None:
        self._law, self._graded = law, graded
        self._width = 1 / max(law.turn, 1.0)
        middle = np.diff(law.log_quantile(np.array([-0.5, 0.5])))[0]  # the width of panels about the median
        self._close = 0.1 * min(middle, 0.6, 3 * self._width if graded else 0.6)
        self._ends = [self._radial_edges(shift) for shift in _SHIFTS]
        self._bulge = self._tabulate_bulges()

    def __call__(self, e: Array, t: Array, rule: int) -> tuple[Array, Array, Array]:
        """Nodes r, δ and weights, on panels that are narrow both in w and, about e, in log r.

        s = r exp δ is smooth in r for t ≥ 0. For t < 0 it ends in a root at s = 0, so there the variable is log s, down
        to a tiny part of e, and log r on what is left.
        """
        law, ends = self._law, self._ends[rule]
        wide = np.broadcast_to(ends, (len(e), len(ends)))
        edges = np.concatenate([wide, self._near_edges(e, t, rule)], axis=1)
        lowest, highest = np.full(len(e), ends[0]), np.full(len(e), ends[-1])
        if (t >= 0).all():
            y, width = self._panels(edges, lowest, highest, e, t, rule, inverse=False)
            return np.exp(y), law.reach(np.exp(y), t[:, None]), width * np.exp(law.log_density(y))
        least = np.log(e) - 20
        turn = np.clip(least + law.reach(np.exp(least), -t), ends[0], ends[-1])
        y, width = self._panels(edges, lowest, turn, e, t, rule, inverse=False)
        mapped = wide if self._graded else edges  # the knees and kinks of s(r) and of r(s) are the same
        mapped = mapped + law.reach(np.exp(mapped), t[:, None])
        least = np.maximum(least, turn + law.reach(np.exp(turn), t))
        most = np.maximum(least, highest + law.reach(np.exp(highest), t))
        mapped = np.where(np.isfinite(mapped), mapped, least[:, None])
        edges = np.concatenate([edges, mapped], axis=1)
        log_s, width_s = self._panels(edges, least, most, e, t, rule, inverse=True)
        back = law.reach(np.exp(log_s), -t[:, None])
        log_r = log_s + back
        ratio = np.where(back > 0, law.slope(np.exp(log_s)) / law.slope(np.exp(log_r)), 1.0)
        weight = np.concatenate(
            [width * np.exp(law.log_density(y)), width_s * ratio * np.exp(law.log_density(log_r))], 1
        )
        r = np.exp(np.concatenate([y, log_r], axis=1))
        delta = np.concatenate([law.reach(np.exp(y), t[:, None]), -back], axis=1)
        return r, delta, np.where(weight > 0, weight, 0.0)

    def _radial_edges(self, shift: float) -> Array:
        """Panels of log r of width 1 in w, and under heavy tails of width 1 in log r as well."""
        scores = np.clip(np.arange(-11, 12) + shift, -WIDEST, WIDEST)
        ends = self._law.log_quantile(np.unique(np.concatenate([[-WIDEST], scores, [WIDEST]])))
        span = self._law.log_quantile(np.array([-9.0, 9.0]))
        count = min(90, math.ceil(span[1] - span[0]))
        return np.union1d(ends, np.linspace(span[0], span[1], count) + 0.5 * shift if count > 20 else ends)

    def _near_edges(self, e: Array, t: Array, rule: int) -> Array:
        """About e, where ψ(s) = ψ(r) + t bends, and between kinks."""
        law, shift, first = self._law, _SHIFTS[rule], self._ends[rule][0]
        offsets = np.arange(-3.6, 4 + 0.5 * math.log(law.dim), 0.6) + shift
        around = np.log(e)[:, None] + np.concatenate([_AROUND, offsets])
        if self._graded:
            bends = law.knees(np.abs(t))
            bends = self._grade(np.where(np.isfinite(bends), bends, first), _GRADES * _SPREADS[rule])
        else:  # where ψ itself is of the size of t, or of 1
            levels = np.exp(_LEVELS + shift)
            levels = np.concatenate(
                [np.abs(t)[:, None] * levels, np.broadcast_to(levels, (len(t), len(levels)))], axis=1
            )
            bends = law.bend(levels)
        # Two kinks may be as close as one likes: those on either side of the place where the larger one of r and s is
        # e, and those on either side of the place where |r-s|, which is e at both of them, is extreme.
        middle = np.log(e) + law.reach(e, -np.abs(t))
        middle = np.where(np.isfinite(middle), middle, first)
        bulge = self._bulge(np.clip(np.log(np.abs(t)), _LOG_T[0], _LOG_T[-1]))
        return np.concatenate([around, bends, middle[:, None], bulge[:, None]], axis=1)

    def _tabulate_bulges(self) -> Callable[[Array], Array]:
        """log t to the log of the smaller one of r and s where |r-s| is extreme, an end where it is monotone.

        d|r-s| = 0 is ψ'(r) = ψ'(s): for convex ψ nowhere, and never at more than one place for these profiles.
        """
        from scipy.interpolate import PchipInterpolator

        law, t = self._law, np.exp(_LOG_T)

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

    def _grade(self, places: Array, steps: Array) -> Array:
        """Edges on both sides of the places, at these multiples of a knee's width."""
        steps = np.concatenate([-steps[::-1], [0.0], steps]) * self._width
        return (places[:, :, None] + steps).reshape(len(places), -1)

    def _root_grades(self, rule: int) -> Array:
        """A root goes on beyond the knee's width, to where panels are 1 wide: by factors, as it is like itself."""
        wider = 4.0 ** np.arange(1, 1 - math.log(_GRADES[-1] * self._width, 4))
        return np.concatenate([_GRADES, _GRADES[-1] * wider]) * _SPREADS[rule]

    def _panels(
        self, edges: Array, low: Array, high: Array, e: Array, t: Array, rule: int, *, inverse: bool
    ) -> tuple[Array, Array]:
        """Nodes and widths. Panels end where |cosine| = 1: its law has a root there, which the cubic map smooths."""
        low, high = low[:, None], high[:, None]
        edges = np.concatenate([low, np.sort(np.clip(edges, low, high), axis=1), high], axis=1)
        kinks = self._kinks(e, t, edges, inverse)
        # no edge so close to a kink that the panel beyond it, wide against the distance, feels the root
        for kink in kinks.T[:, :, None]:
            inner = edges[:, 1:-1]
            edges[:, 1:-1] = np.where(np.abs(inner - kink) < self._close, kink, inner)
        if self._graded:
            kinks = np.clip(self._grade(kinks, self._root_grades(rule)), low, high)
        edges = np.sort(np.concatenate([edges, kinks], axis=1), axis=1)
        edges = edges[:, np.append(True, (np.diff(edges, axis=1) > 0).any(axis=0))]
        nodes, gauss = _POINTS[rule]
        left, width = edges[:, :-1, None], np.diff(edges, axis=1)[:, :, None]
        y = (left + width * (nodes * nodes * (3 - 2 * nodes))).reshape(len(e), left.shape[1] * len(nodes))
        return y, (width * (6 * nodes * (1 - nodes) * gauss)).reshape(len(e), left.shape[1] * len(nodes))

    def _outside(self, y: Array, e: Array, t: Array, inverse: bool) -> NDArray[np.bool_]:
        """Whether |cosine| > 1, at log r = y or (``inverse``) at log s = y."""
        e, t = e[:, None], t[:, None]
        if inverse:
            delta = -self._law.reach(np.exp(y), -t)
            r = np.exp(y - delta)
        else:
            r = np.exp(y)
            delta = self._law.reach(r, t)
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
