"""f(r) = (1 + r^k)^-a: heavy tails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special as sp

from smoothing.noise import check_range
from smoothing.profiles.base import Array, Profile
from smoothing.profiles.exponential import log_gamma_draw
from smoothing.profiles.split import best_split
from smoothing.special import log_gamma_ratio

if TYPE_CHECKING:
    import torch

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True)
class Power(Profile):
    """r^k ~ BetaPrime(dim/k, a - dim/k). Score ψ'(r) = a k r^(k-1) / (1 + r^k), for k > 0 and a > dim/k.

    Inside, the radius is carried as y = r^k / (1 + r^k) ~ Beta(α, β), α = dim/k, β = a - dim/k.
    """

    k: float = 1.0
    a: float = math.nan
    prefix: ClassVar[str] = "pow"

    def __post_init__(self) -> None:

        check_range("k", self.k, 0)
        check_range("a", self.a, self.dim / self.k)

    @property
    def parameters(self) -> dict[str, float]:
        return {"k": self.k, "a": self.a}

    @property
    def alpha(self) -> float:
        return self.dim / self.k

    @property
    def beta(self) -> float:
        return self.a - self.dim / self.k

    def log_moment(self, s: float) -> float:
        if s <= -self.dim or s >= self.k * self.beta:
            return math.inf
        return float(log_gamma_ratio(self.alpha, s / self.k) + log_gamma_ratio(self.beta, -s / self.k))

    @property
    def log_mass(self) -> float:
        return float(sp.betaln(self.alpha, self.beta)) - math.log(self.k)

    def potential(self, r: Any, xp: Any) -> Any:
        return self.a * xp.log1p(r**self.k)

    def sample_log(self, n: int, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
        above = log_gamma_draw(self.alpha, n, generator, device)
        below = log_gamma_draw(self.beta, n, generator, device)
        return (above - below) / self.k

    def cdf(self, r: Array) -> Array:
        power = np.asarray(r) ** self.k
        return np.where(
            power < 1,
            sp.betainc(self.alpha, self.beta, power / (1 + power)),
            sp.betaincc(self.beta, self.alpha, 1 / (1 + power)),
        )

    def quantile(self, w: Array) -> Array:
        y, z = self._beta_quantile(w)
        return (y / z) ** (1 / self.k)

    def _beta_quantile(self, w: Array) -> tuple[Array, Array]:
        """(y, 1-y) at upper mass Φ_N(-w), each from the side that is exact."""
        lower, upper = sp.ndtr(w), sp.ndtr(-w)
        y = np.where(
            w < 0,
            sp.betaincinv(self.alpha, self.beta, lower),
            sp.betainccinv(self.alpha, self.beta, upper),
        )
        z = np.where(
            w < 0,
            sp.betainccinv(self.beta, self.alpha, lower),
            sp.betaincinv(self.beta, self.alpha, upper),
        )
        return y, z

    @property
    def score_is_integrable(self) -> bool:
        return True

    @property
    def score_is_bounded(self) -> bool:
        return self.k >= 1

    @property
    def mean_score(self) -> float:
        ratio = log_gamma_ratio(self.alpha, 1 - 1 / self.k) + log_gamma_ratio(self.beta, 1 / self.k)
        if self.dim == 1:  # α = 1/k: Γ(1) stands where the general form has Γ(α + 1 - 1/k)
            ratio = -sp.gammaln(self.alpha) + log_gamma_ratio(self.beta, 1 / self.k)
        return float(self.k * np.exp(ratio))

    def _upper(self, y: Array, z: Array) -> Array:
        """E[ψ'(r); Beta variable ≥ y]: the score tilts (α, β) to (α + 1 - 1/k, β + 1/k)."""
        alpha, beta = 1 + (self.dim - 1) / self.k, self.beta + 1 / self.k
        tail = np.where(y < z, sp.betaincc(alpha, beta, y), sp.betainc(beta, alpha, z))
        return self.mean_score * tail

    def _lower(self, y: Array, z: Array) -> Array:
        alpha, beta = 1 + (self.dim - 1) / self.k, self.beta + 1 / self.k
        tail = np.where(y < z, sp.betainc(alpha, beta, y), sp.betaincc(beta, alpha, z))
        return self.mean_score * tail

    def _score(self, y: Array, z: Array) -> Array:
        """ψ' = a k y^(1 - 1/k) z^(1/k) at r^k = y/z."""
        with np.errstate(divide="ignore"):
            return self.a * self.k * y ** (1 - 1 / self.k) * z ** (1 / self.k)

    def upper_score(self, w: Array) -> Array:
        if self.k <= 1:  # ψ' decreases: the inside of a ball
            return self._lower(*self._beta_quantile(-w))
        # ψ' rises, then falls: a shell with mass s inside it and 1 - q - s outside, equal scores on its faces.
        return best_split(self._shell_gain, self._shell_value, w, sp.ndtr(w))

    def _at(self, s: Array) -> tuple[Array, Array]:
        """The point with mass s below it."""
        return self._beta_quantile(sp.ndtri(np.clip(s, 0, 1)))

    def _above(self, s: Array) -> tuple[Array, Array]:
        """The point with mass s above it."""
        return self._beta_quantile(-sp.ndtri(np.clip(s, 0, 1)))

    def _shell_gain(self, s: Array, w: Array) -> Array:
        return self._score(*self._above(sp.ndtr(w) - s)) - self._score(*self._at(s))

    def _shell_value(self, s: Array, w: Array) -> Array:
        q, outside = sp.ndtr(-w), sp.ndtr(w) - s
        inner, outer = self._at(s), self._above(outside)
        near = self._lower(*outer) - self._lower(*inner)  # exact where little mass lies inside
        far = self._upper(*inner) - self._upper(*outer)  # exact where little mass lies outside
        # A thin shell in the bulk: both differences cancel, but the quantile is smooth across it.
        nodes = s[..., None] + 0.5 * q[..., None] * (1 + _NODES)
        thin = 0.5 * q * (_WEIGHTS * self._score(*self._at(nodes))).sum(axis=-1)
        return np.where(np.minimum(s, outside) > 20 * q, thin, np.where(s < outside, near, far))
