"""J(q₀) = ∫ from q₀ to 1 of dq / T(q), the integral behind every cube and cross-polytope radius.

Noise with density proportional to f(g(x)/λ) has score ψ'(r) W, ψ = -log f, with r and W independent. For a cube
against l∞ and a cross-polytope against l1, W = ±1 with probability 1/2 each; for a cube against l1 each sign has
probability 1/(2d) and W = 0 otherwise. So Φ needs only

    T(q) = sup {E[ψ'(r) 1_A] : P(A) = q},   A = a superlevel set of ψ'.

Such a set is a half-line, or (exponential with k > 1 and j > 0) the outside of an interval, or (power with k > 1)
an interval. One parameter ξ follows it: log r itself where ψ' is monotone, and √|log(ψ'/ψ'*)| where ψ' has an
extremum ψ'*, which makes both ends of the interval analytic in ξ. As dT/dq is the level of ψ', T on a panel is its
value at one edge plus a Legendre integral, and J is summed over panels until nothing is left.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import copysign, exp, log, sqrt
from typing import Any, Literal

from flint import arb, ctx

from validation.oracle.arith import PrecisionError, accurate, ball, column, digits, legendre, newton
from validation.oracle.laws import BetaPrime, Law, bisect, radial_law, separation, split

Kind = Literal["flat", "up", "down", "outside", "inside"]


@dataclass(frozen=True)
class Shell:
    """A radial law, with u = r^k: "exp" (k, j), u ~ Gamma((d-j)/k), or "pow" (k, a), u ~ BetaPrime(d/k, a-d/k)."""

    profile: Literal["exp", "pow"]
    dim: int
    k: Fraction
    other: Fraction

    def __post_init__(self) -> None:
        d, k, other = self.dim, self.k, self.other
        if d < 1 or k <= 0:
            raise ValueError(f"dim >= 1 and k > 0 are needed, got dim={d}, k={float(k)}")
        if self.profile == "exp" and not (0 <= other < d - 1 or (d == 1 and other == 0)):
            raise ValueError(f"an integrable score needs 0 <= j < dim - 1, got j={float(other)} at dim={d}")
        if self.profile == "pow" and other * k <= d:
            raise ValueError(f"a > dim/k is needed, got a={float(other)}, dim={d}, k={float(k)}")

    @property
    def law(self) -> Law:
        """The law of u = r^k."""
        return radial_law(self.profile, self.dim, self.k, self.other)

    @property
    def kind(self) -> Kind:
        """The shape of the superlevel sets of ψ'."""
        if self.profile == "pow":
            return "inside" if self.k > 1 else "down"
        if self.other == 0:
            return "flat" if self.k == 1 else "up" if self.k > 1 else "down"
        return "outside" if self.k > 1 else "down"

    @property
    def two_sided(self) -> bool:
        """Whether ψ' has an extremum inside, at ξ = 0."""
        return self.kind in ("outside", "inside")

    @property
    def grows(self) -> int:
        """Whether P(A) grows with ξ (1) or falls (-1)."""
        return 1 if self.kind in ("down", "inside") else -1

    def tilted(self) -> list[tuple[Any, Law]]:
        """(weight, law) with E[ψ'(r) 1_A] = Σ weight · law(A): ψ' times the density of u."""
        k, other, law = self.k, self.other, self.law
        if isinstance(law, BetaPrime):  # ψ' = a k u^(1-1/k) / (1+u)
            terms: list[tuple[Fraction, Law]] = [(other * k, BetaPrime(law.a + 1 - 1 / k, law.b + 1 / k))]
        else:  # ψ' = k u^(1-1/k) + j u^(-1/k)
            terms = [(k, law.shifted(1 - 1 / k))]
            terms += [(other, law.shifted(-1 / k))] if other else []
        return [(ball(factor) * (new.log_norm() - law.log_norm()).exp(), new) for factor, new in terms]

    def ends(self, xi: Any) -> list[tuple[Any, Any]]:
        """(log u, |d log u / dξ|) at the ends, left to right, of the half-line or the interval at ξ."""
        k = ball(self.k)
        if self.kind in ("up", "down"):
            return [(k * xi, k)]
        (left, left_speed), (right, right_speed) = split(self.k, xi)
        if self.kind == "outside":
            peak = (ball(self.other) / (k * (k - 1))).log()
            return [(peak + k * left, k * left_speed), (peak + k * right, k * right_speed)]
        peak = (k - 1).log()
        return [(peak - k * right, k * right_speed), (peak - k * left, k * left_speed)]

    def mass(self, law: Law, xi: Any, complement: bool = False) -> Any:
        """law(A) at ξ, or the law of what is left."""
        ends = [log_u.exp() for log_u, _ in self.ends(xi)]
        if len(ends) == 1:
            return law.upper(ends[0]) if (self.kind == "up") != complement else law.lower(ends[0])
        outer = law.lower(ends[0]) + law.upper(ends[1])
        return outer if (self.kind == "outside") != complement else 1 - outer

    def level_and_speed(self, xi: Any) -> tuple[Any, Any]:
        """ψ' on the boundary at ξ and |dP(A)/dξ|."""
        ends = self.ends(xi)
        speed = sum((self.law.log_density(log_u).exp() * rate for log_u, rate in ends), arb(0))
        log_u = ends[0][0]
        u, r = log_u.exp(), (log_u / ball(self.k)).exp()
        if self.profile == "exp":
            return (ball(self.k) * u + ball(self.other)) / r, speed
        return ball(self.other * self.k) * u / (1 + u) / r, speed

    def mean(self) -> Any:
        """T(1) = E ψ'(r)."""
        return sum((weight for weight, _ in self.tilted()), arb(0))

    def partial_mean(self, xi: Any) -> Any:
        """T at ξ, that is E[ψ'(r) 1_A]."""
        return accurate(lambda: sum((weight * self.mass(law, xi) for weight, law in self.tilted()), arb(0)))

    # Double-precision twins, for starting points and for the width of a panel only.

    def rough_xi(self, log_u: float) -> float:
        """ξ of the set that has an end at u, negative on the left of the extremum."""
        k = float(self.k)
        if self.kind in ("up", "down"):
            return log_u / k
        ratio = float(self.other) / (k * (k - 1)) if self.kind == "outside" else k - 1
        z = (log_u - log(ratio)) / k
        return copysign(sqrt(max(separation(k, z if self.kind == "outside" else -z), 0.0)), z)

    def rough_masses(self, xi: float) -> tuple[float, float]:
        """(P(A), P(not A)) at ξ."""
        ends = [float(log_u) for log_u, _ in self.ends(arb(xi))]
        tails = [self.law.tails(log_u) for log_u in ends]
        if len(ends) == 1:
            return tails[0] if self.kind == "down" else tails[0][::-1]
        outer = tails[0][0] + tails[1][1]
        inner = max(tails[1][0] - tails[0][0], tails[0][1] - tails[1][1])
        inner = 1 - outer if outer < 0.9 else inner
        return (outer, inner) if self.kind == "outside" else (inner, outer)

    def window(self) -> tuple[float, float]:
        """Where in ξ the mass is, and three of its standard deviations."""
        mean, deviation = self.law.log_spread()
        low, high = self.rough_xi(mean - deviation), self.rough_xi(mean + deviation)
        return self.rough_xi(mean), 1.5 * (high - low)


