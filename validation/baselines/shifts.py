"""How far a noise may be shifted within a budget of Rényi divergence, in the adversary's worst direction.

Gaussian: D_α(q_v‖q) = α‖v‖₂²/(2σ²), so the longest vectors of the ball are worst.

Product noise: divergences add up, D_α(q_v‖q) = Σ g(|v_i|/λ) with g the divergence of one coordinate, increasing
because the density is even and unimodal: the half of {q_t ≥ γq} beyond t contains the mirror image of the other half.

* ℓ∞: all |v_i| = r are worst, and g(r/λ) = budget/d.
* ℓp, p ≤ 2: from g(t) ≤ s t^p on [0, t₁], s = sup of g(t)/t^p there, every v with ‖v‖_p ≤ r ≤ t₁ has D_α ≤ s r^p, so
  r = (budget/s)^(1/p) is certified, at g(t₁) = budget. Where g(t)/t^p increases that is t₁ itself and e₁ is worst; for
  ℓ1 and log-concave noise it does, since g is convex (for α ≥ 1 it is the log of a mean of exp((α-1)(ψ(x+v) - ψ(x))),
  log-convex in v; for α < 1 Prékopa 1973 makes the affinity log-concave). Otherwise nothing is claimed of e₁, and the
  radius is what many equal coordinates allow.
* ℓp, p > 2: the ℓ2 radius by inclusion, d^(1/p-1/2); for exponential powers below 1 the ℓ1 radius likewise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L1, L2, Linf, Norm, shrinkage
from smoothing.noise import Noise
from smoothing.noises import ExpPower, Gaussian, Laplace, Pareto
from validation.baselines.marginals import Marginal, canonical, marginal
from validation.baselines.quadrature import shift_renyi
from validation.baselines.solve import invert_increasing, maximise

Array = NDArray[np.float64]

_ROUGH, _FINE = 1e-3, 1e-12  # tolerances of log r

FLATTEST, STEEPEST = 0.3, 10.0
"""The exponents of exponential-power noise whose divergences the quadrature resolves; beyond, it is nearly uniform."""


def has_renyi(noise: Noise, norm: Norm) -> bool:
    """Whether ``renyi_radius`` knows the noise."""
    noise = canonical(noise)
    if isinstance(noise, ExpPower):
        return FLATTEST <= noise.p <= STEEPEST
    if isinstance(noise, Pareto):
        return 0.1 <= noise.a <= 1000
    return isinstance(noise, (Gaussian, Laplace))


def largest_order(noise: Noise) -> float:
    """Up to which α divergences are computed: steep tails are charged a large order far out, where it is useless."""
    noise = canonical(noise)
    power = noise.p if isinstance(noise, ExpPower) else 1.0
    return 20.0 if power < 2 else 2.0


def renyi_radius(noise: Noise, norm: Norm, alpha: Array, budget: Array, *, rough: bool = False) -> Array:
    """A radius within which D_α(q_v‖q) ≤ budget, elementwise in (α, budget); ``rough``: three digits, for searches."""
    noise = canonical(noise)
    alpha, budget = np.broadcast_arrays(np.asarray(alpha, dtype=np.float64), budget)
    if isinstance(noise, Gaussian):
        return noise.scale * shrinkage(L2(), norm, noise.dim) * np.sqrt(2 * budget / alpha)
    law = marginal(noise)
    assert law is not None
    if isinstance(noise, ExpPower) and noise.p < 1 and not isinstance(norm, (L1, Linf)) and noise.dim > 1:
        # its Fisher information may be infinite, so that no g(t)/t² is bounded
        inner = renyi_radius(noise, L1(), alpha, budget, rough=rough)
        return shrinkage(L1(), norm, noise.dim) * inner
    if isinstance(norm, Linf):
        return noise.scale * invert_increasing(
            lambda t: shift_renyi(law, alpha, t), budget / noise.dim, _ROUGH if rough else _FINE
        )
    reach = invert_increasing(lambda t: shift_renyi(law, alpha, t), budget, _ROUGH if rough else _FINE)
    power = min(norm.exponent, 2.0)
    if noise.dim == 1:
        return noise.scale * reach
    within = reach if power == 1 and law.log_concave else _spread(law, alpha, budget, reach, power, rough)
    return noise.scale * shrinkage(L2(), norm, noise.dim) ** (norm.exponent > 2) * within


def _spread(law: Marginal, alpha: Array, budget: Array, reach: Array, power: float, rough: bool) -> Array:
    """min over t ≤ reach of t (budget/g(t))^(1/p): what any division of the shift among coordinates leaves."""
    top = np.where(np.isfinite(reach), reach, 1e6)
    log_top = np.log(top)

    def slope(log_t: Array) -> Array:
        return np.log(shift_renyi(law, alpha, np.exp(log_t))) - power * log_t

    # at p = 2 the supremum may be half the Fisher information, reached at t -> 0; at t = e^-25 to ten digits
    coarse, steps = (14, 3) if rough else (40, 40)
    _, steepest = maximise(slope, np.minimum(log_top - 3, -25.0), log_top, coarse=coarse, steps=steps)
    within = np.exp((np.log(budget) - steepest) / power)
    return np.where(np.isinf(budget), np.inf, np.minimum(within, reach))


def largest_log_ratio_radius(noise: Noise, norm: Norm, epsilon: Array) -> Array:
    """The largest r with |log q(x-v)/q(x)| ≤ ε everywhere for ‖v‖ ≤ r: what ε-differential privacy allows.

    Laplace and exponential-power with p ≤ 1: Σ |v_i/λ|^p; Pareto: (a+1) Σ log(1 + |v_i|/λ), both sums of concave
    functions, so equal coordinates are worst against every ℓq with q ≥ 1; a density ∝ exp(-‖x‖/λ): ‖v‖/λ.
    """
    noise, d = canonical(noise), noise.dim
    each = d ** (1 / norm.exponent)  # the norm of (1, …, 1)
    if isinstance(noise, Pareto):
        return noise.scale * each * np.expm1(epsilon / (d * (noise.a + 1)))
    p = 1.0 if isinstance(noise, Laplace) else getattr(noise, "p", None)
    if p is not None:
        return noise.scale * each * (epsilon / d) ** (1 / p)
    shape = getattr(noise, "shape", None)
    assert shape is not None
    return noise.scale * shrinkage(shape, norm, d) * epsilon


def has_bounded_log_ratio(noise: Noise, norm: Norm) -> bool:
    """Whether ``largest_log_ratio_radius`` knows the noise."""
    noise = canonical(noise)
    if isinstance(noise, ExpPower):
        return noise.p <= 1
    profile = getattr(noise, "profile", None)
    plain = profile is not None and profile.prefix == "exp" and profile.k == 1 and profile.j == 0
    return plain or isinstance(noise, (Laplace, Pareto))
