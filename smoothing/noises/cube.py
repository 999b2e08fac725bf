"""Noise with cubical level sets: the Wulff crystal of ℓ1, hence the best shape against ℓ1 adversaries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L1, L2, Linf, Lp, Norm
from smoothing.methods.cubical import AlongAxis, AlongDiagonal
from smoothing.methods.neyman_pearson import DirectionRadius
from smoothing.noise import ArrayOrTensor
from smoothing.noises.shaped import Shaped
from smoothing.profiles import Profile
from smoothing.profiles.base import reciprocal_integral
from smoothing.profiles.radial import radial_law
from smoothing.special import log_odds_of_half, root_share
from smoothing.theorems import Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Cube(Shaped):
    """q(x) ∝ f(‖x‖∞ / λ). On the boundary one coordinate is ±1, the others uniform in [-1, 1]."""

    shape = Linf()

    @property
    def log_boundary_square(self) -> float:
        return math.log((self.dim + 2) / 3)

    def _gauge(self, x: ArrayOrTensor, xp: Any) -> ArrayOrTensor:
        return xp.max(abs(x), axis=-1)

    def _fill(self, out: torch.Tensor, source: Source) -> None:
        if self.profile.prefix == "uniform":  # one draw a coordinate is all it takes
            source.uniform_(out, self.scale)
        else:
            super()._fill(out, source)

    def _fill_directions(self, out: torch.Tensor, source: Source) -> torch.Tensor:
        return source.uniform_(out)

    def _fill_boundary(self, out: torch.Tensor, source: Source) -> None:
        import torch

        self._fill_directions(out, source)
        # One draw gives the facet: coordinate and side.
        facet = torch.empty(len(out), dtype=torch.int64, device=out.device)
        facet.random_(0, 2 * self.dim, generator=source.generator)
        side = (2 * (facet % 2) - 1).to(out.dtype)
        out.scatter_(1, (facet // 2).unsqueeze(1), side.unsqueeze(1))


# -- uniform ------------------------------------------------------------------------------------------------


@theorem(
    "uniform-l1",
    noises="uniform",
    norms=(L1,),
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="lee2019",
    tight=True,
    accuracy=2e-15,
)
def uniform_l1(noise: Cube, norm: Norm, rho: Array) -> Array:
    """R = 2λ(ρ - 1/2)."""
    return noise.scale * (2 * rho - 1)


@theorem(
    "uniform-lp",
    noises="uniform",
    norms=(L2, Linf, Lp),
    method=Method.CLOSED_FORM,
    lead=Lead.DISTANCE,
    citation="yang2020",
    tight=True,
    condition="p >= 2",
    when=lambda noise, norm: norm.exponent >= 2,
    accuracy=4e-15,
)
def uniform_lp(noise: Cube, norm: Norm, rho: Array) -> Array:
    """R = 2λ d^(1/p) (1 - (3/2-ρ)^(1/d)): the diagonal is worst.

    The overlap of the cube with itself shifted by v must keep the share 3/2 - ρ: with 1 - |v_i|/2λ = e^(-u_i)
    this reads Σ u_i = -log(3/2-ρ) ≤ log 2, where (1-e^(-u))^p is convex, so equal shares are cheapest.
    """
    return 2 * noise.scale * noise.dim ** (1 / norm.exponent) * root_share(rho, noise.dim)


@theorem(
    "uniform-lp-between",
    noises="uniform",
    norms=(Lp,),
    method=Method.CLOSED_FORM,
    lead=Lead.DISTANCE,
    citation="yang2020",
    tight=True,
    condition="1 < p < 2 and d large enough that the diagonal stays the worst direction at every rho",
    when=lambda noise, norm: norm.exponent < 2 and _diagonal_is_worst(norm.exponent, noise.dim),
    accuracy=4e-15,
)
def uniform_lp_between(noise: Cube, norm: Norm, rho: Array) -> Array:
    """R = 2λ d^(1/p) (1 - (3/2-ρ)^(1/d)) for 1 < p < 2 too, where d is not very small.

    F(u) = (1-e^(-u))^p is convex up to u = log p only. Its convex envelope on [0, L] still touches it at L/d if
    the tangent there passes below F(L); the tangent's bound is what equal shares attain.
    """
    return 2 * noise.scale * noise.dim ** (1 / norm.exponent) * root_share(rho, noise.dim)


def _diagonal_is_worst(p: float, dim: int) -> bool:
    """Whether the tangent of F at L/d lies below F on [0, L] for every L ≤ log 2.

    F is convex, then concave, so a tangent at a point of the convex part lies below F if it does at the far end L.
    The gap there, relative to F(L), tends to a limit at L → 0 and is smooth in L: it is evaluated at 512 values of
    L and must be at least 2 %, far more than it can change between them.
    """
    if dim == 1:
        return True
    total = np.linspace(0, math.log(2), 513)[1:]
    share = total / dim
    if share[-1] > math.log(p):
        return False
    value = (-np.expm1(-total)) ** p
    near = (-np.expm1(-share)) ** p
    slope = p * (-np.expm1(-share)) ** (p - 1) * np.exp(-share)
    return bool(((value - near - slope * (total - share)) / value > 0.02).all())


# -- every other profile ------------------------------------------------------------------------------------


@theorem(
    "cube-l1",
    noises=("exp-linf", "pow-linf"),
    norms=(L1,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="j < d-1 (or j = 0)",
    when=lambda noise, norm: noise.profile.score_is_integrable,
    accuracy=5e-13,
)
def cube_l1(noise: Cube, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """R = 2dλ (ρ-1/2) / T(1) up to ρ = 1 - 1/(2d), T(1) = E ψ'(r) = (d-1) E[1/r]; then + λ J(2d(1-ρ)).

    The score along e₁ is ψ'(r) on the two facets x₁ = ±‖x‖∞ (mass 1/(2d) each) and 0 elsewhere. A set smaller
    than a facet's cone takes the best part of it: Φ(p) = T(2dp) / (2d).
    """
    d, profile = noise.dim, noise.profile
    p = 1 - rho
    linear = (2 * d * np.minimum(rho - 0.5, 0.5 - 0.5 / d)) / profile.mean_score
    radius, error = linear, np.zeros_like(rho)
    beyond = 2 * d * p < 1
    if beyond.any():
        share = 2 * d * p[beyond]
        extra, slack = reciprocal_integral(profile)(share, 1 - share)
        radius, error = linear.copy(), error.copy()
        radius[beyond] += extra
        error[beyond] = slack
    return _certain(profile, rho, noise.scale * radius), noise.scale * error


@theorem(
    "cube-linf",
    noises=("exp-linf", "pow-linf"),
    norms=(Linf,),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="j < d-1 (or j = 0)",
    when=lambda noise, norm: noise.profile.score_is_integrable,
    accuracy=5e-13,
)
def cube_linf(noise: Cube, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """R = λ J(2(1-ρ)): along the diagonal the score is ±ψ'(r) with equal chances, so Φ(p) = T(2p)/2."""
    return two_sided_radius(noise, rho)


