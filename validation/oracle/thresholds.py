"""Which ρ a shift needs, and which shift a ρ is worth, from the law of the log-likelihood ratio L.

With a(t) = P(L ≥ -t) and τ such that a(τ) = 1/2, ρ - 1/2 = (1/2 - a(-τ)) + exp(-τ) (1/2 - a(τ)), which is the minimum
over all τ. It is convex in exp(-τ) with the slope H = 1/2 - a(τ), and at τ = 0 it is 2H: whatever τ is below _LEAST,
that one gives all digits. Everything starts from double precision; what ends it is Newton's method in Arb.
"""

from fractions import Fraction
from math import exp, log
from typing import Any, Protocol

from flint import arb, ctx

from validation.oracle.arith import PrecisionError, ball
from validation.oracle.rough_shells import solve
from validation.oracle.tanh_sinh import bracket, crossing

DIGITS = 25  # of a radius or a ρ, where ρ - 1/2 and 1 - ρ are above 1e-10
_FINE = arb(10) ** (-DIGITS - 1)  # tolerance of a quadrature, relative to the smaller of ρ - 1/2 and 1 - ρ
_NEAR = arb(10) ** -5
_LEAST, _MOST = -74.0, 7.0  # log τ; a start beyond is moved there


class TooFewBits(PrecisionError):
    """τ is so small that ψ + τ has lost more than a quarter of its digits."""


class LikelihoodRatio(Protocol):
    """The law of L for shifts of any length e in one direction."""

    def below_half(self, e: Any, t: Any, tolerance: Any) -> Any:
        """1/2 - P(L ≥ -t)."""

    def settled(self, e: Any, tolerance: Any) -> Any | None:
        """ρ - 1/2 where the best threshold is known, else None."""

    def rough_below_half(self, e: float, t: float) -> float:
        """The same in double precision, for starting points only."""

    def first_shift(self, score: float) -> float:
        """An e from which the search for the one that the normal score of ρ is worth may start."""

    def first_threshold(self, e: float) -> float:
        """A τ from which that search may start."""


def normal_score(above_half: Any) -> Any:
    """Φ_N⁻¹(1/2 + above_half), the two ends clipped at the working precision."""
    least = arb(2) ** (-int(ctx.prec) + 16)
    if 4 * above_half < 1:
        return arb(2).sqrt() * (2 * (above_half if above_half > least else least)).erfinv().mid()
    rest = 1 - 2 * above_half
    return arb(2).sqrt() * (rest if rest > least else least).erfcinv().mid()


def _first(law: LikelihoodRatio, e: float) -> float:
    """log τ to start from; a steep ψ may rise by nothing or beyond all floats."""
    return log(min(max(law.first_threshold(e), exp(_LEAST)), exp(_MOST)))


