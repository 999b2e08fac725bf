"""Radii of product noises ∏ e^-φ(x_i): the score is φ'(x₁) against l1 and a sum of d copies of it against l∞."""

from fractions import Fraction
from typing import Any

from flint import arb, ctx

from validation.oracle.arith import ball, digits
from validation.oracle.laws import Gamma, log_quantile, moment


def gaussian(above_half: Fraction) -> Any:
    """The normal quantile of ρ = 1/2 + above_half, from the nearer of the two ends."""
    if above_half < Fraction(1, 4):
        return ball(2 * above_half).erfinv() * arb(2).sqrt()
    return ball(1 - 2 * above_half).erfcinv() * arb(2).sqrt()


def log_concave_power(power: Fraction, above_half: Fraction) -> Any:
    """Density ∝ exp(-|x|^p), p ≥ 1, against l1: the quantile of ρ, as |x|^p ~ Gamma(1/p)."""
    return (log_quantile(Gamma(1 / power), 2 * above_half) / ball(power)).exp()


def heavy_power_start(power: Fraction, above_half: Fraction) -> Any:
    """u = c^p of the set {0 < x < c} that has probability 1-ρ, for p < 1."""
    return log_quantile(Gamma(1 / power), 1 - 2 * above_half).exp()


def heavy_power(power: Fraction, above_half: Fraction) -> Any:
    """Density ∝ exp(-|x|^p), p < 1, against l1, differential.

    φ' falls on x > 0, so the best set is {0 < x < c} with Φ = q(0) - q(c), and R = ∫_c^∞ dx / (e^(x^p) - 1)
    = (1/p) ∫_u^∞ v^(1/p-1) / (e^v - 1) dv. Beyond v = 1 the integrand is expanded in e^-nv, and before it in v
    through the Bernoulli numbers, v/(e^v-1) = Σ B_n v^n / n!, |v| < 2π.
    """
    start, s = heavy_power_start(power, above_half), 1 / power
    tiny = arb(10) ** (-digits() - 6)
    inner = arb(0)
    low = start if start > 1 else arb(1)
    if start < 1:
        for n in range(int(1.3 * (digits() + 8))):  # (2π)^-n falls by 0.8 digits a term
            exponent = ball(s - 1 + n)
            inner += arb.bernoulli(n) / arb(n).fac() * (1 - (exponent * start.log()).exp()) / exponent
    outer, n = arb(0), 1
    while True:
        term = (n * low).gamma_upper(ball(s)) / arb(n) ** ball(s)
        outer += term
        n += 1
        if term < (outer + abs(inner)) * tiny:
            break
    return (inner + outer) * ball(s)


def pareto(a: Fraction, above_half: Fraction) -> Any:
    """Density (a/2)(1+|x|)^-(a+1) against l1, differential: x₂F₁(1, b; b+1; x^(1+1/a))/a, x = 2ρ-1, b = a/(a+1).

    As for p < 1, Φ = q(0) - q(c), and with t = 1/(1+c), t^a = 2ρ-1, R = ∫_0^t s^(a-1)/(1-s^(a+1)) ds.
    With z = (2ρ-1)^(1+1/a), the series in z serves up to z = 1/2 and the logarithmic one in 1-z beyond it:
    ₂F₁(1, b; b+1; z) = b Σ z^n/(n+b) = b Σ (b)_n/n! (ψ(n+1) - ψ(n+b) - log(1-z)) (1-z)^n.
    """
    b = a / (a + 1)
    log_x = (-ball(1 - 2 * above_half)).log1p()
    log_z = log_x * ball(1 + 1 / a)
    terms = int(ctx.prec) + 40  # each at most half the one before
    total, power = arb(0), arb(1)
    if log_z < -arb(2).log():
        for n in range(terms):
            total += power / ball(n + b)
            power *= log_z.exp()
    else:
        rest = -log_z.expm1()
        digammas, log_rest = ball(Fraction(1)).digamma() - ball(b).digamma(), rest.log()
        for n in range(terms):
            total += power * (digammas - log_rest)
            power *= rest * ball(b + n) / (n + 1)
            digammas += arb(1) / (n + 1) - 1 / ball(b + n)
    return total * ball(b / a) * log_x.exp()


def laplace_linf(dim: int, above_half: Fraction) -> Any:
    """Density ∝ exp(-Σ|x_i|) against l∞, differential: the score is S = 2B - d, B binomial(d, 1/2).

    Φ is linear between the masses P(B ≥ m), with slope 2m - d, and Φ(P(B ≥ m)) = m C(d, m) 2^-d. The integral of
    1/Φ is a finite sum of logarithms, from the middle down to 1-ρ: nothing is truncated.
    """
    bottom = ball(Fraction(1, 2) - above_half)
    m = dim // 2 + 1
    weight = (
        arb(dim).lgamma()
        + arb(dim).log()
        - (arb(m).lgamma() + arb(m).log())
        - arb(dim - m + 1).lgamma()
        - dim * arb(2).log()
    ).exp()  # C(d, m) 2^-d
    half = arb(1) / 2
    above = half if dim % 2 else half - weight * m / (dim - m + 1) / 2  # P(B >= m)
    total = arb(0)
    if dim % 2 == 0:  # S = 0 has positive probability, and Φ does not change there
        total = (half - (bottom if bottom > above else above)) / (m * weight)
    while bottom < above:
        slope, below = 2 * m - dim, above - weight
        reach = above - (bottom if bottom > below or m == dim else below)
        low = m * weight - slope * reach
        total += (slope * reach / low).log1p() / slope
        weight *= arb(dim - m) / (m + 1)
        above, m = below, m + 1
    return total


def deviation(noise: str, params: dict[str, Fraction]) -> Any:
    """The standard deviation of one coordinate, infinite where the second moment is."""
    if noise == "gaussian":
        return arb(1)
    if noise == "laplace":
        return arb(2).sqrt()
    if noise == "uniform":
        return 1 / arb(3).sqrt()
    if noise == "exp-power":
        return moment(Gamma(1 / params["p"]), 2 / params["p"]).sqrt()
    a = params["a"]
    return (2 / ball((a - 1) * (a - 2))).sqrt() if a > 2 else arb.pos_inf()
