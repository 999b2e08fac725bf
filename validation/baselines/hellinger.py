"""Squared Hellinger distance (Dvijotham et al. 2020, information-limited)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import Norm
from smoothing.noise import Noise
from validation.baselines.baseline import Baseline
from validation.baselines.divergence import pair_renyi
from validation.baselines.shifts import has_renyi, renyi_radius

Array = NDArray[np.float64]


def _radius(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = sup {r : H²(q_v, q) < 1 - sqrt(1 - (√ρ - √(1-ρ))²/2) for ‖v‖ ≤ r}, H² = 1 - ∫ sqrt(q_v q).

    Symmetric in its arguments. As D_½ = -2 log(1 - H²), it is the Rényi certificate of order 1/2.
    Gaussian: R = 2σ sqrt(-log(1/2 + sqrt(ρ(1-ρ)))).
    """
    half = np.full_like(rho, 0.5)
    return renyi_radius(noise, norm, half, pair_renyi(0.5, rho))


HELLINGER = Baseline(
    "hellinger", "dvijotham2020", "H^2(q_v, q) < 1 - sqrt(1/2 + sqrt(rho (1-rho)))", has_renyi, _radius
)
