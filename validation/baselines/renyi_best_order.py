"""Rényi divergence at its best order (Li et al. 2019), for every noise whose divergences are computable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import Norm
from smoothing.noise import Noise
from smoothing.noises import Gaussian
from validation.baselines.baseline import Baseline
from validation.baselines.divergence import pair_renyi
from validation.baselines.marginals import canonical
from validation.baselines.shifts import (
    has_bounded_log_ratio,
    has_renyi,
    largest_log_ratio_radius,
    largest_order,
    renyi_radius,
)
from validation.baselines.solve import maximise

Array = NDArray[np.float64]

LEAST_ORDER = 0.5


def _applies(noise: Noise, norm: Norm) -> bool:
    return has_renyi(noise, norm) or has_bounded_log_ratio(noise, norm)


def _radius(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = max over α of sup {r : D_α(q_v‖q) < -log(2 M) for ‖v‖ ≤ r}, M = ((ρ^{1-α} + (1-ρ)^{1-α}) / 2)^{1/(1-α)}.

    The bound of Li et al. 2019 with the runner-up's probability at 1-ρ. Gaussian: R = σ max sqrt(-2 log(2M) / α).
    Laplace against ℓ1: the best order is α = ∞, with R = -λ log(2(1-ρ)), which is tight. Orders from 1/2 up to
    ``largest_order`` are searched, and ∞ where the log-ratio is bounded; any order certifies, so stopping the search
    early (within 1e-4 of the best radius) is sound.
    """
    best = np.zeros_like(rho)
    if has_bounded_log_ratio(noise, norm):
        best = largest_log_ratio_radius(noise, norm, pair_renyi(np.inf, rho))
    if has_renyi(noise, norm):

        def radius(log_alpha: Array, *, rough: bool = True) -> Array:
            alpha = np.exp(log_alpha)
            return renyi_radius(noise, norm, alpha, pair_renyi(alpha, rho), rough=rough)

        low = np.full(rho.shape, np.log(LEAST_ORDER))
        high = np.full(rho.shape, np.log(largest_order(noise)))
        exact = isinstance(canonical(noise), Gaussian)  # a closed form costs nothing
        order, _ = maximise(radius, low, high, coarse=9, steps=40 if exact else 8)
        found = radius(order, rough=False)
        # orders that other baselines fix belong to the search, whatever it found
        for fixed in (0.5, 1.0, 2.0):
            found = np.maximum(found, radius(np.full(rho.shape, np.log(fixed)), rough=False))
        best = np.maximum(best, found)
    return best


RENYI = Baseline("renyi", "li2019", "best order of Renyi divergence", _applies, _radius)
