"""Sums of d scores of Pareto noise, in units of a + 1: ±V with V ~ Beta(a, 1), of compact support.

In many coordinates M^d falls fast along the imaginary axis, and one trapezoidal rule serves. In few coordinates f has
corners at whole s, and the path goes to either side of the axis, each term of M^d to where it falls.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import ceil, exp, log, pi, sqrt
from typing import Any

from flint import acb, arb, ctx

from validation.oracle import score_sums
from validation.oracle.arith import ball
from validation.oracle.score_flow import Flow
from validation.oracle.score_sums import BITS, Spectrum, around, flow, half_line


def pareto_spectrum(a: Fraction, dim: int) -> Spectrum:
    """The imaginary axis for sums of d copies of ±V, V ~ Beta(a, 1), by the trapezoidal rule of a long period."""
    width = sqrt(float(a / (a + 2)) * dim)
    step = 2 * pi / (30 * width + 8) / score_sums.FINER
    small = min(float(a), 1.0)
    last = (2 * max(float(a), 2.0) if a >= 1 else 4.0 ** (1 / small)) * exp(70 / (dim * small))
    spectrum = Spectrum([], [], [], [], arb(1) / 2)
    for index in range(ceil(last / step)):
        zeta = acb(0, (arb(index) + arb(1) / 2) * arb(step))
        mean = zeta.hypgeom_1f1(acb(ball(a)), acb(ball(a + 1))).real
        if abs(mean) ** (dim - 1) < arb("1e-34"):
            continue
        slope = zeta.hypgeom_1f1(acb(ball(a + 1)), acb(ball(a + 2))).imag * ball(a / (a + 1))
        jump = acb(0, arb(step))
        spectrum.nodes.append(zeta)
        spectrum.density.append(mean**dim * jump)
        spectrum.above.append(mean**dim * jump / zeta)
        spectrum.partial.append(dim * mean ** (dim - 1) * acb(0, slope) * jump / zeta)
    return spectrum


class CornerSpectrum:
    """Pareto noise of a few coordinates, where f is piecewise analytic with corners at whole s/(a+1) = m.

    ±V with V ~ Beta(a, 1) has M = (a/2)(Γ(a)(ζ^-a + (-ζ)^-a) - e^-ζ U(ζ) - e^ζ U(-ζ)), U = Tricomi's U(1, a+1, ·), so
    M^d = Σ e^(mζ) Q_m(ζ), |m| ≤ d, with algebraic Q_m. From a point on the positive axis the terms m ≤ s leave to the
    right and the others to the left. What cancels is borne by more bits and a finer step.
    """

    def __init__(self, a: Fraction, dim: int) -> None:
        """Both rays, 60° from the axis."""
        self.dim, self.start = dim, arb(max(1.0, float(a) / 2))
        factor = (ball(a) * (self.start ** -ball(a) * ball(a).gamma() + self.start.exp())).log()
        growth = dim * max(float(factor), 1.0)  # log of what cancels between the groups
        self.bits = BITS + 2 * int(growth / log(2))
        step = 2 * pi * 0.5 / (64 + growth) / score_sums.FINER
        self.paths: list[list[tuple[Any, Any, list[Any]]]] = []
        with ctx.workprec(self.bits):
            half, gamma = ball(a) / 2, ball(a).gamma()
            for angle in (pi / 3, 2 * pi / 3):
                direction, path = acb(0, arb(angle)).exp(), []
                for x, weight in half_line(step, 90 + growth, 70.0):
                    zeta = acb(self.start) + direction * x
                    algebraic = gamma * (zeta ** -ball(a) + (-zeta) ** -ball(a))
                    outer, inner = (z.hypgeom_u(acb(1), acb(ball(a + 1))) for z in (zeta, -zeta))
                    path.append(
                        (
                            zeta,
                            weight * direction,
                            _power([-outer * half, algebraic * half, -inner * half], dim),
                        )
                    )
                self.paths.append(path)
        self.combined: dict[int, list[list[tuple[Any, Any]]]] = {}

    def _terms(self, corner: int) -> list[list[tuple[Any, Any]]]:
        """Right: Σ over m ≤ corner of Q_m e^((m-corner)ζ). Left: Σ over m > corner of Q_m e^((m-corner-1)ζ)."""
        if corner not in self.combined:
            both = []
            for side, path in enumerate(self.paths):
                terms = []
                for zeta, jump, q in path:
                    turn = (-zeta if side == 0 else zeta).exp()
                    total = acb(0)
                    for m in range(-self.dim, corner + 1) if side == 0 else range(self.dim, corner, -1):
                        total = total * turn + q[m + self.dim]
                    terms.append((zeta, total * jump))
                both.append(terms)
            self.combined[corner] = both
        return self.combined[corner]

    def _sum(self, s: Any, kernel: Callable[[Any], Any]) -> Any:
        with ctx.workprec(self.bits):
            corner = int(float(s.floor()))
            if corner >= self.dim:
                return arb(0)
            total = acb(0)
            for terms, shift in zip(self._terms(corner), (corner - s, corner + 1 - s), strict=True):
                for zeta, term in terms:
                    exponent = shift * zeta
                    if exponent.real < -80 - self.bits:  # and all nodes further out
                        break
                    total += term * exponent.exp() * kernel(zeta)
            return total.imag / arb.pi()

    def f(self, s: Any) -> Any:
        """The density of S/(a+1)."""
        return self._sum(s, lambda zeta: 1)

    def mass(self, s: Any) -> Any:
        """P(S/(a+1) > s)."""
        return self._sum(s, lambda zeta: 1 / zeta)

    def phi(self, s: Any) -> Any:
        """E[S; S > s]/(a+1) with S in the same units."""
        return self._sum(s, lambda zeta: s / zeta + 1 / zeta**2)


def _power(coefficients: list[Any], exponent: int) -> list[Any]:
    """Coefficients of a polynomial's power."""
    result = [acb(1)]
    for _ in range(exponent):
        longer = [acb(0)] * (len(result) + len(coefficients) - 1)
        for i, left in enumerate(result):
            for j, right in enumerate(coefficients):
                longer[i + j] += left * right
        result = longer
    return result


@lru_cache(maxsize=32)
def pareto_flow(a: Fraction, dim: int) -> Flow:
    """Pareto noise against l∞ in units of a + 1, all radii, d ≥ 2."""
    with ctx.workprec(BITS):
        scale = sqrt(float(a / (a + 2)) * dim)
        order = min(dim * float(a), 1.0) / 1.5
        if dim <= 32:
            return flow(CornerSpectrum(a, dim), min(scale, 1.0), order, dim)
        spread = sqrt(dim / float(a * (a + 2))) * float(a / (a + 1))
        cuts = around(float(a / (a + 1)), spread, dim, 14 * scale)
        return flow(pareto_spectrum(a, dim), scale, 1.0, cuts=cuts)


def pareto_linf(a: Fraction, dim: int, above_half: Fraction) -> Any:
    """R against l∞ of ∏ (1+|x|)^-(a+1); the score is (a+1)V, so that dp/Φ has 1/(a+1)."""
    return pareto_flow(a, dim).radius(above_half) / ball(a + 1)
