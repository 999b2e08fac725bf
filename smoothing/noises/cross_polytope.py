"""Noise with cross-polytopes as level sets: the polar of the cube, Laplace among them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L1, L2, Linf, Norm
from smoothing.methods.cosine import mean_cosine, signs_radius
from smoothing.methods.score_laws import ScoreLaw
from smoothing.methods.signs import reciprocal_integral_of_signs
from smoothing.noise import ArrayOrTensor
from smoothing.noises.cube import two_sided_radius
from smoothing.noises.shaped import Shaped
from smoothing.profiles import Exponential, Profile, ProfileScore, cosine_mixture, signs_mixture
from smoothing.special import log_odds_of_half, rademacher_mean, root_share
from smoothing.theorems import Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CrossPolytope(Shaped):
    """q(x) ∝ f(‖x‖₁ / λ). On the boundary: Dirichlet(1,…,1) with random signs."""

    shape = L1()

    @property
    def log_boundary_square(self) -> float:
        return math.log(2 / (self.dim + 1))

    def _gauge(self, x: ArrayOrTensor, xp: Any) -> ArrayOrTensor:
        return abs(x).sum(-1)

    def score(self, norm: Norm) -> tuple[ScoreLaw, float] | None:
        """ψ'(r) times a sum of d fair signs, against ℓ∞."""
        if not self.profile.score_is_integrable or not (isinstance(norm, Linf) or self.dim == 1):
            return None
        if self.dim == 1:
            return ProfileScore(self.profile), 1.0
        return None if _is_laplace(self.profile) else (signs_mixture(self.profile), 1.0)

    def _fill_directions(self, out: torch.Tensor, source: Source) -> torch.Tensor:
        return source.laplace_(out)

    def _fill_boundary(self, out: torch.Tensor, source: Source) -> torch.Tensor:
        import torch

        self._fill_directions(out, source)
        return torch.linalg.vector_norm(out, ord=1, dim=1, dtype=torch.float64).log_()


def _is_laplace(profile: Profile) -> bool:
    return isinstance(profile, Exponential) and profile.k == 1 and profile.j == 0


@theorem(
    "uniform-cross-polytope-l1",
    noises="uniform-l1",
    norms=(L1,),
    method=Method.CLOSED_FORM,
    lead=Lead.DISTANCE,
    citation="yang2020",
    tight=True,
    accuracy=4e-15,
)
def uniform_cross_polytope_l1(noise: CrossPolytope, norm: Norm, rho: Array) -> Array:
    """R = 2λ (1 - (3/2-ρ)^(1/d)): shifted along an axis by r, the overlap is a cross-polytope of radius λ - r/2.

    Overlaps of a convex body with its shifts are log-concave in the shift, so the vertices ±e_i are worst.
    """
    return 2 * noise.scale * root_share(rho, noise.dim)


@theorem(
    "uniform-cross-polytope",
    noises="uniform-l1",
    norms=(L1, L2, Linf),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    accuracy=1e-14,
)
def uniform_cross_polytope(noise: CrossPolytope, norm: Norm, rho: Array) -> Array:
    """R = (ρ-1/2) / Φ, where Φ = (d/2λ) max over ‖v‖ = 1 of E|<σ,v>|, the shadows of the cross-polytope.

    The maximum is 1 for ℓ1 and ℓ2 (at e₁, as E|<σ,v>| ≤ ‖v‖₂) and E|σ₁+…+σ_d| for ℓ∞ (at (1,…,1)).
    """
    widest = rademacher_mean(noise.dim) if isinstance(norm, Linf) else 1.0
    return noise.scale * (2 * rho - 1) / (noise.dim * widest)


@theorem(
    "cross-polytope-l1",
    noises=("exp-l1", "pow-l1"),
    norms=(L1,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="j < d-1 (or j = 0)",
    when=lambda noise, norm: noise.profile.score_is_integrable,
    accuracy=5e-13,
)
def cross_polytope_l1(noise: CrossPolytope, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """R = λ J(2(1-ρ)): along e₁ the score is ±ψ'(r) with equal chances, as for the cube along its diagonal."""
    return two_sided_radius(noise, rho)


@theorem(
    "cross-polytope-l2",
    noises=("exp-l1", "pow-l1"),
    norms=(L2,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    by_order=True,
    citation="yang2020",
    condition="j < d-1 (or j = 0)",
    when=lambda noise, norm: noise.profile.score_is_integrable,
    accuracy=5e-12,
)
def cross_polytope_l2(noise: CrossPolytope, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """R is at least E|θ₁| times that of the ball with this profile, θ a uniform direction.

    The score ψ'(r) Σ v_i σ_i is smaller than ψ'(r) θ₁ / E|θ₁| in convex order for every unit vector v
    (``mean_cosine``), and r has the same law for every shape.
    """
    if _is_laplace(noise.profile):
        return noise.scale * signs_radius(noise.dim, rho), np.zeros_like(rho)
    law = ProfileScore(noise.profile) if noise.dim == 1 else cosine_mixture(noise.profile)
    radius, error = law.radius(rho)
    unit = noise.scale * mean_cosine(noise.dim)
    return unit * radius, unit * error


@theorem(
    "cross-polytope-l1-exp",
    noises="exp-l1",
    norms=(L1,),
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="teng2019",
    tight=True,
    condition="k = 1, j = 0",
    when=lambda noise, norm: _is_laplace(noise.profile),
    accuracy=4e-15,
)
def cross_polytope_l1_exp(noise: CrossPolytope, norm: Norm, rho: Array) -> Array:
    """R = λ log(1 / (2(1-ρ))): this is Laplace noise."""
    return noise.scale * log_odds_of_half(rho)


@theorem(
    "cross-polytope-linf-exp",
    noises="exp-l1",
    norms=(Linf,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="k = 1, j = 0",
    when=lambda noise, norm: _is_laplace(noise.profile),
    accuracy=1e-13,
)
def cross_polytope_linf_exp(noise: CrossPolytope, norm: Norm, rho: Array) -> Array:
    """R as for Laplace noise, which this is: the score along (1,…,1) is a sum of d fair signs."""
    return noise.scale * reciprocal_integral_of_signs(noise.dim, rho)
