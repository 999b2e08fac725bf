"""Gaussian noise: the benchmark of ℓ2, and by the no-go theorem order-optimal for every ℓp with p ≥ 2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L2, Norm, shrinkage
from smoothing.methods.score_laws import NormalScore, ScoreLaw
from smoothing.noise import ArrayOrTensor, Noise
from smoothing.special import normal_quantile
from smoothing.theorems import EVERY_NORM, Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source


@dataclass(frozen=True, kw_only=True)
class Gaussian(Noise):
    """q(x) ∝ exp(-‖x‖₂² / 2λ²); λ = σ."""

    family = "gaussian"
    log_unit_sigma = 0.0

    def _log_density(self, x: ArrayOrTensor) -> ArrayOrTensor:
        z = x / self.scale
        return -0.5 * (z * z).sum(-1) - self.dim * (0.5 * math.log(2 * math.pi) + math.log(self.scale))

    def score(self, norm: Norm) -> tuple[ScoreLaw, float]:
        return NormalScore(), shrinkage(L2(), norm, self.dim)

    def _fill(self, out: torch.Tensor, source: Source) -> None:
        source.normal_(out, self.scale)


@theorem(
    "gaussian",
    noises="gaussian",
    norms=EVERY_NORM,
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="cohen2019",
    tight=True,
    accuracy=4e-15,
)
def gaussian_radius(noise: Noise, norm: Norm, rho: NDArray[np.float64]) -> NDArray[np.float64]:
    """R = σ Φ_N⁻¹(ρ) · min(1, d^(1/p - 1/2)): half-spaces are worst, so only the longest shifts matter.

    The longest vectors of the unit ℓp ball are the axes for p ≤ 2 and the diagonals for p > 2.
    """
    return noise.scale * shrinkage(L2(), norm, noise.dim) * normal_quantile(rho)
