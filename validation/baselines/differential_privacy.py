"""Differential privacy (Lecuyer et al. 2018): smoothing as a private mechanism on the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L2, Norm, shrinkage
from smoothing.noise import Noise
from smoothing.noises import Gaussian
from validation.baselines.baseline import Baseline
from validation.baselines.marginals import canonical
from validation.baselines.shifts import has_bounded_log_ratio, largest_log_ratio_radius
from validation.baselines.solve import maximise

Array = NDArray[np.float64]


def _applies(noise: Noise, norm: Norm) -> bool:
    return isinstance(canonical(noise), Gaussian) or has_bounded_log_ratio(noise, norm)


def _radius(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R is the largest size of attack under which the mechanism is (ε, δ)-private with ρ > e^{2ε}(1-ρ) + (1+e^ε)δ.

    That is their condition, with the other classes' probability bounded by 1-ρ. Laplace mechanism (δ = 0):
    ε = R/λ in ℓ1, so R = (λ/2) log(ρ/(1-ρ)); the same ε for every noise with a bounded log-ratio, as for
    exp(-‖x‖/λ) in that norm (Hardt and Talwar 2010). Gaussian mechanism: ε = (R/σ) sqrt(2 log(1.25/δ)) in ℓ2, proven
    for ε ≤ 1, so R = σ max over 0 < ε ≤ 1 of ε / sqrt(2 log(1.25/δ)), δ = (ρ - e^{2ε}(1-ρ)) / (1+e^ε). Other norms by
    the sensitivity of the identity from ℓp to ℓ1 or ℓ2.
    """
    noise = canonical(noise)
    # log(ρ/(1-ρ)), from the end of [1/2, 1] that is exact
    log_odds = np.where(rho < 0.75, 2 * np.arctanh(2 * rho - 1), np.log(rho) - np.log(1 - rho))
    if not isinstance(noise, Gaussian):
        return largest_log_ratio_radius(noise, norm, 0.5 * log_odds)
    widest = np.minimum(1.0, 0.5 * log_odds)

    def radius(share: Array) -> Array:
        epsilon = share * widest
        # ρ - e^{2ε}(1-ρ) = 2ρ-1 - (e^{2ε} - 1)(1-ρ)
        delta = (2 * rho - 1 - np.expm1(2 * epsilon) * (1 - rho)) / (1 + np.exp(epsilon))
        return epsilon / np.sqrt(2 * np.log(1.25 / np.maximum(delta, 1e-300)))

    _, best = maximise(radius, np.zeros_like(rho), np.ones_like(rho), coarse=17)
    return noise.scale * shrinkage(L2(), norm, noise.dim) * best


DIFFERENTIAL_PRIVACY = Baseline(
    "differential-privacy", "lecuyer2018", "rho > exp(2 eps) (1-rho) + (1+exp(eps)) delta", _applies, _radius
)
