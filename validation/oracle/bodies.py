"""Radii of noise that is uniform on a cube, ball or cross-polytope, and of two spherical exponentials."""

from fractions import Fraction
from math import acosh, atanh, sqrt
from typing import Any

from flint import arb
from scipy.special import betaincinv

from validation.oracle.arith import accurate, ball, newton
from validation.oracle.laws import beta_cdf


def norm_factor(dim: int, power: Fraction | None) -> Any:
    """d^(1/p - 1/2) for p > 2 (None: infinity), 1 for p ≤ 2: the largest ‖v‖₂ over ‖v‖_p ≤ 1, inverted."""
    exponent = -Fraction(1, 2) if power is None else min(1 / power - Fraction(1, 2), Fraction(0))
    return (ball(exponent) * arb(dim).log()).exp()


def half_width(b: Fraction, above_half: Fraction) -> Any:
    """x with P(|W| < tanh x) = 2ρ-1 for the symmetric W with W² ~ Beta(1/2, b), i.e. (1+W)/2 ~ Beta(b, b).

    tanh x is the quantile of ρ. In x the density is 2 sech(x)^(2b) / B(1/2, b), and neither end cancels.
    """
    inner, outer = 2 * above_half, 1 - 2 * above_half
    half = Fraction(1, 2)
    norm = ball(half).lgamma() + ball(b).lgamma() - ball(b + half).lgamma()
    if inner < outer:
        start = atanh(sqrt(betaincinv(0.5, float(b), float(inner))))
    else:
        start = acosh(1 / sqrt(betaincinv(float(b), 0.5, float(outer))))

    def residual(x: Any) -> tuple[Any, Any]:
        density = 2 * (-2 * ball(b) * x.cosh().log() - norm).exp()
        if inner < outer:
            mass = accurate(lambda: beta_cdf(x.tanh() ** 2, 1 / x.cosh() ** 2, half, b))
            return (mass / ball(inner)).log(), density / mass
        mass = accurate(lambda: beta_cdf(1 / x.cosh() ** 2, x.tanh() ** 2, b, half))
        return (mass / ball(outer)).log(), -density / mass

    return newton(start, residual)


def cube(dim: int, power: Fraction | None, above_half: Fraction) -> Any:
    """Uniform on [-1, 1]^d. Against l1, 2(ρ-1/2); against lp, p ≥ 2, 2 d^(1/p) (1 - (3/2-ρ)^(1/d)).

    The overlap with the cube shifted by v is ∏(1 - |v_i|/2), to be kept above 3/2-ρ. Over an l1 ball the vertices are
    worst, and over an lp ball the diagonal is: with u_i = -log(1-|v_i|/2), Σ u_i ≤ log 2 where (1-e^-u)^p is convex.
    """
    if power == 1 or dim == 1:
        return 2 * ball(above_half)
    if power is not None and power < 2:
        raise ValueError("uniform on the cube is covered against l1 and lp with p >= 2")
    side = -2 * ((-ball(above_half)).log1p() / dim).expm1()
    return side if power is None else side * (ball(1 / power) * arb(dim).log()).exp()


def round_ball(dim: int, power: Fraction | None, above_half: Fraction) -> Any:
    """Uniform on the unit ball: 2 tanh x with half the overlap, P(W > tanh x) = 3/4 - ρ/2, W² ~ Beta(1/2, (d+1)/2)."""
    return 2 * half_width(Fraction(dim + 1, 2), above_half / 2).tanh() * norm_factor(dim, power)


def cross_polytope(dim: int, power: Fraction | None, above_half: Fraction, *, tight: bool = False) -> Any:
    """Uniform on the unit cross-polytope: (2/d)(ρ-1/2) / max E|<σ, v>|, differential.

    Its 2^d facets have normals σ/√d, so the outflow per unit of v is (d/2) E|<σ, v>|: against l1 and l2 (Khintchine:
    E|<σ, v>| ≤ ‖v‖₂, with equality at e₁) the maximum is 1, and against l∞ it is E|S_d|, S_d a sum of d signs.
    Tight against l1: the overlap with the shift by r e₁ is (1-r/2)^d, and vertices are worst by Brunn-Minkowski.
    """
    if tight:
        if power != 1:
            raise ValueError("the tight radius of the cross-polytope is known against l1")
        return -2 * ((-ball(above_half)).log1p() / dim).expm1()
    if power is None:
        signs = dim * arb.bin_uiui(dim - 1, (dim - 1) // 2) / arb(2) ** (dim - 1)
    elif power in (1, 2):
        signs = arb(1)
    else:
        raise ValueError("uniform-l1 is covered against l1, l2 and linf")
    return ball(2 * above_half / dim) / signs


def spherical_exponential(dim: int, above_half: Fraction) -> Any:
    """Density ∝ exp(-‖x‖₂) against l2, differential: (d-1) atanh w, w the ρ-quantile of a coordinate of a direction.

    The score is W itself, and Φ = ∫_w^1 W: (1-w²) times the density of W over d-1.
    """
    return (dim - 1) * half_width(Fraction(dim - 1, 2), above_half)
