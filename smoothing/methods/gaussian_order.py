"""Products against ℓ2: scores that are smaller than a Gaussian's in convex order, in every dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from geometry.norms import L2, Norm
from smoothing.noise import Noise
from smoothing.special import normal_quantile
from smoothing.theorems import Lead, Method, theorem

Array = NDArray[np.float64]


def _is_light(noise: Any, norm: Norm) -> bool:
    """Whether the score of one coordinate precedes |G| in star order."""
    if noise.family == "pareto":
        return noise.a >= 1
    return 1 < noise.p < 2  # Laplace and Gaussian have rows of their own


def log_peak(noise: Any) -> float:
    """log 2λq(0), q the density of one coordinate: log of λ E|φ'(X)|."""
    return math.log(noise.a) if noise.family == "pareto" else -float(gammaln(1 + 1 / noise.p))


@theorem(
    "product-l2",
    noises=("exp-power", "pareto"),
    norms=(L2,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    by_order=True,
    citation="shaked2007",
    condition="exp-power: 1 < p < 2; pareto: a >= 1",
    when=_is_light,
    accuracy=1e-14,
)
def product_l2(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = Φ_N⁻¹(ρ) / (q(0) √(2π)), q the density of one coordinate, in any dimension.

    The score along a unit vector v is Σ v_i σ_i |s_i|, σ random signs and s_i = φ'(X_i) independent, E|s_i| = 2q(0).
    Let c|G|, G normal, have the mean of |s|. Where the ratio of the quantiles of |G| and |s| grows (star order), their
    distributions cross once, so that |s| ≤ c|G| in convex order, hence E(S-t)₊ ≤ E(cG-t)₊ for every t and v, and
    Φ(p) ≤ c φ_N(Φ_N⁻¹(p)) (Shaked and Shanthikumar 2007). The ratio grows for

        exp-power, 1 < p < 2:  |s| ∝ γ^(1-1/p), γ ~ Gamma(1/p): a smaller power of a Gamma of larger shape than G² is,
        pareto, a ≥ 1:         |s| ∝ U^(1/a), U uniform, and the quantile of |G| is convex with value 0 at 0.
    """
    return noise.scale * math.sqrt(2 / math.pi) * math.exp(-log_peak(noise)) * normal_quantile(rho)
