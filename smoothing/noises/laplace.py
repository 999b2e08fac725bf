"""Laplace noise: independent coordinates, level sets are cross-polytopes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L1, L2, Linf, Norm
from smoothing.methods.cosine import signs_radius
from smoothing.methods.score_laws import ConstantScore, ScoreLaw
from smoothing.methods.signs import reciprocal_integral_of_signs
from smoothing.noise import ArrayOrTensor, Noise
from smoothing.special import log_odds_of_half
from smoothing.theorems import Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Laplace(Noise):
    """q(x) ∝ exp(-‖x‖₁ / λ)."""

    family = "laplace"
    log_unit_sigma = 0.5 * math.log(2)

    def _log_density(self, x: ArrayOrTensor) -> ArrayOrTensor:
        return -abs(x / self.scale).sum(-1) - self.dim * math.log(2 * self.scale)

    def score(self, norm: Norm) -> tuple[ScoreLaw, float] | None:
        return (ConstantScore(), 1.0) if isinstance(norm, L1) or self.dim == 1 else None

    def _fill(self, out: torch.Tensor, source: Source) -> None:
        source.laplace_(out, self.scale)


@theorem(
    "laplace-l1",
    noises="laplace",
    norms=(L1,),
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="teng2019",
    tight=True,
    accuracy=4e-15,
)
def laplace_l1(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = -λ log(2(1-ρ)): the quantile of one coordinate, as for every log-concave product."""
    return noise.scale * log_odds_of_half(rho)


@theorem(
    "laplace-l2",
    noises="laplace",
    norms=(L2,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    by_order=True,
    citation="yang2020",
    accuracy=2e-14,
)
def laplace_l2(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = λ E|θ₁| (d-1) atanh(x), x the quantile of θ₁ at ρ: near √(2/π) λ Φ_N⁻¹(ρ) in every dimension.

    The score Σ v_i σ_i is smaller than θ₁/E|θ₁| in convex order for every unit vector v (``mean_cosine``).
    """
    return noise.scale * signs_radius(noise.dim, rho)


@theorem(
    "laplace-linf",
    noises="laplace",
    norms=(Linf,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    accuracy=1e-13,
)
def laplace_linf(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = λ ∫ dp/Φ(p), the score along (1,…,1) being a sum of d fair signs; about λ Φ_N⁻¹(ρ)/√d in high d.

    No normal approximation: Φ is piecewise linear with its corners at binomial tails, the integral a sum of logs.
    """
    return noise.scale * reciprocal_integral_of_signs(noise.dim, rho)