@theorem(
    "cube-linf-exp",
    noises="exp-linf",
    norms=(Linf,),
    method=Method.CLOSED_FORM,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="k = 1, j = 0",
    when=lambda noise, norm: noise.profile.k == 1 and noise.profile.j == 0,
    accuracy=4e-15,
)
def cube_linf_exp(noise: Cube, norm: Norm, rho: Array) -> Array:
    """R = λ log(1 / (2(1-ρ))): ψ' = 1 makes T(q) = q."""
    return noise.scale * log_odds_of_half(rho)


@lru_cache(maxsize=256)
def _along(profile: Profile, diagonal: bool) -> DirectionRadius:
    return DirectionRadius((AlongDiagonal if diagonal else AlongAxis)(radial_law(profile)))


@theorem(
    "cube-level-set-l1",
    noises=("exp-linf", "pow-linf"),
    norms=(L1,),
    method=Method.LEVEL_SET,
    citation="yang2020",
    tight=True,
    sound=False,  # along e₁ only, which is not known to be worst
    condition="d >= 2; an upper bound: shifts along an axis",
    when=lambda noise, norm: noise.dim >= 2,
    accuracy=1e-13,
)
def cube_level_set_l1(noise: Cube, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """No R is larger: the level-set radius along e₁."""
    shift, error = _along(noise.profile, False)(rho)
    return noise.scale * shift, noise.scale * error


@theorem(
    "cube-level-set-linf",
    noises=("exp-linf", "pow-linf"),
    norms=(Linf,),
    method=Method.LEVEL_SET,
    citation="yang2020",
    tight=True,
    sound=False,  # along the diagonal only, which is not known to be worst
    condition="an upper bound: shifts along the diagonal",
    accuracy=1e-13,
)
def cube_level_set_linf(noise: Cube, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """No R is larger: the level-set radius along (1,…,1)."""
    shift, error = _along(noise.profile, True)(rho)
    return noise.scale * shift, noise.scale * error


def two_sided_radius(noise: Shaped, rho: Array) -> tuple[Array, Array]:
    """λ J(2(1-ρ)), for a score that is ±ψ'(r) with equal chances."""
    radius, error = reciprocal_integral(noise.profile)(2 * (1 - rho), 2 * rho - 1)
    return _certain(noise.profile, rho, noise.scale * radius), noise.scale * error


def _certain(profile: Any, rho: Array, radius: Array) -> Array:
    return np.where((rho == 1) & profile.score_is_bounded, np.inf, radius)
