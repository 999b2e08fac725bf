"""Level sets of one coordinate: a symmetric density ∝ exp(-φ(|x|)) on the line and its shift by e.

With L(x) = φ(|x|) - φ(|x-e|), L(e-x) = -L(x). For convex φ, L rises and {L ≥ -t} is a half-line. For concave φ it
falls from -φ(e) on the way from 0 to -∞, to 0, rises on [0, e] from -φ(e) to φ(e), and falls to 0 again beyond e:
superlevel sets are an interval or, for 0 < t < φ(e), two half-lines.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, ctx

from validation.oracle.arith import ball
from validation.oracle.laws import Gamma
from validation.oracle.tanh_sinh import bracket, crossing


def _tiny() -> Any:
    return arb(2) ** (24 - int(ctx.prec))


@dataclass(frozen=True)
class Line:
    """φ = x^p, p ≥ 1."""

    power: Fraction

    def potential(self, x: Any) -> Any:
        """φ(|x|)."""
        x = abs(x).mid()
        return x ** ball(self.power) if x > 0 else arb(0)

    def outer(self, x: Any) -> Any:
        """P(X > x) for x ≥ 0: |X|^p ~ Gamma(1/p)."""
        return Gamma(1 / self.power).upper(self.potential(x)) / 2

    def below_half(self, e: Any, t: Any, tolerance: Any) -> Any:
        """1/2 - P(L ≥ -t)."""

        def rise(x: Any) -> Any:
            return (self.potential(x) - self.potential(x - e) + t).mid()

        x = crossing(rise, *bracket(rise, arb(0), float(e)), e * _tiny())
        return (arb(1) / 2 - self.outer(x) if x > 0 else self.outer(x) - arb(1) / 2).mid()

    def rough_below_half(self, e: float, t: float) -> float:
        """The same in double precision."""
        return float(self.below_half(arb(e), arb(t), None))

    def settled(self, e: Any, tolerance: Any) -> Any | None:
        """For p = 1, L = ±e outside of [0, e], with probability 1/2 each: {L ≥ e} = {x ≥ e} is best."""
        return arb(1) / 2 - self.outer(e) if self.power == 1 else None

    def first_shift(self, score: float) -> float:
        """A rough e for a normal score of ρ."""
        return score

    def first_threshold(self, e: float) -> float:
        """A rough τ."""
        return 1.1 * float(self.potential(arb(e)))


@dataclass(frozen=True)
class HeavyLine:
    """φ = x^p, 0 < p < 1, or with `power` None (1+a) log(1+x)."""

    power: Fraction | None
    a: Fraction

    def __post_init__(self) -> None:
        if (self.power is None and self.a <= 0) or (self.power is not None and not 0 < self.power < 1):
            raise ValueError(f"a heavy tail needs 0 < p < 1 or a > 0, got p={self.power}, a={self.a}")

    def potential(self, x: Any) -> Any:
        """φ(x), x ≥ 0."""
        if self.power is None:
            return ball(1 + self.a) * x.log1p()
        return x ** ball(self.power) if x > 0 else arb(0)

    def outer(self, x: Any) -> Any:
        """P(X > x) for x ≥ 0."""
        if self.power is None:
            return (-ball(self.a) * x.log1p()).exp() / 2
        return Gamma(1 / self.power).upper(self.potential(x)) / 2

    def ends(self, e: Any, level: Any) -> tuple[Any, Any]:
        """(x, y) with φ(e-x) - φ(x) = level in [0, e/2] and φ(e+y) - φ(y) = level in y > 0, 0 < level < φ(e)."""

        def inner(x: Any) -> Any:
            return (self.potential((e - x).mid()) - self.potential(x) - level).mid()

        def outer(log_y: Any) -> Any:
            y = log_y.exp()
            return (level - self.potential(e + y) + self.potential(y)).mid()

        x = crossing(inner, arb(0), e / 2, e * _tiny())
        return x, crossing(outer, *bracket(outer, e.log(), 1.0), _tiny()).exp()

    def below_half(self, e: Any, t: Any, tolerance: Any) -> Any:
        """1/2 - P(L ≥ -t), t not 0."""
        level = abs(t).mid()
        if level >= self.potential(e):
            return arb(-1 if t > 0 else 1) / 2
        x, y = self.ends(e, level)
        if t > 0:
            return (arb(1) / 2 - self.outer(x) - self.outer(y)).mid()
        return (arb(1) / 2 - self.outer((e - x).mid()) + self.outer(e + y)).mid()

    def rough_below_half(self, e: float, t: float) -> float:
        """The same in double precision."""
        return float(self.below_half(arb(e), arb(t), None))

    def settled(self, e: Any, tolerance: Any) -> None:
        """L has no atoms."""

    def first_shift(self, score: float) -> float:
        """A rough e for a normal score of ρ."""
        return score if self.power is None else score ** float(1 / self.power)

    def first_threshold(self, e: float) -> float:
        """A rough τ."""
        return float(self.potential(arb(e))) / 2
