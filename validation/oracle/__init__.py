"""Reference radii to fifty digits, by formulas, quadrature and ball arithmetic that share no code with the library.

Every value follows from the definitions: the score law S = <v, -∇log q(X)>, its largest expectation Φ(p) on a set of
probability p, and R = ∫ from 1-ρ to 1/2 of dp/Φ(p) (differential), or a Neyman-Pearson set known by symmetry (tight).
Special functions are Arb balls; inputs are exact rationals, so ρ as a float is that binary number.
"""

from fractions import Fraction
from typing import Any, Literal

import mpmath
from flint import arb, ctx

from validation.oracle import (
    bodies,
    level_sets,
    products,
    score_mixtures,
    score_sums_pareto,
    score_sums_power,
)
from validation.oracle.arith import Number, PrecisionError, ball, exact, to_mpf
from validation.oracle.laws import moment, radial_law
from validation.oracle.shells import Shell, tail_integral

__all__ = ["BITS", "PrecisionError", "radius", "sigma_over_scale"]

BITS = 400  # working bits of one call: fifty digits, and as many again to lose

Method = Literal["differential", "tight"]


def _norm(norm: str) -> Fraction | None:
    """p of "l1", "l2", "linf" or "lp:p=3"; None is infinity."""
    named = {"l1": Fraction(1), "l2": Fraction(2), "linf": None, "lp:p=inf": None}
    if norm in named:
        return named[norm]
    if norm.startswith("lp:p=") and (power := exact(norm.removeprefix("lp:p="))) >= 1:
        return power
    raise ValueError(f"a norm is l1, l2, linf or lp:p=P with P >= 1, got {norm!r}")


def _shell(noise: str, params: dict[str, Fraction], dim: int) -> Shell:
    profile = noise.partition("-")[0]
    if profile == "exp":
        return Shell("exp", dim, params["k"], params.get("j", Fraction(0)))
    return Shell("pow", dim, params["k"], params["a"])


def _one_axis(shell: Shell, above_half: Fraction) -> Any:
    """Cube against l1. Φ(p) = T(2dp)/(2d) up to p = 1/(2d), and constant beyond."""
    dim, p = shell.dim, Fraction(1, 2) - above_half
    if 2 * dim * p >= 1:
        return ball(2 * dim * above_half) / shell.mean()
    return ball(Fraction(dim - 1)) / shell.mean() + tail_integral(shell, 2 * dim * p)


def _product(
    noise: str, params: dict[str, Fraction], dim: int, power: Fraction | None, half: Fraction
) -> Any:
    if noise == "gaussian":
        return products.gaussian(half) * bodies.norm_factor(dim, power)
    if noise == "laplace":
        if power is None and dim > 1:
            return products.laplace_linf(dim, half)
        if power == 1 or dim == 1:
            return -(-ball(2 * half)).log1p()
        if power == 2:
            return bodies.spherical_exponential(dim, half) * _mean_cosine(dim)
    if power == 1 or dim == 1:
        if noise == "pareto":
            return products.pareto(params["a"], half)
        if noise == "exp-power":
            rule = products.log_concave_power if params["p"] >= 1 else products.heavy_power
            return rule(params["p"], half)
    if power is None and noise == "pareto":
        return score_sums_pareto.pareto_linf(params["a"], dim, half)
    if noise == "exp-power" and params["p"] == 1:
        return _product("laplace", {}, dim, power, half)
    if noise == "exp-power" and params["p"] == 2:
        return _product("gaussian", {}, dim, power, half) / arb(2).sqrt()
    if power is None and noise == "exp-power":
        return score_sums_power.power_linf(params["p"], dim, half)
    if (
        power == 2 and noise == "exp-power" and 1 < params["p"] < 2
    ):  # scores below a Gaussian's in convex order
        return products.gaussian(half) * (2 / arb.pi()).sqrt() * (1 + 1 / ball(params["p"])).gamma()
    if power == 2 and noise == "pareto" and params["a"] >= 1:
        return products.gaussian(half) * (2 / arb.pi()).sqrt() / ball(params["a"])
    raise ValueError(f"{noise} is not covered against this norm")


def _mean_cosine(dim: int) -> Any:
    """E|θ₁|, θ a uniform direction: sums of signs are below θ₁/E|θ₁| in convex order."""
    return (ball(Fraction(dim, 2)).lgamma() - ball(Fraction(dim + 1, 2)).lgamma()).exp() / arb.pi().sqrt()


