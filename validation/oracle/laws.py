"""The two radial laws, Gamma and BetaPrime, of a variable u > 0: tails, densities, moments."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import exp, expm1, log, log1p, sqrt
from typing import Any

from flint import ctx
from scipy.special import betainc, digamma, gammainc, gammaincc, polygamma

from validation.oracle.arith import accurate, ball, newton


@lru_cache(maxsize=1024)
def _lgamma(value: Fraction, precision: int) -> Any:
    with ctx.workprec(precision):
        return ball(value).lgamma()


def lgamma(value: Fraction) -> Any:
    """log Γ of a positive rational at the working precision."""
    return _lgamma(value, int(ctx.prec))


def beta_cdf(x: Any, rest: Any, a: Fraction, b: Fraction) -> Any:
    """P(Beta(a, b) < x), with rest = 1-x; beyond the mean through the other tail, where Arb is fast and finite."""
    if x < ball(a / (a + b)):
        return x.beta_lower(ball(a), ball(b), regularized=1)
    return 1 - rest.beta_lower(ball(b), ball(a), regularized=1)


@dataclass(frozen=True)
class Gamma:
    """Density u^(a-1) e^-u / Γ(a)."""

    a: Fraction

    def upper(self, u: Any) -> Any:
        """P(U > u)."""
        return u.gamma_upper(ball(self.a), regularized=1)

    def lower(self, u: Any) -> Any:
        """P(U < u), as a complement: the caller asks for more bits where that cancels."""
        return 1 - self.upper(u)

    def log_density(self, log_u: Any) -> Any:
        """Log of the density of log U."""
        return ball(self.a) * log_u - log_u.exp() - self.log_norm()

    def log_norm(self) -> Any:
        """log of the integral of u^(a-1) e^-u."""
        return lgamma(self.a)

    def shifted(self, s: Fraction) -> "Gamma":
        """The law with density proportional to u^s times this one."""
        return Gamma(self.a + s)

    def tails(self, log_u: float) -> tuple[float, float]:
        """Double-precision (P(U < u), P(U > u)), for starting points only."""
        u = exp(min(log_u, 700.0))
        return float(gammainc(float(self.a), u)), float(gammaincc(float(self.a), u))

    def log_spread(self) -> tuple[float, float]:
        """Mean and standard deviation of log U."""
        return float(digamma(float(self.a))), sqrt(float(polygamma(1, float(self.a))))


@dataclass(frozen=True)
class BetaPrime:
    """Density u^(a-1) (1+u)^-(a+b) / B(a, b)."""

    a: Fraction
    b: Fraction

    def upper(self, u: Any) -> Any:
        """P(U > u)."""
        return beta_cdf(1 / (1 + u), u / (1 + u), self.b, self.a)

    def lower(self, u: Any) -> Any:
        """P(U < u)."""
        return beta_cdf(u / (1 + u), 1 / (1 + u), self.a, self.b)

    def log_density(self, log_u: Any) -> Any:
        """Log of the density of log U."""
        return ball(self.a) * log_u - ball(self.a + self.b) * log_u.exp().log1p() - self.log_norm()

    def log_norm(self) -> Any:
        """log of the integral of u^(a-1) (1+u)^-(a+b), which is log B(a, b)."""
        return lgamma(self.a) + lgamma(self.b) - lgamma(self.a + self.b)

    def shifted(self, s: Fraction) -> "BetaPrime":
        """The law with density proportional to u^s times this one."""
        return BetaPrime(self.a + s, self.b - s)

    def tails(self, log_u: float) -> tuple[float, float]:
        """Double-precision (P(U < u), P(U > u)), for starting points only."""
        small = 1 / (1 + exp(min(abs(log_u), 700.0)))
        low, high = (small, 1 - small) if log_u < 0 else (1 - small, small)
        a, b = float(self.a), float(self.b)
        return float(betainc(a, b, low)), float(betainc(b, a, high))

    def log_spread(self) -> tuple[float, float]:
        """Mean and standard deviation of log U."""
        a, b = float(self.a), float(self.b)
        return float(digamma(a) - digamma(b)), sqrt(float(polygamma(1, a) + polygamma(1, b)))


Law = Gamma | BetaPrime


def radial_law(profile: str, dim: int, k: Fraction, other: Fraction) -> Law:
    """The law of u = r^k under r^(d-1) f(r): "exp" with f = r^-j e^(-r^k), "pow" with f = (1+r^k)^-a."""
    return Gamma((dim - other) / k) if profile == "exp" else BetaPrime(dim / k, other - dim / k)


def moment(law: Law, s: Fraction) -> Any:
    """E U^s, where it is finite."""
    return (law.shifted(s).log_norm() - law.log_norm()).exp()


def bisect(function: Any, low: float, high: float) -> float:
    """Where an increasing float function changes sign, as well as floats can tell."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return (low + high) / 2


def log_quantile(law: Law, below: Fraction) -> Any:
    """log u with P(U < u) = below; the smaller of the two tails is matched, in relative terms."""
    above = 1 - below
    mean, deviation = law.log_spread()

    def rough(x: float) -> float:
        low, high = law.tails(x)
        return low - float(below) if below < above else float(above) - high

    def residual(x: Any) -> tuple[Any, Any]:
        density = law.log_density(x).exp()
        if below < above:
            mass = accurate(lambda: law.lower(x.exp()))
            return (mass / ball(below)).log(), density / mass
        mass = accurate(lambda: law.upper(x.exp()))
        return (mass / ball(above)).log(), -density / mass

    reach = 60 * deviation
    return newton(bisect(rough, mean - reach, mean + reach), residual)


def separation(k: float, z: float) -> float:
    """log((e^((k-1)z) + (k-1) e^-z)/k), the float twin of `split`'s function."""
    first, second = (k - 1) * z, -z
    top = max(first, second)
    if top > 1:
        return top + log((exp(first - top) + (k - 1) * exp(second - top)) / k)
    return log1p((expm1(first) + (k - 1) * expm1(second)) / k)


def split(k: Fraction, xi: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """The two roots z of log((e^((k-1)z) + (k-1) e^-z)/k) = xi², with |dz/dxi|; the negative one first.

    The function is convex with minimum 0 at z = 0 (k > 1), and its asymptotes give starting points from which
    Newton's method descends monotonically; it runs at double precision first.
    """
    square, float_k, power = xi * xi, float(k), ball(k)
    target = float(square)
    curve = sqrt((float_k - 1) / 2)
    found = []
    for side in (-1, 1):
        z = float(xi) / curve * side
        if target > 1e-6:
            z = (target + log(float_k)) / (float_k - 1) if side > 0 else -target + log1p(-1 / float_k)
            for _ in range(100):
                decay = exp(-float_k * abs(z))
                ratio = (
                    expm1(float_k * z) / (exp(float_k * z) + float_k - 1)
                    if z < 0
                    else (1 - decay) / (1 + (float_k - 1) * decay)
                )
                step = (separation(float_k, z) - target) / ((float_k - 1) * ratio)
                z -= step
                if abs(step) < 1e-9 * abs(z):
                    break

        def residual(x: Any) -> tuple[Any, Any]:
            grown = (power * x).exp()
            slope = (power - 1) * (power * x).expm1() / (grown + power - 1)
            return (((grown + power - 1) / power).log() - x) / square - 1, slope / square

        root = newton(z, residual)
        found.append((root, abs(2 / (xi * residual(root)[1]))))
    return found[0], found[1]
