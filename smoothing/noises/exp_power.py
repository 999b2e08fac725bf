"""Exponential-power noise (generalised normal): Laplace at p = 1, Gaussian at p = 2, uniform as p → ∞."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from geometry.norms import L1, L2, Linf, Norm, shrinkage
from smoothing.methods.bose import bose_integral
from smoothing.methods.coordinate import AlongCoordinate, Exponent
from smoothing.methods.cosine import signs_radius
from smoothing.methods.near_signs import NearSigns
from smoothing.methods.neyman_pearson import DirectionRadius
from smoothing.methods.score_laws import ScoreLaw
from smoothing.methods.score_sums import Score, ScoreSum
from smoothing.methods.signs import reciprocal_integral_of_signs
from smoothing.methods.sums_by_signs import Sizes
from smoothing.noise import ArrayOrTensor, Noise, check_range
from smoothing.profiles import Exponential, ProfileScore
from smoothing.quantile_table import QuantileTable
from smoothing.special import log_gamma_ratio, normal_quantile
from smoothing.theorems import EVERY_NORM, Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source

Array = NDArray[np.float64]


_NEAR = 0.08  # |p - 1| up to which scores may keep too close to ±1 for a table of their sum
_SAME = 1e-12  # |p - 1| below which the scores differ from ±1 by little more than rounding
TABULATED = 1 / 3
"""The least p whose quantiles a table resolves to float32's precision."""


@dataclass(frozen=True, kw_only=True)
class ExpPower(Noise):
    """q(x) ∝ ∏ exp(-|x_i/λ|^p), p > 0; log-concave for p ≥ 1."""

    p: float

    family = "exp-power"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("p", self.p, 0)

    @property
    def log_unit_sigma(self) -> float:
        """σ² = λ² Γ(3/p) / Γ(1/p)."""
        return 0.5 * float(log_gamma_ratio(1 / self.p, 2 / self.p))

    def _log_density(self, x: ArrayOrTensor) -> ArrayOrTensor:
        log_mass = math.log(2 * self.scale) + float(sp.gammaln(1 + 1 / self.p))
        return -(abs(x / self.scale) ** self.p).sum(-1) - self.dim * log_mass

    def score(self, norm: Norm) -> tuple[ScoreLaw, float] | None:
        """p |x|^(p-1) sgn(x) along an axis; along the diagonal a sum of d of them."""
        if isinstance(norm, L1) or self.dim == 1:
            return ProfileScore(Exponential(1, k=self.p)), 1.0
        # Sums of signs and normal variables have theorems of their own.
        known = _is_laplace(self.p) or self.p == 2
        return (_scores(self.p, self.dim), 1.0) if isinstance(norm, Linf) and not known else None

    def _fill(self, out: torch.Tensor, source: Source) -> None:
        import torch

        if out.device.type == "cpu" and out.dtype != torch.float64 and self.p >= TABULATED:
            source.symmetric_(out, _quantiles(self.p), self.scale)
            return
        # |x| = λ U G^(1/p) with G ~ Gamma(1 + 1/p): no small shape, so nothing underflows at large p. The power
        # is taken of G over its shape, near 1, so that small p does not overflow either.
        shape = 1 + 1 / self.p
        gamma = source.gamma_(torch.empty_like(out), shape)
        size = math.exp(math.log(self.scale) + math.log(shape) / self.p)
        source.uniform_(out).mul_(gamma.div_(shape).pow_(1 / self.p)).mul_(size)
        largest = torch.finfo(out.dtype).max
        out.clamp_(-largest, largest)


@lru_cache(maxsize=16)
def _quantiles(p: float) -> QuantileTable:
    """Of |x| at λ = 1: |x|^p ~ Gamma(1/p)."""
    shape = 1 / p

    def quantile(e: Array) -> Array:
        small = e < 0.5
        power = np.where(
            small, sp.gammaincinv(shape, -np.expm1(-e)), sp.gammainccinv(shape, np.exp(-np.maximum(e, 0.5)))
        )
        # A mass m next to 0 is that of [0, m Γ(1 + 1/p)], where the density is still that at 0 and y^p may underflow.
        flat = -np.expm1(-e) * sp.gamma(1 + shape)
        with np.errstate(divide="ignore"):
            return np.where(small & (flat**p < 1e-17), flat, power**shape)

    return QuantileTable.of(quantile)


