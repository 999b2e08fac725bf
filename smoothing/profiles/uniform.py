"""f(r) = 1[r ≤ 1]: the uniform law on the body."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special as sp

from smoothing.profiles.base import Array, Profile

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Uniform(Profile):
    """r^dim is uniform on [0, 1]. The score is a boundary measure: Φ comes from the geometry, not from here."""

    prefix: ClassVar[str] = "uniform"

    @property
    def parameters(self) -> dict[str, float]:
        return {}

    def log_moment(self, s: float) -> float:
        return math.log(self.dim / (self.dim + s)) if s > -self.dim else math.inf

    @property
    def log_mass(self) -> float:
        return -math.log(self.dim)

    def potential(self, r: Any, xp: Any) -> Any:
        return xp.where(r <= 1, xp.zeros_like(r), xp.full_like(r, math.inf))

    def sample_log(self, n: int, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
        import torch

        # log of a uniform is minus an exponential variate.
        draw = torch.empty(n, dtype=torch.float64, device=device).exponential_(generator=generator)
        return draw / -self.dim

    def cdf(self, r: Array) -> Array:
        return np.clip(r, 0, 1) ** self.dim

    def quantile(self, w: Array) -> Array:
        return np.exp(sp.log_ndtr(w) / self.dim)