class _Solver:
    """Thresholds for one e after the other; each starts the next. First roughly: in doubles, or `careful` in Arb."""

    def __init__(self, law: LikelihoodRatio, careful: Any | None = None) -> None:
        self.law, self.careful = law, careful
        self.y = self.lean = self.slope = arb.nan()  # log τ, d log τ / d log e, and dH / d log τ
        self.x = arb(0)

    def rough_half(self, x: float) -> float:
        """ρ - 1/2 that a shift of length exp(x) needs, roughly, and log τ for later."""
        e, law = exp(x), self.law
        if (known := law.settled(arb(e), arb(10) ** -12)) is not None:
            return float(known)

        def below_half(t: float) -> float:
            if self.careful is None:
                return law.rough_below_half(e, t)
            return float(law.below_half(arb(e), arb(t), self.careful))

        start = float(self.y) if self.y.is_finite() else _first(law, e)
        y = _LEAST
        if below_half(exp(y)) > 0:
            y = solve(lambda y: -below_half(exp(y)), start, 0.5, 1e-9 if self.careful is None else 1e-5)
        self.x, self.y = arb(x), arb(y)
        return below_half(-exp(y)) + exp(-exp(y)) * below_half(exp(y))

    def half(self, x: Any, tolerance: Any) -> Any:
        """ρ - 1/2 that a shift of length exp(x) needs: the minimum over τ."""
        law, e = self.law, x.exp().mid()
        if (known := law.settled(e, tolerance)) is not None:
            return known
        start = self.y if self.y.is_finite() else arb(_first(law, float(e)))
        y = (start + (self.lean * (x - self.x) if self.lean.is_finite() else 0)).mid()
        y = y if y > _LEAST else arb(_LEAST)
        if y < -0.2 * int(ctx.prec):
            raise TooFewBits(f"the threshold exp({float(y):.0f}) needs more than {ctx.prec} bits")

        def falling(y: Any) -> Any:
            return -law.below_half(e, y.exp().mid(), tolerance)

        value = -falling(y)
        if y <= _LEAST and value < 0:
            self.x, self.y, self.lean, self.slope = x, y, arb(0), arb.nan()
            tau = y.exp().mid()
            return law.below_half(e, -tau, tolerance) + (-tau).exp() * value
        if not self.slope.is_finite():
            self.slope = (-falling(y + _NEAR) - value) / _NEAR
        for _ in range(8):
            step = (-value / self.slope).mid()
            settled = abs(value * step) * y.exp() < tolerance  # the slope of ρ in log τ is -τ exp(-τ) H
            if settled or not abs(step) < 1:
                break
            y = (y + step).mid()
            value, last = -falling(y), value
            self.slope = (value - last) / step
        if not settled:  # L has nearly an atom there, or the root of one
            y, step = crossing(falling, *bracket(falling, start, 1e-4), 1e-30), arb(0)
            value, self.slope = -falling(y), (-falling(y + 1e-14) + falling(y)) / arb(1e-14)
        if self.x != x:
            self.x, self.y, self.lean = x, y + step, (y + step - self.y) / (x - self.x)
        tau = y.exp().mid()
        return law.below_half(e, -tau, tolerance) + (-tau).exp() * value


def above_half(law: LikelihoodRatio, e: Any) -> Any:
    """ρ - 1/2 that a shift of length e needs."""
    solver = _Solver(law)
    try:
        rough = solver.rough_half(float(e.log()))
    except PrecisionError:  # doubles are too coarse for a start
        solver = _Solver(law, arb(10) ** -12)
        rough = solver.rough_half(float(e.log()))
    return solver.half(e.log().mid(), arb(max(min(rough, 0.5 - rough), 1e-14)) * _FINE)


def shift(law: LikelihoodRatio, half: Fraction) -> Any:
    """The e that needs exactly ρ = 1/2 + half."""
    smaller = ball(min(half, Fraction(1, 2) - half))
    try:
        return _secants(law, half, smaller * _FINE, _Solver(law))
    except TooFewBits:
        raise
    except PrecisionError:  # doubles are too coarse for a start
        return _secants(law, half, smaller * _FINE, _Solver(law, smaller / 10**5))


def _secants(law: LikelihoodRatio, half: Fraction, tolerance: Any, solver: _Solver) -> Any:
    """Secants on log z(ρ) against log e, from a rough start."""
    target = normal_score(ball(half))

    def rough(x: float) -> float:
        return float((normal_score(arb(solver.rough_half(x))) / target).log())

    def fine(x: Any) -> Any:
        return (normal_score(solver.half(x, tolerance)) / target).log().mid()

    start = solve(rough, log(law.first_shift(float(target))), 0.5, 1e-9 if solver.careful is None else 1e-3)
    slope = max((rough(start + 0.1) - rough(start - 0.1)) / 0.2, 0.001)
    older = arb(start)
    at_older = fine(older)
    newer = (older - at_older / slope).mid()
    for _ in range(30):
        if not abs(newer - start) < 2:
            break
        at_newer = fine(newer)
        if abs(at_newer) < _FINE * _FINE:
            return newer.exp()
        step = at_newer * (newer - older) / (at_newer - at_older)
        if (
            abs(step * (newer - older)) < 1e-30
        ):  # what this step leaves is of the order of the last two steps' product
            return (newer - step).exp()
        older, newer, at_older = newer, (newer - step).mid(), at_newer
    raise PrecisionError(f"secants do not settle near e = {float(newer.exp())}")
