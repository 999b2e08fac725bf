"""The contract of a radial profile f: the law of the radius, and of the radial score ψ'(r), ψ = -log f."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from smoothing.methods.differential import ReciprocalIntegral

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Profile(ABC):
    """The radial law with density ∝ r^(dim-1) f(r) on r > 0, in units of λ.

    Tail masses come as normal scores: ``w`` stands for the upper mass q = Φ_N(-w), so that q and 1 - q are both
    exact in relative terms, from 1e-300 to 1 - 1e-300.
    """

    dim: int
    prefix: ClassVar[str]

    @property
    @abstractmethod
    def parameters(self) -> dict[str, float]:
        """The parameters as users type them."""

    @abstractmethod
    def log_moment(self, s: float) -> float:
        """log E r^s; inf where it diverges."""

    @property
    @abstractmethod
    def log_mass(self) -> float:
        """log ∫ r^(dim-1) f(r) dr: with log(dim · Vol of the body) it normalises the density."""

    @abstractmethod
    def potential(self, r: Any, xp: Any) -> Any:
        """ψ(r) = -log f(r), elementwise in the array namespace ``xp``."""

    @abstractmethod
    def sample_log(self, n: int, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
        """log r of n draws, float64: the logarithm never overflows, however small k is."""

    def sample_lengths(
        self, n: int, scale: float, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, float]:
        """Float64 and a factor whose products are ``scale`` times n radii, on CPU: by few operations where possible.

        What is no float64 comes as 0 or inf.
        """
        import torch

        log_r = self.sample_log(n, generator, torch.device("cpu"))
        return log_r.add_(math.log(scale)).exp_(), 1.0

    @abstractmethod
    def cdf(self, r: Array) -> Array:
        """P(radius ≤ r)."""

    @abstractmethod
    def quantile(self, w: Array) -> Array:
        """The radius whose upper tail has mass Φ_N(-w)."""

    @property
    def score_is_integrable(self) -> bool:
        """Whether E ψ'(r) is finite and the density weakly differentiable, as the differential method needs."""
        return False

    @property
    def score_is_bounded(self) -> bool:
        """Whether ∫ dq/T(q) diverges at q → 0, so that certainty (ρ = 1) certifies every radius."""
        return False

    @property
    def score_is_resolved(self) -> bool:
        """Whether ``upper_score`` is accurate down to masses of 1e-17: no quantile that it needs underflows."""
        return True

    @property
    def mean_score(self) -> float:
        """E ψ'(r) = (dim-1) E[1/r]."""
        raise NotImplementedError(f"{type(self).__name__} has no integrable radial score")

    def upper_score(self, w: Array) -> Array:
        """T(q) = sup {E[ψ'(r); A] : P(A) = q} at q = Φ_N(-w): the upper partial expectation of the score."""
        raise NotImplementedError(f"{type(self).__name__} has no integrable radial score")


@lru_cache(maxsize=256)
def reciprocal_integral(profile: Profile) -> ReciprocalIntegral:
    """J of the radial score, tabulated once per profile: it serves the cube and the cross-polytope alike.

    Where the best sets are not resolved in floating point, T(1) bounds T, and J is the linear (1 - q₀) / T(1).
    """
    if profile.score_is_resolved:
        return ReciprocalIntegral(profile.upper_score)
    return ReciprocalIntegral(lambda w: np.full_like(w, profile.mean_score))