def find(shell: Shell, q: Fraction) -> Any:
    """ξ with P(A) = q, as an exact number; the smaller of q and 1-q is matched, in relative terms.

    Around an extremum of ψ' the unknown is log ξ: there the smaller mass is proportional to ξ, and too fine for
    doubles, which start from that proportion.
    """
    centre, width = shell.window()
    rest = 1 - q
    target, sign = (q, shell.grows) if q < rest else (rest, -shell.grows)

    def excess(xi: float) -> float:
        masses = shell.rough_masses(xi)
        mass = masses[0 if q < rest else 1]
        if shell.two_sided and sign > 0 and mass == min(masses) < 1e-7:
            mass = xi * float(shell.level_and_speed(arb(xi))[1])
        return sign * (mass - float(target))

    def residual(xi: Any) -> tuple[Any, Any]:
        mass = accurate(lambda: shell.mass(shell.law, xi, complement=q >= rest))
        return (mass / ball(target)).log(), sign * shell.level_and_speed(xi)[1] / mass

    if not shell.two_sided:
        return newton(bisect(excess, centre - 60 * width, centre + 60 * width), residual)

    def log_residual(t: Any) -> tuple[Any, Any]:
        value, slope = residual(t.exp().mid())
        return value, slope * t.exp()

    low, high = log(1e-16 * width), log(abs(centre) + 60 * width)
    return newton(bisect(lambda t: excess(exp(t)), low, high), log_residual).exp().mid()