@theorem(
    "exp-power-laplace-l2",
    noises="exp-power",
    norms=(L2,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    by_order=True,
    citation="yang2020",
    condition="p = 1",
    when=lambda noise, norm: noise.p == 1,
    accuracy=2e-14,
)
def exp_power_laplace_l2(noise: ExpPower, norm: Norm, rho: Array) -> Array:
    """R as for Laplace noise, which this is."""
    return noise.scale * signs_radius(noise.dim, rho)


@theorem(
    "exp-power-l1",
    noises="exp-power",
    norms=(L1,),
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="yang2020",
    tight=True,
    condition="p >= 1",
    when=lambda noise, norm: noise.p >= 1,
    accuracy=1e-13,
)
def exp_power_l1(noise: ExpPower, norm: Norm, rho: Array) -> Array:
    """R = λ F_{1/p}⁻¹(2ρ-1)^{1/p}, F_a the Gamma(a) cdf: the quantile of one coordinate of a log-concave product."""
    a = 1 / noise.p
    mass = 2 * rho - 1
    power = _gamma_quantile(a, mass, 2 * (1 - rho))
    # F_a(u) = u^a / Γ(a+1) · (1 - O(u)): where u is below rounding, or underflows, the density is flat.
    flat = mass * float(sp.gamma(a + 1))
    return noise.scale * np.where(power < 1e-20, flat, power**a)


@theorem(
    "exp-power-l1-heavy",
    noises="exp-power",
    norms=(L1,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="p < 1",
    when=lambda noise, norm: noise.p < 1,
    accuracy=3e-13,
)
def exp_power_l1_heavy(noise: ExpPower, norm: Norm, rho: Array) -> Array:
    """R = (λ/p) ∫ from u₀ to ∞ of u^{1/p-1} du / (e^u - 1), with u₀ = F_{1/p}⁻¹(2(1-ρ)).

    From Φ(p₀) = (1 - exp(-c^p)) / (2Γ(1+1/p)), c the distance whose inside has mass 2p₀: the sets of the
    largest score lie at the origin. At ρ = 1 it is the finite λ Γ(1+1/p) ζ(1/p).
    """
    s = 1 / noise.p
    return noise.scale * s * bose_integral(s, _gamma_quantile(s, 2 * (1 - rho), 2 * rho - 1), 2 * rho - 1)


@lru_cache(maxsize=64)
def _scores(p: float, dim: int) -> ScoreLaw:
    """|x|^p = u ~ Gamma(1/p), so that P(|s| > e^τ) is a tail of u: the upper one for p > 1, the lower one for p < 1."""
    a, power = 1 / p, p / (p - 1)

    def log_tail(tau: Array) -> Array:
        log_u = (tau - math.log(p)) * power
        return _log_upper(a, log_u) if p > 1 else _log_lower(a, log_u)

    plain = ScoreSum(Score(log_tail, tail_index=1 / (1 - p) if p < 1 else math.inf), dim)
    if abs(p - 1) > _NEAR:
        return plain
    return NearSigns(_sizes(p), dim, ProfileScore(Exponential(1, k=p)), plain)


def _sizes(p: float) -> Sizes:
    """|s| = p e^{qv}, q = 1 - 1/p, v = log u: in v the trapezoidal rule converges like e^{-π²/h}."""
    a, q, h = 1 / p, 1 - 1 / p, 0.05
    v = np.arange(math.floor(-44 * p / h), math.ceil(math.log(60) / h)) * h
    masses = h * np.exp(v * a - np.exp(v) - float(sp.gammaln(a)))
    masses /= masses.sum()
    mean = math.exp(-float(sp.gammaln(1 + a)))
    rest = mean * np.expm1(q * v + math.log(p / mean))
    rest -= masses @ rest  # its mean is 0 to rounding of itself, and not of |s|

    def change(t: Array) -> NDArray[np.complex128]:
        phase = t[:, None] * rest
        return np.asarray(-2 * np.sin(phase / 2) ** 2 @ masses + 1j * (np.sin(phase) @ masses))

    return Sizes(mean + rest, masses, change, mean)


def _log_upper(a: float, log_u: Array) -> Array:
    """log P(Gamma(a) > u), down to -1000."""
    log_u = np.minimum(log_u, 7)
    u = np.exp(log_u)
    with np.errstate(all="ignore"):
        deep = (a - 1) * log_u - u - sp.gammaln(a) + np.log1p((a - 1) / u)
        return np.where(u > 600, deep, np.log(sp.gammaincc(a, u)))


def _log_lower(a: float, log_u: Array) -> Array:
    """log P(Gamma(a) < u)."""
    u = np.exp(np.minimum(log_u, 7))
    with np.errstate(all="ignore"):
        small = a * log_u - sp.gammaln(a + 1) + np.log1p(-np.minimum(u, 1e-3) * a / (a + 1))
        return np.where(u < 1e-8, small, np.log(sp.gammainc(a, np.maximum(u, 1e-9))))


def _is_laplace(p: float) -> bool:
    """Whether floats do not tell the scores from fair signs."""
    return abs(p - 1) <= _SAME


@theorem(
    "exp-power-linf-laplace",
    noises="exp-power",
    norms=(Linf,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="|p - 1| <= 1e-12",
    when=lambda noise, norm: _is_laplace(noise.p),
    accuracy=1e-13,
)
def exp_power_linf_laplace(noise: ExpPower, norm: Norm, rho: Array) -> Array:
    """R as for Laplace noise, p = 1: the score along (1,…,1) is a sum of d fair signs.

    Elsewhere |s| is off by |p-1| |log u|, u ~ Gamma(1/p), of which a mass q collects at most q (2 + log 1/q); signs
    collect at least q E|W|, W their sum. So T grows by less than 101 |p-1| √d of it, as long as q > 1e-16.
    """
    if noise.p < 1:  # the score is unbounded, and R is not infinite at ρ = 1
        rho = np.minimum(rho, 1 - 2.0**-53)
    radius = noise.scale * reciprocal_integral_of_signs(noise.dim, rho)
    return radius / (1 + 101 * abs(noise.p - 1) * math.sqrt(noise.dim))


@theorem(
    "exp-power-level-set-l1",
    noises="exp-power",
    norms=(L1,),
    method=Method.LEVEL_SET,
    citation="yang2020",
    tight=True,
    sound=False,  # along e₁ only, which is not known to be worst
    condition="p < 1; an upper bound: shifts along an axis",
    when=lambda noise, norm: noise.p < 1,
    accuracy=1e-12,
)
def exp_power_level_set_l1(noise: ExpPower, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """No R is larger: the level-set radius of one coordinate. At d = 1 it is the radius."""
    shift, error = _along_axis(noise.p)(rho)
    return noise.scale * shift, noise.scale * error


@lru_cache(maxsize=64)
def _along_axis(p: float) -> DirectionRadius:
    return DirectionRadius(AlongCoordinate(Exponent(p)))


@theorem(
    "exp-power-gaussian",
    noises="exp-power",
    norms=EVERY_NORM,
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="cohen2019",
    tight=True,
    condition="p = 2",
    when=lambda noise, norm: noise.p == 2,
    accuracy=4e-15,
)
def exp_power_gaussian(noise: ExpPower, norm: Norm, rho: Array) -> Array:
    """R = (λ/√2) Φ_N⁻¹(ρ) · min(1, d^(1/p - 1/2)): at p = 2 the noise is Gaussian with σ = λ/√2."""
    return noise.scale / math.sqrt(2) * shrinkage(L2(), norm, noise.dim) * normal_quantile(rho)


def _gamma_quantile(a: float, lower: Array, upper: Array) -> Array:
    """F_a⁻¹ at lower mass ``lower`` = 1 - ``upper``, both given exactly."""
    return np.where(lower < 0.5, sp.gammaincinv(a, lower), sp.gammainccinv(a, upper))
