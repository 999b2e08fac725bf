"""Kullback-Leibler divergence (Dvijotham et al. 2020, information-limited)."""

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
    """R = sup {r : KL(q_v‖q) < -log(2 sqrt(ρ(1-ρ))) for ‖v‖ ≤ r}.

    The right side is KL(Bernoulli(1/2) ‖ Bernoulli(1-ρ)); the other order, KL(q‖q_v) < log 2 - H(ρ), never gives more,
    since the noise's divergence is the same in both. Gaussian: R = σ sqrt(-log(4ρ(1-ρ))).
    """
    one = np.ones_like(rho)
    return renyi_radius(noise, norm, one, pair_renyi(1.0, rho))


KULLBACK_LEIBLER = Baseline(
    "kl", "dvijotham2020", "KL(q_v||q) < -log(2 sqrt(rho (1-rho)))", has_renyi, _radius
)
