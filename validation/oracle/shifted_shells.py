"""P(ψ(g(X-v)) ≤ ψ(g(X)) + t) for noise with density ∝ exp(-ψ(g(x))), g the gauge of a ball or a cube, v one shift.

With r = g(X) the condition reads g(X-v) ≤ s, where ψ(s) = ψ(r) + t. The boundary point X/r is independent of r, so
given r the probability A(r, s) is a volume of the shape alone. By the triangle inequality A = 1 where s ≥ r + e and
A = 0 where s ≤ |r-e|, e = g(v): the integral over y = log r has panels that end at these places, and what lies outside
of them are masses of the radial law.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import exp
from typing import Any, Literal

from flint import arb, ctx

from validation.oracle.arith import ball
from validation.oracle.boundaries import Shape, share_within
from validation.oracle.laws import Law, radial_law
from validation.oracle.rough_shells import RoughShell
from validation.oracle.tanh_sinh import integrate, sign_changes


@dataclass(frozen=True)
class ShiftedShell:
    """A profile, "exp" with ψ = r^k + j log r or "pow" with ψ = a log(1+r^k), on a shape moved in one direction.

    "ball" is the sphere; "axis" is the cube moved along e₁ and "diagonal" the cube moved by e (1, ..., 1).
    """

    profile: Literal["exp", "pow"]
    dim: int
    k: Fraction
    other: Fraction
    shape: Shape

    def __post_init__(self) -> None:
        d, k, other = self.dim, self.k, self.other
        if d < 2 or k <= 0:
            raise ValueError(f"dim >= 2 and k > 0 are needed, got dim={d}, k={float(k)}")
        if self.profile == "exp" and not 0 <= other < d:
            raise ValueError(f"0 <= j < dim is needed, got j={float(other)} at dim={d}")
        if self.profile == "pow" and other * k <= d:
            raise ValueError(f"a > dim/k is needed, got a={float(other)}, dim={d}, k={float(k)}")

    @property
    def law(self) -> Law:
        """The law of u = r^k."""
        return radial_law(self.profile, self.dim, self.k, self.other)

    @cached_property
    def window(self) -> tuple[Any, Any]:
        """log r outside of which there is no mass that counts."""
        mean, deviation = (value / float(self.k) for value in self.law.log_spread())
        least = arb(2) ** (-3 * int(ctx.prec) // 4)
        low, high = arb(mean), arb(mean)
        while self.below_radius(low) > least:
            low -= deviation / 2
        while self.beyond_radius(high) > least:
            high += deviation / 2
        return low, high

    @cached_property
    def middle(self) -> float:
        """The mean of log r."""
        return self.law.log_spread()[0] / float(self.k)

    def below_radius(self, y: Any) -> Any:
        """P(log r < y)."""
        return self.law.lower((ball(self.k) * y).exp())

    def beyond_radius(self, y: Any) -> Any:
        """P(log r > y)."""
        return self.law.upper((ball(self.k) * y).exp())

    def potential(self, r: Any) -> Any:
        """ψ(r)."""
        u = r ** ball(self.k)
        if self.profile == "pow":
            return ball(self.other) * u.log1p()
        return u + ball(self.other) * r.log() if self.other else u

    def partner(self, u: Any, y: Any, t: Any) -> Any:
        """s with ψ(s) = ψ(r) + t, u = r^k, y = log r; 0 where there is none."""
        k, other = ball(self.k), ball(self.other)
        if self.profile == "pow":
            power = (1 + u) * (t / other).exp() - 1
        elif self.other:  # s^k = (j/k) W((k/j) exp((k/j) (ψ(r) + t)))
            ratio = k / other
            power = (ratio * (ratio * (u + t) + k * y).exp()).lambertw() / ratio
        else:
            power = u + t
        return power ** (1 / k) if power > 0 else arb(0)

    def kinks(self, e: Any, t: Any) -> list[Any]:
        """log r in order where s = |r-e| or s = r+e, that is ψ(|r-e|) or ψ(r+e) is ψ(r) + t."""
        low, high = self.window
        points = [low + (high - low) * i / 64 for i in range(65)]
        width = 1 / max(1.0, float(self.k))
        centre = e.log()
        points += [around + width * i / 6 for around in (centre, arb(0)) for i in range(-48, 49)]
        # at r = e the first function goes to ψ(0), within a width that may be tiny
        near = [arb(2) ** -i for i in range(1, int(ctx.prec) // 2, 3)]
        points += [centre + sign * step for step in near for sign in (-1, 1)]
        points = sorted((point for point in points if low <= point <= high), key=lambda point: point.mid())
        tiny = arb(2) ** (16 - int(ctx.prec))

        def inner(y: Any) -> Any:
            r = y.exp()
            gap = abs(r - e).mid()
            floor = arb.neg_inf() if self.profile == "exp" and self.other else arb(0)
            return ((self.potential(gap) if gap > 0 else floor) - self.potential(r) - t).mid()

        def outer(y: Any) -> Any:
            r = y.exp()
            return (self.potential(r + e) - self.potential(r) - t).mid()

        return sorted(root for function in (inner, outer) for root in sign_changes(function, points, tiny))

    def state(self, y: Any, e: Any, t: Any) -> int | None:
        """A where it is 0 or 1 whatever the direction, else None."""
        r = y.exp()
        s = self.partner((ball(self.k) * y).exp(), y, t)
        return 1 if s >= r + e else 0 if s <= abs(r - e) else None

    def below_half(self, e: Any, t: Any, tolerance: Any) -> Any:
        """1/2 - P(ψ(g(X-v)) ≤ ψ(g(X)) + t), ties counted."""
        k, law = ball(self.k), self.law
        low, high = self.window
        negligible = tolerance / (high - low) / 1024

        def integrand(y: Any) -> Any:
            log_u = k * y
            density = law.log_density(log_u).exp()
            if density < negligible:
                return arb(0)
            s = self.partner(log_u.exp(), y, t)
            return density * share_within(self.shape, self.dim, y.exp(), s, e, falls=t < 0)

        edges = [low, *self.kinks(e, t), high]
        total = arb(0)
        for start, stop in pairwise(edges):
            if not start < stop:
                continue
            state = self.state((start + stop) / 2, e, t)
            if state is None:
                total += k * integrate(integrand, start, stop, tolerance / 8)
            elif state:
                total += self.below_radius(stop) - self.below_radius(start)
        return (arb(1) / 2 - total).mid()

    def settled(self, e: Any, tolerance: Any) -> Any | None:
        """ρ - 1/2 where the best threshold is a likelihood ratio of positive probability, else None."""
        if self.shape == "axis":  # a facet that the shift slides along keeps its gauge: L = 0
            at_least = arb(1) / 2 - self.below_half(e, arb(0), tolerance)
            if 2 * at_least >= 1:
                return 1 - at_least - self.beyond_radius((e / 2).log()) / (2 * self.dim)
        if self.shape == "diagonal" and self.profile == "exp" and self.k == 1 and not self.other:
            # L = -e where x has a coordinate at -r, half of all; L = e with probability E[(1-e/r)₊^(d-1)]/2 = e^-e/2
            return -(-e).expm1() / 2
        return None

    @cached_property
    def rough(self) -> RoughShell:
        """The same in double precision."""
        low, high = (float(y) for y in self.window)
        return RoughShell(self.profile, self.dim, float(self.k), float(self.other), self.shape, (low, high))

    def rough_below_half(self, e: float, t: float) -> float:
        """1/2 - P(L ≥ -t), for starting points only."""
        return self.rough.below_half(e, t)

    def first_shift(self, score: float) -> float:
        """A shift of about the size that the normal score of ρ is worth."""
        per_score = {"ball": self.dim**-0.5, "axis": 1.0, "diagonal": 1.0 / self.dim}[self.shape]
        return score * per_score * exp(self.middle)

    def first_threshold(self, e: float) -> float:
        """A log-likelihood ratio of about the median's size; not at r = 1, where a rise of ψ may be the largest."""
        r = arb(self.middle + 0.1 / max(1.0, float(self.k))).exp()
        far = (r * r + e * e).sqrt() if self.shape == "ball" else r + e
        return float(self.potential(far) - self.potential(r))
