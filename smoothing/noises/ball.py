"""Noise with spherical level sets: the Wulff crystal of ℓ2, and close to optimal against ℓ∞ in high dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from geometry.norms import L2, Norm, shrinkage
from smoothing.methods.cosine import cosine_radius
from smoothing.methods.level_set import LevelSet
from smoothing.methods.score_laws import ScoreLaw
from smoothing.noise import ArrayOrTensor
from smoothing.noises.shaped import Shaped
from smoothing.profiles import Exponential, Power, Profile, ProfileScore, cosine_mixture
from smoothing.profiles.radial import radial_law
from smoothing.special import normal_quantile
from smoothing.theorems import EVERY_NORM, Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ball(Shaped):
    """q(x) ∝ f(‖x‖₂ / λ). On the boundary: the uniform direction."""

    shape = L2()
    log_boundary_square = 0.0

    def _gauge(self, x: ArrayOrTensor, xp: Any) -> ArrayOrTensor:
        # scaled by the largest entry, so that heavy tails do not overflow in the squares
        largest = xp.max(abs(x), axis=-1, keepdims=True)
        safe = xp.where(largest > 0, largest, xp.ones_like(largest))
        unit = x / safe
        return xp.sqrt((unit * unit).sum(-1)) * safe[..., 0]

    def score(self, norm: Norm) -> tuple[ScoreLaw, float] | None:
        """ψ'(r) times a coordinate of a uniform direction; only the longest shifts matter."""
        if not self.profile.score_is_integrable:
            return None
        law = ProfileScore(self.profile) if self.dim == 1 else cosine_mixture(self.profile)
        return law, longest(norm, self.dim)

    def _fill_directions(self, out: torch.Tensor, source: Source) -> torch.Tensor:
        return source.normal_(out)

    def _fill_boundary(self, out: torch.Tensor, source: Source) -> torch.Tensor:
        import torch

        self._fill_directions(out, source)
        return torch.linalg.vector_norm(out, dim=1, dtype=torch.float64).log_()


def longest(norm: Norm, dim: int) -> float:
    """What a radius against ℓ2 is worth against ``norm``: rotations leave the noise alone, so the longest shifts are
    worst, the axes for p ≤ 2 and the diagonals for p > 2.
    """
    return shrinkage(L2(), norm, dim)


@theorem(
    "uniform-ball",
    noises="uniform-l2",
    norms=EVERY_NORM,
    method=Method.CLOSED_FORM,
    lead=Lead.DISTANCE,
    citation="yang2020",
    tight=True,
    accuracy=1e-14,
)
def uniform_ball(noise: Ball, norm: Norm, rho: Array) -> Array:
    """R = 2λ sqrt(B⁻¹_{1/2,(d+1)/2}(ρ-1/2)) against ℓ2: the lens of two balls keeps the share 3/2-ρ.

    The lens is two caps, whose height is Beta((d+1)/2, (d+1)/2); its square, taken about the centre, is
    Beta(1/2, (d+1)/2), which keeps full accuracy at ρ → 1/2.
    """
    height = np.sqrt(sp.betaincinv(0.5, 0.5 * (noise.dim + 1), rho - 0.5))
    return 2 * noise.scale * longest(norm, noise.dim) * height


@theorem(
    "ball-gaussian",
    noises="exp-l2",
    norms=EVERY_NORM,
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="cohen2019",
    tight=True,
    condition="k = 2, j = 0",
    when=lambda noise, norm: noise.profile.k == 2 and noise.profile.j == 0,
    accuracy=4e-15,
)
def ball_gaussian(noise: Ball, norm: Norm, rho: Array) -> Array:
    """R = (λ/√2) Φ_N⁻¹(ρ): Gaussian noise with σ = λ/√2."""
    return noise.scale / math.sqrt(2) * longest(norm, noise.dim) * normal_quantile(rho)


@theorem(
    "ball-exp",
    noises="exp-l2",
    norms=EVERY_NORM,
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="k = 1, j = 0",
    when=lambda noise, norm: noise.profile.k == 1 and noise.profile.j == 0,
    accuracy=2e-14,
)
def ball_exp(noise: Ball, norm: Norm, rho: Array) -> Array:
    """R = λ(d-1) atanh(x), x the quantile of a uniform direction's coordinate at ρ, against ℓ2.

    The score is that coordinate itself; at d = 1 a fair sign, and the noise Laplace.
    """
    return noise.scale * longest(norm, noise.dim) * cosine_radius(noise.dim, rho)


@theorem(
    "ball-level-set",
    noises=("exp-l2", "pow-l2"),
    norms=EVERY_NORM,
    method=Method.LEVEL_SET,
    citation="yang2020",
    tight=True,
    condition="d >= 2, k <= 100 max(d, 100); pow: a - d/k >= min(1/60, 0.4/k)",
    when=lambda noise, norm: noise.dim >= 2 and _is_resolved(noise.profile),
    accuracy=2e-12,
)
def ball_level_set(noise: Ball, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """R = λe against ℓ2, where a_e(τ) = 1/2 and a_e(-τ) = 1-ρ for one τ, a_e(t) = P(ψ(‖X-v‖) ≤ ψ(‖X‖) + t), ‖v‖ = e.

    a_e(t) is the mean over r of P(C ≥ (e/r - (r/e)(exp(2δ) - 1))/2), ψ(r exp δ) = ψ(r) + t, where C is a
    coordinate of a uniform direction: C² ~ Beta(1/2, (d-1)/2). At ρ = 1 every radius holds: the density has no zeros.
    """
    shift, error = _level_set(noise.profile)(rho)
    factor = noise.scale * longest(norm, noise.dim)
    return factor * shift, factor * error


def _is_resolved(profile: Exponential | Power) -> bool:
    """Whether the quadrature follows the profile: not where its tail r^(d - ak) is too heavy for panels of log r.

    Beyond these k the powers r^k lose digits that Newton's method needs, and radii up to ρ = 0.9 differ from the
    uniform ball's by less than 1e-3.
    """
    if profile.k > 100 * max(profile.dim, 100):
        return False
    return isinstance(profile, Exponential) or profile.beta >= min(1 / 60, 0.4 / profile.k)


@lru_cache(maxsize=256)
def _level_set(profile: Profile) -> LevelSet:
    return LevelSet(radial_law(profile))
