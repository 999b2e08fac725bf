"""f(r) = r^-j exp(-r^k): light tails of every weight; j adds a peak at the origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special as sp

from smoothing.noise import check_range
from smoothing.profiles.base import Array, Profile
from smoothing.profiles.split import NEGLIGIBLE, best_split
from smoothing.special import log_gamma_ratio

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Exponential(Profile):
    """r^k ~ Gamma((dim - j)/k). Score ψ'(r) = j/r + k r^(k-1), for k > 0 and 0 ≤ j < dim."""

    k: float = 1.0
    j: float = 0.0
    prefix: ClassVar[str] = "exp"

    def __post_init__(self) -> None:
        check_range("k", self.k, 0)
        check_range("j", self.j, 0, self.dim, closed=True)

    @property
    def parameters(self) -> dict[str, float]:
        return {"k": self.k, "j": self.j}

    @property
    def gamma_shape(self) -> float:
        """The shape of the Gamma law of r^k."""
        return (self.dim - self.j) / self.k

    def log_moment(self, s: float) -> float:
        if s <= self.j - self.dim:
            return math.inf
        return self._log_ratio(s)

    def _log_ratio(self, s: float) -> float:
        """log Γ((d-j+s)/k) - log Γ((d-j)/k). Near the last j its first argument is small, and must be exact."""
        tilted = self._tilted(s)
        if tilted > 0.5:
            return float(log_gamma_ratio(self.gamma_shape, s / self.k))
        return float(log_gamma_ratio(self.gamma_shape, tilted + 1 - self.gamma_shape)) - math.log(tilted)

    def _tilted(self, s: float) -> float:
        """(d-j+s)/k for a whole s: its numerator is exact where it is small."""
        return ((self.dim + s) - self.j) / self.k

    @property
    def log_mass(self) -> float:
        return float(sp.gammaln(self.gamma_shape)) - math.log(self.k)

    def potential(self, r: Any, xp: Any) -> Any:
        return r**self.k + (self.j * xp.log(r) if self.j else 0.0)

    def sample_log(self, n: int, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
        return log_gamma_draw(self.gamma_shape, n, generator, device) / self.k

    def sample_lengths(
        self, n: int, scale: float, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, float]:
        shape = self.gamma_shape
        if shape < 1:
            return super().sample_lengths(n, scale, generator)
        return gamma_draw(shape, n, generator).div_(shape).pow_(1 / self.k), power_factor(
            scale, shape, self.k
        )

    def cdf(self, r: Array) -> Array:
        r = np.asarray(r)
        u = r**self.k
        near = np.minimum(r, 1.0) ** (self.dim - self.j) / sp.gamma(min(self.gamma_shape, 20.0) + 1)
        return np.where((u < 1e-20) & (self.gamma_shape < 20), near, sp.gammainc(self.gamma_shape, u))

    def quantile(self, w: Array) -> Array:
        u = self._power_quantile(w)
        # F(u) = u^a / Γ(a+1) · (1 - O(u)): where u is below rounding, or underflows, r itself need not
        near = np.minimum(sp.ndtr(w) * sp.gamma(min(self.gamma_shape, 20.0) + 1), 1.0) ** (
            1 / (self.dim - self.j)
        )
        return np.where((u < 1e-20) & (self.gamma_shape < 20), near, u ** (1 / self.k))

    def _power_quantile(self, w: Array) -> Array:
        """r^k at upper mass Φ_N(-w), from the side that is exact."""
        a, w, u = self.gamma_shape, np.asarray(w), np.empty(np.shape(w))
        upper = w > 0
        u[upper], u[~upper] = sp.gammainccinv(a, sp.ndtr(-w[upper])), sp.gammaincinv(a, sp.ndtr(w[~upper]))
        return u

    @property
    def score_is_integrable(self) -> bool:
        return self.j < self.dim - 1 or self.j == 0

    @property
    def score_is_bounded(self) -> bool:
        return self.j == 0 and self.k >= 1

    @property
    def score_is_resolved(self) -> bool:
        # At shape a a mass q near the origin reaches r^k ~ q^(1/a); at j = 0 and k >= 1 only the outside matters.
        return self.gamma_shape >= 0.1 or (self.j == 0 and self.k >= 1)

    @property
    def mean_score(self) -> float:
        return float(self.partial(np.zeros(()), upper=True))

    def partial(self, u: Array, *, upper: bool) -> Array:
        """E[ψ'(r); r^k ≥ u] or E[ψ'(r); r^k ≤ u]: each power of r tilts the Gamma law to another shape."""
        tail = sp.gammaincc if upper else sp.gammainc
        a, step = self.gamma_shape, 1 - 1 / self.k  # r^(k-1) tilts Gamma(a) to Gamma(a + 1 - 1/k)
        rise = 1 + self._tilted(-1)
        ratio = log_gamma_ratio(a, step) if self.dim > 1 else -sp.gammaln(a)
        total = self.k * np.exp(ratio) * tail(rise, u)
        if self.j:
            total = total + self.j * np.exp(self._log_ratio(-1)) * tail(self._tilted(-1), u)
        return total

    def _score(self, u: Array) -> Array:
        """ψ' at r^k = u."""
        with np.errstate(divide="ignore"):
            return self.j * u ** (-1 / self.k) + self.k * u ** (1 - 1 / self.k)

    def upper_score(self, w: Array) -> Array:
        if self.k >= 1 and self.j == 0:  # ψ' increases: the best set is the outside of a ball
            return self.partial(self._power_quantile(w), upper=True)
        if self.k <= 1:  # ψ' decreases: the inside
            return self.partial(self._power_quantile(-w), upper=False)
        # ψ' falls up to r^k = j / (k(k-1)), then rises. Where one of the two sides carries next to nothing, all of
        # it may be added to the best set of the other side: an upper bound on T, which is the sound direction.
        turn = np.asarray(self.j / (self.k * (self.k - 1)))
        inside, outside = self.partial(turn, upper=False), self.partial(turn, upper=True)
        if inside < NEGLIGIBLE * outside:
            return self.partial(self._power_quantile(w), upper=True) + inside
        if outside < NEGLIGIBLE * inside:
            return self.partial(self._power_quantile(-w), upper=False) + outside
        # Otherwise an inner ball of mass s and an outside of mass q - s, with equal scores on their faces.
        return best_split(self._split_gain, self._split_value, w, sp.ndtr(-w))

    def _faces(self, s: Array, w: Array) -> tuple[Array, Array]:
        a, outside = self.gamma_shape, sp.ndtr(-w) - s
        # for outside near 1 its complement 1 - q + s is the exact one
        outer = np.where(outside < 0.5, sp.gammainccinv(a, outside), sp.gammaincinv(a, sp.ndtr(w) + s))
        return sp.gammaincinv(a, s), outer

    def _split_gain(self, s: Array, w: Array) -> Array:
        inner, outer = self._faces(s, w)
        return self._score(inner) - self._score(outer)

    def _split_value(self, s: Array, w: Array) -> Array:
        inner, outer = self._faces(s, w)
        return self.partial(inner, upper=False) + self.partial(outer, upper=True)


def gamma_draw(shape: float, n: int, generator: torch.Generator | None) -> torch.Tensor:
    """n Gamma(shape) variates, float64, on CPU."""
    import torch

    return torch._standard_gamma(torch.full((n,), shape, dtype=torch.float64), generator=generator)


def power_factor(scale: float, mean: float, k: float) -> float:
    """scale · mean^(1/k): powers are taken of draws over their mean, so that they overflow last."""
    return math.exp(min(math.log(scale) + math.log(mean) / k, 700.0))


def log_gamma_draw(
    shape: float, n: int, generator: torch.Generator | None, device: torch.device
) -> torch.Tensor:
    """log of n Gamma(shape) variates, float64, exact down to shapes where the variate itself underflows.

    Gamma(a) = Gamma(a+1) · U^(1/a), taken in logarithms (Marsaglia and Tsang's boost).
    """
    import torch

    boosted = torch.full((n,), shape + 1.0, dtype=torch.float64, device=device)
    log_gamma = torch._standard_gamma(boosted, generator=generator).log_()
    uniform = torch.empty_like(log_gamma).exponential_(generator=generator)  # -log U
    return log_gamma - uniform / shape
