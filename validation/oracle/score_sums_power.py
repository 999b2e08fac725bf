"""Sums of d scores of exponential-power noise: M along a ray, by a quadrature of its own along a turned line.

Complex balls of 192 bits; what is truncated is below 1e-22 of M, and below 1e-33 for p < 1, where 1-ρ = 1e-9 lies far
out in the tail.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil, cos, exp, log, pi, sqrt
from typing import Any

from flint import acb, arb, ctx

from validation.oracle import score_sums
from validation.oracle.arith import ball
from validation.oracle.score_flow import Flow
from validation.oracle.score_sums import BITS, Spectrum, flow, half_line
from validation.oracle.score_sums_line import FARTHEST, near_one_flow


class PowerScore:
    """Y = p|x|^(p-1) sgn x under a density ∝ exp(-|x|^p): |Y| = p u^q, q = 1 - 1/p, u = |x|^p ~ Gamma(1/p).

    L(ζ) = E e^(-ζ|Y|) = ∫ exp(y/p - e^y - ζ p e^(qy)) dy / Γ(1/p) along Im y = α, where α keeps both exponents in
    their half-planes: for ζ of argument η the best is α = -η/(1+|q|), up to sign.
    """

    def __init__(self, p: Fraction, eta: float) -> None:
        """`eta` is the argument of every ζ asked for, in (-π, π)."""
        self.p, self.q = p, 1 - 1 / p
        angle = -eta / (1 + abs(float(self.q)))
        self.alpha = angle if self.q > 0 else -angle
        margin = pi / 2 - abs(angle)
        if margin < 0.12:
            raise ValueError(
                f"exp-power against linf is covered for p=1, 2 and not too close to 1, got p={float(p)}"
            )
        self.depth = 66.0 if self.q > 0 else 95.0  # truncation is e^-depth
        self.step, self.narrow = 2 * pi * min(margin, 0.6) / self.depth / score_sums.FINER, cos(angle)
        self.grids: dict[int, list[tuple[Any, Any]]] = {}

    def grid(self, centre: int) -> list[tuple[Any, Any]]:
        """(p e^(qy), e^(y/p - e^y) dy / Γ(1/p)) at nodes around `centre` that reach far enough on both sides."""
        if centre not in self.grids:
            p, q, nodes = ball(self.p), ball(self.q), []
            norm = ball(1 / self.p).lgamma()
            first = -log(self.depth * float(self.p)) if self.q > 0 else -self.depth * float(self.p)
            last = log((self.depth + 9) / self.narrow) - centre + 0.5
            for index in range(int(first / self.step), ceil(last / self.step) + 1):
                w = arb(index) * arb(self.step)
                bent = (-w).exp() if self.q > 0 else arb(0)  # the slow decay e^(y/p) to the left, made fast
                y = acb(arb(centre) + w - bent, arb(self.alpha))
                weight = (y / p - y.exp() - norm).exp() * (1 + bent) * arb(self.step)
                if abs(weight) > arb("1e-200"):
                    nodes.append((p * (q * y).exp(), weight))
            self.grids[centre] = nodes if self.q > 0 else nodes[::-1]  # |Y| grows along the list
        return self.grids[centre]

    def transform(self, zeta: Any) -> tuple[Any, Any]:
        """L(ζ) and -L'(ζ) = E |Y| e^(-ζ|Y|)."""
        centre = -round(max(float(abs(zeta).log()), 0.0) / float(self.q)) if self.q > 0 else 0
        total, first = acb(0), acb(0)
        for level, weight in self.grid(centre):
            exponent = -zeta * level
            if exponent.real < -self.depth - 24:
                break
            term = weight * exponent.exp()
            total += term
            first += term * level
        return total, first


def ray_angle(p: Fraction) -> float:
    """The argument of the ray: 60°, or as close to 90° as the quadrature for L(-ζ) demands."""
    return min(86.0, max(60.0, 180 - 77 * (1 + abs(1 - 1 / float(p))))) * pi / 180


@lru_cache(maxsize=4)
def power_scores(p: Fraction, beta: float) -> tuple[PowerScore, PowerScore]:
    """For L(ζ) and L(-ζ) on the ray."""
    return PowerScore(p, beta), PowerScore(p, beta - pi)


def power_spectrum(p: Fraction, dim: int, smallest: float) -> Spectrum:
    """The ray for sums of d scores of exponential-power noise, far enough out for s ≥ `smallest`."""
    beta = ray_angle(p)
    forward, backward = power_scores(p, beta)
    direction = acb(0, arb(beta)).exp()
    early = (
        3 if p > 1 else 12
    )  # how far before 1/√d the nodes must be even: 1/s counts, and tails are long for p < 1
    scale = arb(-early).exp() / arb(dim).sqrt()
    step = 2 * pi * min(max(pi / 2 - beta, 0.15), 0.5) / forward.depth / score_sums.FINER
    stop = log(100 / smallest / cos(beta)) + log(dim) / 2 + early
    spectrum = Spectrum([], [], [], [], arb(beta) / arb.pi())
    for x, weight in half_line(step, 90.0, stop):
        zeta = direction * x * scale
        (right, right_slope), (left, left_slope) = forward.transform(zeta), backward.transform(-zeta)
        mean, slope = (right + left) / 2, (left_slope - right_slope) / 2
        power = mean ** (dim - 1)
        if x * scale > 1 and abs(power * mean) * x < arb("1e-36"):
            break
        jump = weight * direction * scale
        spectrum.nodes.append(zeta)
        spectrum.density.append(power * mean * jump)
        spectrum.above.append(power * mean * jump / zeta)
        spectrum.partial.append(dim * power * slope * jump / zeta)
    return spectrum


@lru_cache(maxsize=32)
def power_flow(p: Fraction, dim: int) -> Flow:
    """Exponential-power noise against l∞, all radii; p other than 1 and 2, d ≥ 2."""
    if abs(p - 1) < FARTHEST:
        return near_one_flow(p, dim)
    with ctx.workprec(BITS):
        order = dim / (float(p) - 1) if p > 1 else 1.0
        scale = sqrt(dim)
        smallest = scale * exp(-57 * max(1.0, 1 / order))
        return flow(power_spectrum(p, dim, smallest), scale, order)


def power_linf(p: Fraction, dim: int, above_half: Fraction) -> Any:
    """R against l∞ of ∏ exp(-|x|^p)."""
    return power_flow(p, dim).radius(above_half)
