"""Tails of symmetric random variables and of their sums, with relative accuracy from P(S > s) = 1/2 down to 1e-30.

A law is the table of L(τ) = log P(S > e^τ), a polynomial on each panel of τ = log s. The sum of two laws is

    P(X+Y > s) = P(X > s/2) P(Y > s/2) + I(X, Y) + I(Y, X),
    I(X, Y) = ∫ over |y| with -∞ < y ≤ s/2 of P(X > s - y) dP(Y ≤ y):

only positive numbers are added, and X's tail is only asked for where s - y ≥ s/2, so that log s - log y varies
slowly and a singular density at zero (uniform noise's neighbours, p > 2) does no harm. Errors are counted as
relative shifts of s: they add up over additions, and carry over to the upper partial expectation unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from smoothing.special import gauss_legendre

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_ORDER = 16
NODES, WEIGHTS = gauss_legendre(_ORDER)
TO_CHEBYSHEV = np.linalg.inv(chebyshev.chebvander(NODES, _ORDER - 1))
_WIDTH = 4.0  # Gauss rules see log(1 + e^τ) to 1e-16 on panels this wide
_NO_SOURCE = 1e-38  # masses below this contribute nothing to tails of 1e-22
DEEP = -80.0  # log of the tail where a light table may end
_FLOOR = -740.0
_SHARP = 4  # sums of more bounded scores are smooth enough at their corners
_MOST_PANELS = 200
_MOST_HALVINGS = 44
_TOLERANCE = 1e-12
_GRADES = np.array([-1e-1, -1e-2, -1e-3, 0, 1e-3, 1e-2, 1e-1])
_ROWS = 64  # targets treated at once: memory stays below 100 MB


class Unresolved(ArithmeticError):
    """A law has more structure than a table of this size holds: many scores that all keep close to ±1."""


@dataclass(frozen=True, eq=False)
class Tail:
    """log P(S > e^τ) for a symmetric S: polynomials on panels, flat below them.

    ``slope`` is that of L beyond the last panel: minus the tail index, or -inf where nothing lies there.
    ``corners`` are the s > 0 where the density is not smooth. ``error`` bounds the relative shift of s.
    """

    edges: Array
    coefficients: Array
    slope: float = -np.inf
    corners: tuple[float, ...] = ()
    error: float = 0.0
    derivative: Array = field(init=False)

    def __post_init__(self) -> None:
        slope = np.zeros_like(self.coefficients)
        slope[:, :-1] = chebyshev.chebder(self.coefficients, axis=1)
        object.__setattr__(self, "derivative", slope)

    @property
    def atom(self) -> float:
        """The mass of |S| left of the panels, which stands at zero."""
        return max(0.0, 1 - 2 * float(np.exp(self(self.edges[:1])[0])))

    def __call__(self, tau: Array) -> Array:
        panel = np.clip(np.searchsorted(self.edges, tau, side="right") - 1, 0, len(self.coefficients) - 1)
        left, right = self.edges[panel], self.edges[panel + 1]
        local = np.clip((2 * tau - left - right) / (right - left), -1, 1)
        value = _on(self.coefficients, panel, local)
        last = self.edges[-1]
        with np.errstate(invalid="ignore"):
            return np.where(tau > last, value + self.slope * np.maximum(tau - last, 0), value)

    @property
    def variance(self) -> float:
        y, mass, _ = self.sources(4)
        return float(2 * (mass * y * y).sum())

    def mass(self, panel: Index, local: Array) -> Array:
        """-d P(S > e^τ) / d(local coordinate) on a panel."""
        return -np.exp(_on(self.coefficients, panel, local)) * _on(self.derivative, panel, local)

    def sources(self, split: int) -> tuple[Array, Array, Array]:
        """(y, mass of S at y, right end in τ), one row a panel, each panel cut into ``split``; they add up to 1/2."""
        count = len(self.coefficients)
        panel, part = (a[:, None] for a in np.divmod(np.arange(count * split), split))
        left, right = self.edges[panel], self.edges[panel + 1]
        local = (2 * part + 1 + NODES) / split - 1
        mass = np.maximum(self.mass(panel, local), 0) * WEIGHTS / split
        mass *= 0.5 * (1 - self.atom) / mass.sum()
        tau = 0.5 * (left + right) + 0.5 * (right - left) * local
        ends = left + (right - left) * (part + 1) / split
        keep = mass.sum(axis=1) > _NO_SOURCE
        return np.exp(tau[keep]), mass[keep], ends[keep, 0]


def tabulate(
    law: Callable[[Array], Array],
    edges: Array,
    slope: float,
    corners: tuple[float, ...] = (),
    most: int = _MOST_PANELS,
    tolerance: float = _TOLERANCE,
) -> Tail:
    """The table of ``law``, panels halved until an error in L shifts log s by less than ``tolerance``.

    Tails below 1e-19 matter less and less.
    """
    floor = _FLOOR if np.isfinite(slope) else DEEP - 10  # polynomials must not swing back from a free fall
    left, right = edges[:-1], edges[1:]
    done: list[tuple[Array, Array]] = []
    count = 0
    for step in range(_MOST_HALVINGS):
        tau = 0.5 * (left + right)[:, None] + 0.5 * (right - left)[:, None] * NODES
        value = np.maximum(law(tau), floor)
        coefficients = value @ TO_CHEBYSHEV.T
        steep = np.maximum((value[:, 0] - value[:, -1]) / (right - left), 1.0)
        allowed = tolerance * np.minimum(steep, 1e8) * np.exp(np.clip(-44 - value[:, 0], 0, 25))
        allowed = np.maximum(allowed, 1e-15 * np.maximum(abs(right), 1) * steep)  # τ itself is rounded
        rough = (np.abs(coefficients[:, -3:]).max(axis=1) > allowed) & (right - left > 1e-13)
        rough &= value[:, 0] > DEEP + 8  # deeper, sums lack what the tables of their terms lack
        count += int((~rough).sum())
        if count + 2 * rough.sum() > most or not np.isfinite(coefficients).all():
            raise Unresolved
        if step == _MOST_HALVINGS - 1:
            rough[:] = False
        done.append((left[~rough], coefficients[~rough]))
        if not rough.any():
            break
        middle = 0.5 * (left + right)[rough]
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
    starts = np.concatenate([part for part, _ in done])
    order = np.argsort(starts)
    table = np.concatenate([part for _, part in done])[order]
    return Tail(np.append(starts[order], edges[-1]), table, slope, corners)


def panels(low: float, deep: float, high: float) -> Array:
    """Edges on [low, high]: at most 4 wide up to ``deep``, doubling from there on, where only powers remain."""
    count = max(1, int(np.ceil((deep - low) / _WIDTH)))
    inner = np.linspace(low, deep, count + 1)
    outer = deep + _WIDTH * (2.0 ** np.arange(1, 12) - 1)
    return np.concatenate([inner, outer[outer < high - 1e-9], [high] if high > deep + 1e-9 else []])


def convolve(x: Tail, y: Tail, tau: Array, split: int) -> Array:
    """log P(X+Y > e^τ)."""
    s, half = np.exp(tau.ravel()), tau.ravel() - np.log(2)
    at_s = tau.ravel()
    total = np.exp(x(half) + y(half)) + y.atom * np.exp(x(at_s)) + x.atom * np.exp(y(at_s))
    for tail, source in [(x, y)] if x is y else [(x, y), (y, x)]:
        inner = np.empty_like(s)
        for start in range(0, len(s), _ROWS):
            rows = slice(start, start + _ROWS)
            part = _across_corners if 0 < len(tail.corners) <= _SHARP else _between_corners
            inner[rows] = part(tail, source, s[rows], half[rows], split)
        total += inner * (2 if x is y else 1)
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(total, 0)).reshape(tau.shape)


def _between_corners(x: Tail, y: Tail, s: Array, half: Array, split: int) -> Array:
    """I(X, Y) where X's tail has no corners: Y's own nodes, and the panel that s/2 cuts."""
    at, mass, ends = y.sources(split)
    far = (np.exp(x(np.log(s[:, None, None] + at))) * mass).sum(axis=(1, 2))
    row, panel = np.nonzero(ends <= half[:, None])
    near = (np.exp(x(np.log(s[row][:, None] - at[panel]))) * mass[panel]).sum(axis=1)
    total = far + np.bincount(row, near, minlength=len(s))
    panel = np.searchsorted(y.edges, half, side="right") - 1
    cut = (panel >= 0) & (panel < len(y.coefficients))
    panel, s, half = panel[cut], s[cut], half[cut]
    left, width = y.edges[panel], y.edges[panel + 1] - y.edges[panel]
    start = np.floor((half - left) / width * split) / split
    total[cut] += _on_parts(
        x, y, s[:, None], panel[:, None], start[:, None], ((half - left) / width)[:, None], -1
    )
    return total


def _across_corners(x: Tail, y: Tail, s: Array, half: Array, split: int) -> Array:
    """I(X, Y) where s ± |y| crosses corners of X's tail: panels are cut there, and graded towards them."""
    cuts = np.abs(s[:, None] - np.array(x.corners))
    graded = cuts[..., None] * (1 + _GRADES)
    with np.errstate(divide="ignore"):
        cut = np.log(graded.reshape(len(s), -1))
    own = np.linspace(y.edges[:-1], y.edges[1:], split, endpoint=False).T.ravel()
    own = np.broadcast_to(np.append(own, y.edges[-1]), (len(s), len(own) + 1))
    edges = np.sort(
        np.clip(np.concatenate([own, cut, half[:, None]], axis=1), y.edges[0], y.edges[-1]), axis=1
    )
    left, right = edges[:, :-1], edges[:, 1:]
    panel = np.clip(
        np.searchsorted(y.edges, 0.5 * (left + right), side="right") - 1, 0, len(y.coefficients) - 1
    )
    width = y.edges[panel + 1] - y.edges[panel]
    start, stop = (left - y.edges[panel]) / width, (right - y.edges[panel]) / width
    total = np.zeros_like(s)
    for sign, wanted in ((1, right > left), (-1, (right > left) & (right <= half[:, None] + 1e-15))):
        row, column = np.nonzero(wanted)
        at = (row, column)
        part = _on_parts(
            x, y, s[row][:, None], panel[at][:, None], start[at][:, None], stop[at][:, None], sign
        )
        total += np.bincount(row, part, minlength=len(s))
    return total


def _on_parts(x: Tail, y: Tail, s: Array, panel: Index, start: Array, stop: Array, sign: int) -> Array:
    """∫ P(X > s + sign·y) dP(Y ≤ y) over the part [start, stop] ⊂ [0, 1] of a panel of Y's table."""
    share = start + 0.5 * (stop - start) * (1 + NODES)
    mass = y.mass(panel, 2 * share - 1) * WEIGHTS * (stop - start)
    at = np.exp(y.edges[panel] + (y.edges[panel + 1] - y.edges[panel]) * share)
    return (np.exp(x(np.log(s + sign * at))) * mass).sum(axis=1)


def _on(coefficients: Array, panel: Index, x: Array) -> Array:
    """Σ c_k T_k(x) by Clenshaw's recurrence, c the row of ``coefficients`` that ``panel`` names."""
    panel = np.broadcast_to(panel, np.broadcast_shapes(panel.shape, x.shape))
    columns = np.ascontiguousarray(coefficients.T)
    twice = 2 * x
    high, higher = columns[-1].take(panel), np.zeros(x.shape)
    for column in columns[-2:0:-1]:
        high, higher = column.take(panel) + twice * high - higher, high
    return np.asarray(columns[0].take(panel) + x * high - higher)
