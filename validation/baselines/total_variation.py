"""Total variation (Dvijotham et al. 2020, information-limited): the hockey-stick divergence at γ = 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from geometry.norms import L1, L2, Linf, Norm, shrinkage
from smoothing.noise import Noise
from smoothing.noises import Ball, CrossPolytope, Cube, Gaussian
from smoothing.special import root_share
from validation.baselines.baseline import Baseline
from validation.baselines.marginals import canonical, marginal

Array = NDArray[np.float64]


def is_uniform(noise: Noise, norm: Norm) -> bool:
    """Uniform on a body whose overlap with its worst shift is known."""
    if getattr(getattr(noise, "profile", None), "prefix", None) != "uniform":
        return False
    worst_known: tuple[type[Norm], ...] = (L1,)
    if isinstance(noise, Cube):
        worst_known = (L1, Linf)
    return isinstance(noise, Ball) or isinstance(norm, worst_known)


def has_line(noise: Noise, norm: Norm) -> bool:
    """Whether the worst shift is known and the problem along it one-dimensional.

    For log-concave q the overlap ∫ min(q_v, γq) is log-concave in v (Prékopa 1973): every hockey-stick divergence is
    quasi-convex, and largest at an extreme point of the adversary's ball. Of products that is e₁ for ℓ1; other
    directions are one-dimensional for Gaussian noise, which is also spherical.
    """
    noise = canonical(noise)
    law = marginal(noise)
    if law is None or not law.log_concave:
        return False
    return isinstance(noise, Gaussian) or isinstance(norm, L1) or noise.dim == 1


def uniform_radius(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R at which the overlap of the body and its shift is 3/2 - ρ of its volume."""
    d = noise.dim
    if isinstance(noise, Cube) and isinstance(norm, L1):
        return 2 * noise.scale * (rho - 0.5)
    if isinstance(noise, (Cube, CrossPolytope)):
        return 2 * noise.scale * root_share(rho, d)
    # two caps: 1 - overlap = I_{(r/2λ)²}(1/2, (d+1)/2)
    reach = np.sqrt(sp.betaincinv(0.5, 0.5 * (d + 1), rho - 0.5))
    return 2 * noise.scale * shrinkage(L2(), norm, d) * reach


def _applies(noise: Noise, norm: Norm) -> bool:
    return is_uniform(noise, norm) or has_line(noise, norm)


def _radius(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = sup {r : TV(q_v, q) < ρ - 1/2 for ‖v‖ ≤ r}.

    Along one coordinate TV = P(|X| ≤ r/2). Gaussian: R = 2σ Φ_N⁻¹(1/4 + ρ/2), in place of σ Φ_N⁻¹(ρ). For uniform
    noise TV is all there is to know, and the radius is tight.
    """
    if is_uniform(noise, norm):
        return uniform_radius(noise, norm, rho)
    noise = canonical(noise)
    law = marginal(noise)
    assert law is not None
    factor = shrinkage(L2(), norm, noise.dim) if isinstance(noise, Gaussian) else 1.0
    return 2 * noise.scale * factor * law.middle_quantile(rho - 0.5)


TOTAL_VARIATION = Baseline("total-variation", "dvijotham2020", "TV(q_v, q) < rho - 1/2", _applies, _radius)