def _shaped(noise: str, params: dict[str, Fraction], dim: int, power: Fraction | None, half: Fraction) -> Any:
    if noise.endswith("-l2"):
        k, j = params["k"], params.get("j", Fraction(0))
        if dim == 1:
            return tail_integral(_shell(noise, params, dim), 1 - 2 * half)
        if noise != "exp-l2" or j != 0 or k not in (1, 2):
            value = score_mixtures.coordinate_flow(_shell(noise, params, dim)).radius(half)
        elif k == 2:
            value = products.gaussian(half) / arb(2).sqrt()
        else:
            value = bodies.spherical_exponential(dim, half) if dim > 1 else -(-ball(2 * half)).log1p()
        return value * bodies.norm_factor(dim, power)
    if dim > 1 and noise.endswith("-l1") and power == 2:
        return _shaped(noise.removesuffix("1") + "2", params, dim, power, half) * _mean_cosine(dim)
    shell = _shell(noise, params, dim)
    if dim > 1 and noise.endswith("-l1") and power is None:
        if shell.kind == "flat":
            return products.laplace_linf(dim, half)
        return score_mixtures.sign_flow(shell).radius(half)
    if dim > 1 and noise.endswith("-linf") and power == 1:
        return _one_axis(shell, half)
    if dim == 1 or (noise.endswith("-linf") and power is None) or (noise.endswith("-l1") and power == 1):
        return tail_integral(shell, 1 - 2 * half)
    raise ValueError(f"{noise} is not covered against this norm")


def radius(
    noise: str,
    params: dict[str, Number],
    dim: int,
    norm: str,
    rho: float | str,
    *,
    scale: Number = 1,
    method: Method = "differential",
    bits: int = BITS,
) -> mpmath.mpf:
    """The certified radius at λ = `scale`, good to `bits`/8 digits; 0 for ρ ≤ 1/2.

    `method="tight"` changes uniform-l1 against l1, and exp-l2 and pow-l2, whose level sets give 25 digits (d ≥ 2).
    Differential radii of exp-l1 and pow-l1 against l∞, of spherical profiles, and of exp-power and pareto against l∞
    have fourteen digits whatever the bits, for 1-ρ ≥ 1e-12 (shaped) or 1e-9 (products).
    ValueError outside the cells that are covered, PrecisionError where the digits were not reached.
    """
    values, half, power = (
        {name: exact(value) for name, value in params.items()},
        exact(rho) - Fraction(1, 2),
        _norm(norm),
    )
    if dim < 1 or half >= Fraction(1, 2):
        raise ValueError(f"dim >= 1 and rho < 1 are needed, got dim={dim}, rho={rho}")
    noise = "uniform" if noise == "uniform-linf" else noise
    gaussian = noise == "exp-l2" and values["k"] == 2 and not values.get("j")
    if method == "tight" and noise in ("exp-l2", "pow-l2") and not gaussian:
        length = level_sets.radius(noise, params, dim, rho, scale=scale)
        with ctx.workprec(bits), mpmath.workprec(bits):
            return length * to_mpf(bodies.norm_factor(dim, power))
    with ctx.workprec(bits):
        if half <= 0:
            return mpmath.mpf(0)
        if noise == "uniform":
            value = bodies.cube(dim, power, half)
        elif noise == "uniform-l2":
            value = bodies.round_ball(dim, power, half)
        elif noise == "uniform-l1":
            value = bodies.cross_polytope(dim, power, half, tight=method == "tight")
        elif noise in ("gaussian", "laplace", "exp-power", "pareto"):
            value = _product(noise, values, dim, power, half)
        elif noise in ("exp-l1", "exp-l2", "exp-linf", "pow-l1", "pow-l2", "pow-linf"):
            value = _shaped(noise, values, dim, power, half)
        else:
            raise ValueError(f"unknown or uncovered noise {noise!r}")
        return to_mpf(value * ball(exact(scale)))


def sigma_over_scale(noise: str, params: dict[str, Number], dim: int, *, bits: int = BITS) -> mpmath.mpf:
    """σ/λ with σ² = E‖δ‖₂²/d; infinite where the second moment is."""
    values = {name: exact(value) for name, value in params.items()}
    noise = "uniform" if noise == "uniform-linf" else noise
    with ctx.workprec(bits):
        if noise in ("gaussian", "laplace", "uniform", "exp-power", "pareto"):
            value = products.deviation(noise, values)
            return to_mpf(value) if value.is_finite() else mpmath.inf
        profile, _, shape = noise.partition("-")
        # E‖θ‖²/d on the boundary: Dirichlet(1, ..., 1), a direction, one face of the cube
        spread = {
            "l1": Fraction(2, dim * (dim + 1)),
            "l2": Fraction(1, dim),
            "linf": Fraction(dim + 2, 3 * dim),
        }[shape]
        if profile == "uniform":
            return to_mpf((ball(spread * Fraction(dim, dim + 2))).sqrt())
        k, other = values["k"], values.get("j" if profile == "exp" else "a", Fraction(0))
        law = radial_law(profile, dim, k, other)
        if profile == "pow" and other - Fraction(dim) / k <= 2 / k:
            return mpmath.inf
        return to_mpf((ball(spread) * moment(law, 2 / k)).sqrt())