def _panel(shell: Shell, start: Any, stop: Any, depth: int = 0) -> Any:
    """∫ dq/T between two values of ξ, `start` being the one with the smaller set A."""
    length = abs(stop - start)
    base = shell.partial_mean(start)
    totals = []
    for order in (5 * digits() // 4, 7 * digits() // 4):
        nodes, weights, cumulative = legendre(order)
        points = [((start + stop) / 2 + (stop - start) / 2 * node).mid() for node in nodes]
        levels, speeds = zip(*(shell.level_and_speed(point) for point in points), strict=True)
        gains = column(cumulative, [level * speed for level, speed in zip(levels, speeds, strict=True)])
        terms = zip(weights, speeds, gains, strict=True)
        totals.append(
            length / 2 * sum((w * speed / (base + length / 2 * gain) for w, speed, gain in terms), arb(0))
        )
    coarse, fine = totals
    error = abs(fine - coarse)
    if error < abs(fine) * arb(10) ** -digits() or error * base < arb(10) ** (-digits() - 12):
        return fine
    if depth == 30:
        raise PrecisionError(f"a panel of {shell} does not settle: {coarse} {fine}")
    middle = ((start + stop) / 2).mid()
    return _panel(shell, start, middle, depth + 1) + _panel(shell, middle, stop, depth + 1)


@lru_cache(maxsize=4096)
def _grid_panel(shell: Shell, start: Fraction, stop: Fraction, precision: int) -> Any:
    with ctx.workprec(precision):
        return _panel(shell, ball(start).mid(), ball(stop).mid())


@lru_cache(maxsize=4096)
def _tail_integral(shell: Shell, q: Fraction, precision: int) -> Any:
    with ctx.workprec(precision):
        if shell.kind == "flat":  # ψ' = 1 and T(q) = q
            return -(ball(q).log() if 2 * q < 1 else (-ball(1 - q)).log1p())
        grid = Fraction(shell.window()[1])
        start, way = find(shell, q), shell.grows
        index = int((start / ball(grid)).floor().unique_fmpz()) + (1 if way > 0 else 0)
        total, edge = arb(0), ball(index * grid).mid()
        while shell.kind == "inside" and 4 * start < edge:  # 1/T has a pole at ξ = 0
            total += _panel(shell, start, 4 * start)
            start *= 4
        total += _panel(shell, start, edge)
        quiet = 0
        while quiet < 2 and not (shell.kind == "outside" and index <= 0):
            part = _grid_panel(shell, index * grid, (index + way) * grid, precision)
            total += part
            index += way
            quiet = quiet + 1 if part < total * arb(10) ** (-digits() - 4) else 0
        left = shell.mass(shell.law, ball(index * grid), complement=True).abs_upper() if index else arb(0)
        if not left / shell.mean() < total * arb(10) ** (2 - digits()):
            raise PrecisionError(f"the panels of {shell} stopped too early at q={float(q)}")
        return total


def tail_integral(shell: Shell, q: Fraction) -> Any:
    """J(q) = ∫ from q to 1 of dq / T(q), 0 < q < 1."""
    return _tail_integral(shell, q, int(ctx.prec))
