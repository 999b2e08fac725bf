"""Pareto noise: independent coordinates with power-law tails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from geometry.norms import L1, Linf, Norm
from smoothing.methods.coordinate import AlongCoordinate, Lomax
from smoothing.methods.near_signs import NearSigns
from smoothing.methods.neyman_pearson import DirectionRadius
from smoothing.methods.score_laws import ScoreLaw
from smoothing.methods.score_sums import Score, ScoreSum
from smoothing.methods.signs import reciprocal_integral_of_signs
from smoothing.methods.sums_by_signs import Sizes
from smoothing.noise import ArrayOrTensor, Noise, check_range, namespace
from smoothing.profiles import Power, ProfileScore
from smoothing.special import gauss_legendre
from smoothing.theorems import Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source

Array = NDArray[np.float64]


_NARROW = 12.0  # a from which on scores may keep too close to ±a for a table of their sum
_SLOW = 6.0  # t up to which a rule along the real line follows e^{it|s|}


@dataclass(frozen=True, kw_only=True)
class Pareto(Noise):
    """q(x) ∝ ∏ (1 + |x_i|/λ)^-(a+1), a > 0; σ exists for a > 2. Laplace in the limit a → ∞ at λ/a fixed."""

    a: float

    family = "pareto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("a", self.a, 0)

    @property
    def log_unit_sigma(self) -> float:
        """σ² = 2λ² / ((a-1)(a-2))."""
        return 0.5 * math.log(2 / ((self.a - 1) * (self.a - 2))) if self.a > 2 else math.inf

    def _log_density(self, x: ArrayOrTensor) -> ArrayOrTensor:
        xp = namespace(x)
        log_mass = math.log(2 * self.scale / self.a)
        return -(self.a + 1) * xp.log1p(abs(x / self.scale)).sum(-1) - self.dim * log_mass

    def score(self, norm: Norm) -> tuple[ScoreLaw, float] | None:
        """(a+1) sgn(x) / (1+|x|) along an axis; along the diagonal a sum of d of them."""
        if isinstance(norm, L1) or self.dim == 1:
            return ProfileScore(Power(1, k=1, a=self.a + 1)), 1.0
        # beyond, floats hardly tell scores from signs, and Laplace's radius is 1e-12 short
        return (_scores(self.a, self.dim), 1.0) if isinstance(norm, Linf) and self.a < 1e12 else None

    def _fill(self, out: torch.Tensor, source: Source) -> None:
        import torch

        # |x| = λ (U^(-1/a) - 1); for small a float32 ends before the tail does, so the largest float stands in.
        if out.device.type == "cpu" and out.dtype == torch.float32:
            source.pareto_(out, self.a, self.scale)
            return
        size = source.laplace_(out).abs().div_(self.a).expm1_().mul_(self.scale)
        torch.copysign(size.clamp_(max=torch.finfo(out.dtype).max), out, out=out)


@lru_cache(maxsize=64)
def _scores(a: float, dim: int) -> ScoreLaw:
    """|S| / (a+1) ~ Beta(a, 1) for one coordinate."""

    def log_tail(tau: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(-np.expm1(np.minimum(a * (tau - math.log(a + 1)), 0)))

    plain = ScoreSum(Score(log_tail, top=a + 1), dim)
    if a < _NARROW:
        return plain
    return NearSigns(_sizes(a), dim, ProfileScore(Power(1, k=1, a=a + 1)), plain)


def _sizes(a: float) -> Sizes:
    """|s| = (a+1) e^{-E/a}, E exponential; |s| - a is nearly 1 - E."""
    v = 0.02 * np.arange(-2100, 206)  # trapezoidal: good for frequencies t E up to 300
    masses = 0.02 * np.exp(v - np.exp(v))
    masses /= masses.sum()
    rest = 1 + (a + 1) * np.expm1(-np.exp(v) / a)
    nodes, gauss = gauss_legendre(16)
    left = np.arange(0, 96, 6.0)[:, None]  # in panels, up to e^-96
    u, weights = (left + 3 * (1 + nodes)).ravel(), np.tile(3 * gauss, len(left))

    def change(t: Array) -> NDArray[np.complex128]:
        out = np.empty(len(t), dtype=complex)
        slow = t < _SLOW
        phase = t[slow, None] * rest
        out[slow] = -2 * np.sin(phase / 2) ** 2 @ masses + 1j * (np.sin(phase) @ masses)
        # Further on along E = u / (1 + iκ), where e^{-E + it|s|} is e^{-u} and little else.
        fast = t[~slow, None]
        slope = 1 + 1j * fast * (a + 1) / a
        e = u / slope / a
        out[~slow] = np.exp(1j * fast * (1 + (a + 1) * (np.expm1(-e) + e)) - u) @ weights / slope[:, 0] - 1
        return out

    return Sizes(a + rest, masses, change, float(a))


@theorem(
    "pareto-level-set-l1",
    noises="pareto",
    norms=(L1,),
    method=Method.LEVEL_SET,
    citation="yang2020",
    tight=True,
    sound=False,  # along e₁ only, which is not known to be worst
    condition="an upper bound: shifts along an axis",
    accuracy=1e-12,
)
def pareto_level_set_l1(noise: Pareto, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """No R is larger: the level-set radius of one coordinate. At d = 1 it is the radius."""
    shift, error = _along_axis(noise.a)(rho)
    return noise.scale * shift, noise.scale * error


@lru_cache(maxsize=64)
def _along_axis(a: float) -> DirectionRadius:
    return DirectionRadius(AlongCoordinate(Lomax(a)))


@theorem(
    "pareto-linf-by-laplace",
    noises="pareto",
    norms=(Linf,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    by_order=True,
    citation="yang2020",
    accuracy=1e-13,
)
def pareto_linf_by_laplace(noise: Pareto, norm: Norm, rho: Array) -> Array:
    """R is at least that of Laplace noise of scale λ/(a+1), whose score no coordinate exceeds: |s| = (a+1)/(|x|+λ).

    E(Σ σ_i |s_i| - t)₊, σ random signs, is convex and even in each s_i, hence it grows with every |s_i|, and so does
    Φ(p) = min_t E(S-t)₊ + t p. About 1/a short: the best known for 3 to 5 coordinates with a > 1000, whose sum no table
    resolves.
    """
    return noise.scale / (noise.a + 1) * reciprocal_integral_of_signs(noise.dim, rho)


@theorem(
    "pareto-l1",
    noises="pareto",
    norms=(L1,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    accuracy=1e-13,
)
def pareto_l1(noise: Pareto, norm: Norm, rho: Array) -> Array:
    """R = λ (t/a) ₂F₁(1, b; b+1; t^{1+1/a}), t = 2ρ-1, b = a/(a+1).

    From Φ(p₀) = (a/2)(1 - t₀^{1+1/a}), t₀ = 1-2p₀: R = (λ/a) ∫ from 0 to t of du / (1 - u^{1+1/a}).
    """
    t, a = 2 * rho - 1, noise.a
    with np.errstate(divide="ignore"):
        log_t = np.where(rho < 0.75, np.log(t), np.log1p(-2 * (1 - rho)))
    return noise.scale * t / a * _lerch(a / (a + 1), (1 + 1 / a) * log_t)


def _lerch(b: float, log_z: Array) -> Array:
    """₂F₁(1, b; b+1; z) = b Σ z^n / (n+b) for 0 < b < 1, given log z ≤ 0; inf at z = 1.

    Below z = 1/2 the series itself, above it the expansion in 1 - z; both have positive terms only
    (Abramowitz and Stegun 15.3.10).
    """
    n = np.arange(56)
    z, y = np.exp(log_z), -np.expm1(log_z)
    low = b * (np.minimum(z, 0.5)[..., None] ** n / (n + b)).sum(axis=-1)
    # (b)_n / n! [ψ(n+1) - ψ(n+b) - log y] y^n
    weight = np.concatenate([[1.0], np.cumprod((n[:-1] + b) / (n[:-1] + 1))])
    digammas = sp.digamma(n + 1.0) - sp.digamma(n + b)
    inside = np.clip(y, np.finfo(float).tiny, 0.5)[..., None]
    high = b * (weight * (digammas - np.log(inside)) * inside**n).sum(axis=-1)
    return np.where(z < 0.5, low, np.where(y > 0, high, np.inf))
