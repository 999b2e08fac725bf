"""Hockey-stick divergences (Dvijotham et al. 2020, information-limited), with the best parameter.

HS_γ(P‖Q) = ∫ (P - γQ)₊ = sup over U of P(U) - γ Q(U), γ > 0. The least divergence at which a vote of probability ρ is
overturned is HS_γ(Bernoulli(1/2) ‖ Bernoulli(1-ρ)) = (1/2 - γ(1-ρ))₊ + (1/2 - γρ)₊. Both orders of the arguments are
one family, HS_γ(Q‖P) = 1 - γ + γ HS_{1/γ}(P‖Q), and γ ≥ 1 suffices when ρ > 1/2. Then v is certified iff

    1 - ρ < max over γ ≥ 1 of (1/2 - HS_γ(q_v‖q)) / γ,

which is the dual of the Neyman-Pearson problem: the best γ makes this family as good as any certificate from ρ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L2, Norm, shrinkage
from smoothing.noise import Noise
from smoothing.noises import Gaussian
from smoothing.special import log_odds_of_half
from validation.baselines.baseline import Baseline
from validation.baselines.marginals import Marginal, canonical, marginal
from validation.baselines.solve import invert_increasing, maximise
from validation.baselines.total_variation import has_line, is_uniform, uniform_radius

Array = NDArray[np.float64]


def log_needed(law: Marginal, t: Array) -> Array:
    """-log(2 max over γ of (1/2 - HS_γ(q_t‖q))/γ) for one log-concave coordinate shifted by t: increasing from 0.

    {q_t ≥ γq} is the half-line beyond c, c ≥ t/2 at γ = q(c-t)/q(c) ≥ 1. So c is searched instead of γ:
    (1/2 - HS_γ)/γ = P(X ≥ c) + (1/2 - P(X ≥ c-t))/γ. Near 1/2 its distance from 1/2 is what is computed.
    """

    def terms(share: Array) -> tuple[Array, Array]:
        c = 0.5 * t * (1 + share)
        behind = 0.5 * t * (1 - share)  # t - c, exact
        inverse = np.exp(_log_ratio(law, c, behind))
        sign = np.where(behind >= 0, -1.0, 1.0)  # of c - t
        inside = sign * law.middle(np.abs(behind))
        return law.middle(c) - inside * inverse, law.upper(c) + inside * inverse

    share, _ = maximise(lambda s: -terms(s)[0], np.zeros_like(t), np.full_like(t, 3.0), coarse=13, steps=60)
    short, value = terms(share)
    return np.where(short < 0.25, -np.log1p(-2 * short), -np.log(2 * value))


def _log_ratio(law: Marginal, c: Array, behind: Array) -> Array:
    """log q(c)/q(c-t) = -log γ, with |c-t| = |behind|."""
    return np.minimum(law.log_density(c) - law.log_density(np.abs(behind)), 0.0)


def _applies(noise: Noise, norm: Norm) -> bool:
    return is_uniform(noise, norm) or has_line(noise, norm)


def _radius(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R = sup {r : 1-ρ < max over γ of (1/2 - HS_γ(q_v‖q))/γ for ‖v‖ ≤ r}.

    Gaussian noise has HS_γ in closed form (Balle and Wang 2018); uniform noise needs γ = 1 only, total variation.
    """
    if is_uniform(noise, norm):
        return uniform_radius(noise, norm, rho)
    noise = canonical(noise)
    law = marginal(noise)
    assert law is not None
    factor = shrinkage(L2(), norm, noise.dim) if isinstance(noise, Gaussian) else 1.0
    shift = invert_increasing(lambda t: log_needed(law, t), log_odds_of_half(rho))
    return noise.scale * factor * shift


HOCKEY_STICK = Baseline(
    "hockey-stick",
    "dvijotham2020",
    "1-rho < max over gamma of (1/2 - HS_gamma(q_v||q)) / gamma",
    _applies,
    _radius,
)
