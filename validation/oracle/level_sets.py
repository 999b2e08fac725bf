"""Level-set radii: the ρ that a shift needs by the Neyman-Pearson lemma, and its inverse.

With L = log q(X-v) - log q(X) and a(t) = P(L ≥ -t), the growth function reaches 1/2 at the τ where a(τ) = 1/2, for

    ρ - 1/2 = (1/2 - a(-τ)) + exp(-τ) (1/2 - a(τ)).

This is stationary in τ: an error of τ enters squared. For spherical noise it gives the radius against l2, and with it
against every lp; for the others it is the radius along one direction, e₁ or (1, ..., 1), and bounds every radius from
above. Quadratures are held by comparing three rules, a radius by secants that have settled.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import mpmath
from flint import arb, ctx

from validation.oracle.arith import Number, ball, exact, to_mpf
from validation.oracle.lines import HeavyLine, Line
from validation.oracle.shifted_shells import ShiftedShell
from validation.oracle.thresholds import LikelihoodRatio, TooFewBits, above_half, shift

BITS = 200
Direction = Literal["e1", "diagonal"]


def likelihood_ratio(
    noise: str, params: dict[str, Fraction], dim: int, direction: Direction
) -> LikelihoodRatio:
    """The law of L of a noise at λ = 1."""
    if noise in ("exp-power", "pareto") and (direction == "e1" or dim == 1):
        power = params["p"] if noise == "exp-power" else None
        if power is not None and power >= 1:
            return Line(power)
        return HeavyLine(power, params.get("a", Fraction(0)))
    profile, _, shape = noise.partition("-")
    if profile in ("exp", "pow") and shape in ("l2", "linf"):
        other = params.get("j", Fraction(0)) if profile == "exp" else params["a"]
        way = "ball" if shape == "l2" else "axis" if direction == "e1" else "diagonal"
        return ShiftedShell("exp" if profile == "exp" else "pow", dim, params["k"], other, way)  # type: ignore[arg-type]
    raise ValueError(f"level sets of {noise!r} along {direction} are not covered")


def _settle(compute: Callable[[], Any], bits: int) -> mpmath.mpf:
    """The value, with more bits where the threshold asks for them."""
    for _ in range(4):
        try:
            with ctx.workprec(bits):
                return to_mpf(compute().mid())
        except TooFewBits:
            bits *= 2
    raise TooFewBits(f"{bits // 2} bits were not enough")


def rho_needed(
    noise: str,
    params: dict[str, Number],
    dim: int,
    e: Number | mpmath.mpf,
    *,
    direction: Direction = "e1",
    scale: Number = 1,
    bits: int = BITS,
) -> mpmath.mpf:
    """The least ρ whose majority survives a shift: of length e for exp-l2 and pow-l2, else by e e₁ or e (1, ..., 1)."""
    values = {name: exact(value) for name, value in params.items()}

    def compute() -> Any:
        law = likelihood_ratio(noise, values, dim, direction)
        return above_half(law, _arb(e) / ball(exact(scale))) + arb(1) / 2

    return _settle(compute, bits)


def radius(
    noise: str,
    params: dict[str, Number],
    dim: int,
    rho: Number,
    *,
    direction: Direction = "e1",
    scale: Number = 1,
    bits: int = BITS,
) -> mpmath.mpf:
    """The length of the shift that needs ρ, to DIGITS digits; 0 for ρ ≤ 1/2."""
    values, half = {name: exact(value) for name, value in params.items()}, exact(rho) - Fraction(1, 2)
    likelihood_ratio(noise, values, dim, direction)  # refuses what is not covered, whatever ρ
    if half >= Fraction(1, 2):
        raise ValueError(f"rho < 1 is needed, got {rho}")
    if half <= 0:
        return mpmath.mpf(0)
    return _settle(
        lambda: shift(likelihood_ratio(noise, values, dim, direction), half) * ball(exact(scale)), bits
    )


def _arb(value: Number | mpmath.mpf) -> Any:
    """A number exactly, as its midpoint."""
    if isinstance(value, mpmath.mpf):
        sign, mantissa, exponent, _ = value._mpf_
        return arb((-1) ** sign * int(mantissa)) * arb(2) ** exponent
    return ball(exact(value)).mid()
