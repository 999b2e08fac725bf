"""χ² divergence (Dvijotham et al. 2020, information-limited)."""

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
    """R = sup {r : χ²(q_v‖q) < (ρ-1/2)²/(ρ(1-ρ)) for ‖v‖ ≤ r}, χ²(P‖Q) = ∫ (P-Q)²/Q.

    The right side is that of Bernoulli(1/2) and Bernoulli(1-ρ); the other order, χ²(q‖q_v) < (2ρ-1)², never gives more.
    As D₂ = log(1 + χ²), it is the Rényi certificate of order 2. Gaussian: R = σ sqrt(-log(4ρ(1-ρ))), that of KL.
    """
    two = np.full_like(rho, 2.0)
    return renyi_radius(noise, norm, two, pair_renyi(2.0, rho))


CHI_SQUARE = Baseline(
    "chi-square", "dvijotham2020", "chi^2(q_v||q) < (rho-1/2)^2 / (rho (1-rho))", has_renyi, _radius
)
