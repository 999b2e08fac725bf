"""Uniform noise on a body of ``geometry`` in small dimension: crystals as smoothing distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geometry.bodies import Polytope, Zonotope
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, Lp, Norm
from geometry.overlap import OverlapCurve
from smoothing.noise import ArrayOrTensor, Noise, namespace
from smoothing.theorems import Lead, Method, theorem

if TYPE_CHECKING:
    import torch

    from smoothing.draws import Source

Array = NDArray[np.float64]
MOST_DIMENSIONS = 6
BODIES = ("cross-polytope", "cube", "wulff-l1", "wulff-linf")


@lru_cache(maxsize=32)
def _build(name: str, dim: int) -> Polytope | Zonotope:
    from geometry.crystals import MOST_EXPLICIT, crystal_generators, explicit
    from geometry.parsing import NAMED

    if name == "wulff-linf" and dim > MOST_EXPLICIT:  # 94 572 vertices at dim = 6
        return Zonotope(crystal_generators(Linf(), dim))
    return explicit(NAMED[name](dim))


@dataclass(frozen=True, kw_only=True)
class Body(Noise):
    """q(x) ∝ 1[x/λ ∈ S] for a polytope S, named as in ``body:wulff-linf``; dim ≤ 6."""

    name: str

    family = "body"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in BODIES:
            raise InputError(f"unknown body {self.name!r}; known: {', '.join(BODIES)}")
        if self.dim > MOST_DIMENSIONS:
            raise InputError(
                f"body noise works by vertices and facets, for dim <= {MOST_DIMENSIONS}; got dim {self.dim}. "
                "In any dimension: uniform-linf (the cube), uniform-l2, uniform-l1"
            )

    @property
    def spec(self) -> str:
        return f"body:{self.name}"

    @property
    def body(self) -> Polytope | Zonotope:
        """S, at λ = 1."""
        return _build(self.name, self.dim)

    @property
    def log_unit_sigma(self) -> float:
        return 0.5 * math.log(self.body.mean_square / self.dim)

    def _log_density(self, x: ArrayOrTensor) -> ArrayOrTensor:
        xp = namespace(x)
        facets = xp.asarray(self.body.facets.T, dtype=x.dtype)
        gauge = xp.max(abs((x / self.scale) @ facets), axis=-1)  # symmetric bodies: both facets of a pair
        inside = -float(self.body.log_volume) - self.dim * math.log(self.scale)
        return xp.where(gauge <= 1, xp.full_like(gauge, inside), xp.full_like(gauge, -math.inf))

    def _fill(self, out: torch.Tensor, source: Source) -> None:
        import torch

        if isinstance(self.body, Zonotope):
            seed = int(torch.randint(1 << 62, (), generator=source.generator, device=out.device))
            out.copy_(torch.from_numpy(self.scale * self.body.sample(len(out), seed=seed)))
            return
        # A cone over a boundary simplex by its volume, then a point of it: Dirichlet weights, one for the origin.
        cones = torch.as_tensor(self.body.cones, device=out.device)
        simplices = torch.as_tensor(self.body.simplices * self.scale, dtype=out.dtype, device=out.device)
        which = torch.multinomial(cones, len(out), replacement=True, generator=source.generator)
        weights = torch.empty(len(out), self.dim + 1, dtype=out.dtype, device=out.device)
        source.exponential_(weights)
        weights = weights[:, 1:] / weights.sum(dim=1, keepdim=True)
        out.copy_(torch.einsum("nv,nvd->nd", weights, simplices[which]))


@lru_cache(maxsize=64)
def _fastest_loss(name: str, dim: int, norm: Norm) -> float:
    from geometry.largest_shadow import largest_shadow

    return float(largest_shadow(_build(name, dim), norm).value.upper)


@theorem(
    "body-uniform",
    noises="body",
    norms=(L1, L2, Linf, Lp),
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    accuracy=1e-12,
)
def body_uniform(noise: Body, norm: Norm, rho: Array) -> Array:
    """R = λ (ρ-1/2) / max over v in the adversary's ball of ‖v‖₂ Vol(Π_v S) / Vol(S).

    Vol((S + rv) \\ S) grows at most linearly in r for convex S, with the shadow along v as its slope.
    """
    return noise.scale * (rho - 0.5) / _fastest_loss(noise.name, noise.dim, norm)


@lru_cache(maxsize=32)
def _overlap(name: str, dim: int, norm: Norm) -> OverlapCurve:
    body = _build(name, dim)
    assert isinstance(body, Polytope)
    return OverlapCurve(body, norm.direction(dim))


@theorem(
    "body-overlap",
    noises="body",
    norms=(L1, Linf),
    method=Method.LEVEL_SET,
    lead=Lead.DISTANCE,
    citation="yang2020",
    tight=True,
    accuracy=1e-12,
    condition="for the linf crystal dim <= 5",
    when=lambda noise, norm: isinstance(noise.body, Polytope),
)
def body_overlap(noise: Body, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """R is the least r at which S and S + r v share 3/2-ρ of their volume, v a vertex of the adversary's ball.

    The shares are 1/d-concave in v, so the vertices are worst; the named bodies are invariant under signed
    permutations of the coordinates, which makes the vertices equal.
    """
    shift, error = _overlap(noise.name, noise.dim, norm).radius(rho - 0.5)
    return noise.scale * shift, noise.scale * error
