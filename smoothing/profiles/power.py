"""f(r) = (1 + r^k)^-a: heavy tails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special as sp

from smoothing.incomplete_beta import SMALL, beta_quantile, beta_tails, log_odds_density, mills_ratio
from smoothing.noise import check_range
from smoothing.profiles.base import Array, Profile
from smoothing.profiles.exponential import gamma_draw, log_gamma_draw, power_factor
from smoothing.profiles.split import NEGLIGIBLE, best_split
from smoothing.special import gauss_legendre, log_gamma_ratio

if TYPE_CHECKING:
    import torch

_NODES, _WEIGHTS = gauss_legendre(12)
_TINY = 1e-20


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
        """a - d/k, rounded once: near the least a it is the small difference of two large numbers."""
        return float(Fraction(self.a) - Fraction(self.dim) / Fraction(self.k))

    def log_moment(self, s: float) -> float:
        if s <= -self.dim or s >= self.k * self.beta:
            return math.inf
        return float(log_gamma_ratio(self.alpha, s / self.k) + log_gamma_ratio(self.beta, -s / self.k))

    @property
    def log_mass(self) -> float:
        return float(sp.betaln(self.alpha, self.beta)) - math.log(self.k)

    def potential(self, r: Any, xp: Any) -> Any:
        return self.a * xp.logaddexp(xp.zeros_like(r), self.k * xp.log(r))

    def sample_log(self, n: int, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
        above = log_gamma_draw(self.alpha, n, generator, device)
        below = log_gamma_draw(self.beta, n, generator, device)
        return (above - below) / self.k

    def sample_lengths(
        self, n: int, scale: float, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, float]:
        above, below = self.alpha, self.beta
        if min(above, below) < 1:
            return super().sample_lengths(n, scale, generator)
        odds = gamma_draw(above, n, generator).div_(gamma_draw(below, n, generator)).mul_(below / above)
        return odds.pow_(1 / self.k), power_factor(scale, above / below, self.k)

    def cdf(self, r: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            power = np.asarray(r, dtype=np.float64) ** self.k
            z = 1 / (1 + power)
            y = np.where(power < 1, power * z, 1 - z)
        return beta_tails(self.alpha, self.beta, y, z)[0]

    def quantile(self, w: Array) -> Array:
        below, above = sp.ndtr(w), sp.ndtr(-w)
        y, z = beta_quantile(self.alpha, self.beta, below, above)
        # P(Y ≤ y) = y^α / (α B(α, β)) · (1 + O(y)): where y or 1-y is below rounding, or underflows, r itself need not
        with np.errstate(all="ignore"):
            r = (y / z) ** (1 / self.k)
            near = np.exp((np.log(below) + self._log_edge(self.alpha)) / (self.alpha * self.k))
            far = np.exp((np.log(above) + self._log_edge(self.beta)) / (-self.beta * self.k))
        r = np.where((y < _TINY) & (self.alpha < 1), near, r)
        return np.where((z < _TINY) & (self.beta < 1), far, r)

    def _log_edge(self, shape: float) -> float:
        """log of shape · B(α, β)."""
        return math.log(shape) + float(sp.betaln(self.alpha, self.beta))

    @property
    def score_is_integrable(self) -> bool:
        return True

    @property
    def score_is_bounded(self) -> bool:
        return self.k >= 1

    @property
    def score_is_resolved(self) -> bool:
        # The faces of a shell reach r^k ~ q^(1/α) inside and q^(-1/β) outside.
        return self.k <= 1 or min(self.alpha, self.beta) >= 0.1

    @property
    def mean_score(self) -> float:
        ratio = log_gamma_ratio(self.alpha, 1 - 1 / self.k) + log_gamma_ratio(self.beta, 1 / self.k)
        if self.dim == 1:  # α = 1/k: Γ(1) stands where the general form has Γ(α + 1 - 1/k)
            ratio = -sp.gammaln(self.alpha) + log_gamma_ratio(self.beta, 1 / self.k)
        return float(self.k * np.exp(ratio))

    def _partial(self, mass: Array, rest: Array, *, inside: bool) -> Array:
        """E[ψ'(r); the ball of this mass], or the outside of one; ``rest`` = 1 - mass.

        The score tilts (α, β) to (α + 1 - 1/k, β + 1/k), and E[ψ'] times the tilted density of log r^k is ψ' times
        its density g. With M and M' the Mills ratios of the two laws at the float ŷ, the expectation over the
        smaller side is ψ' g M' and its mass is g M. As ŷ is rounded, that mass misses the one wanted by 1e-12 at
        large α. To first order ψ' g M' + ψ' (mass - g M) makes up for it; what is left is of the order of 1e-24, and
        errors of g enter damped by (M' - M)/M, which is small.
        """
        alpha, beta = 1 + (self.dim - 1) / self.k, self.beta + 1 / self.k
        lower, upper = (mass, rest) if inside else (rest, mass)
        y, z = beta_quantile(self.alpha, self.beta, lower, upper)
        below = lower < upper
        if min(self.alpha, self.beta, alpha, beta) < SMALL:  # here a rounded y does no harm
            tails = beta_tails(alpha, beta, y, z)
            return self.mean_score * tails[0 if inside else 1]
        smaller = np.maximum(np.minimum(lower, upper), 0)
        with np.errstate(all="ignore"):  # where the density underflows, so does what it corrects
            tilt = mills_ratio(alpha, beta, y, z, below) - mills_ratio(self.alpha, self.beta, y, z, below)
            tilt = log_odds_density(self.alpha, self.beta, y, z) * tilt
            tail = self._score(y, z) * (smaller + np.where(np.isfinite(tilt), tilt, 0.0))
        tail = np.where(smaller > 0, tail, 0.0)
        return np.where(below == inside, tail, self.mean_score - tail)

    def _score(self, y: Array, z: Array) -> Array:
        """ψ' = a k y^(1 - 1/k) z^(1/k) at r^k = y/z."""
        with np.errstate(divide="ignore"):
            return self.a * self.k * y ** (1 - 1 / self.k) * z ** (1 / self.k)

    def upper_score(self, w: Array) -> Array:
        if self.k <= 1:  # ψ' decreases: the inside of a ball
            return self._partial(sp.ndtr(-w), sp.ndtr(w), inside=True)
        # ψ' rises up to r^k = k - 1, then falls. As in the exponential profile, a side that carries next to nothing
        # is added whole to the best set of the other one.
        near, far = (np.asarray(mass) for mass in self._masses_at_peak)
        inside, outside = self._partial(near, far, inside=True), self._partial(far, near, inside=False)
        if outside < NEGLIGIBLE * inside:
            return self._partial(sp.ndtr(-w), sp.ndtr(w), inside=False) + outside
        if inside < NEGLIGIBLE * outside:
            return self._partial(sp.ndtr(-w), sp.ndtr(w), inside=True) + inside
        # Otherwise the best set is a shell, with equal scores on its faces. Of the rest of the mass,
        # 1 - q, the share on the side of the peak that holds less is what is searched for, so that it stays exact.
        value = best_split(self._shell_gain, self._shell_value, w, sp.ndtr(w))
        # A vanishing shell sits at the peak; against the mass m beside it, T = q ψ'_max (1 - O(q/m)²).
        beside = min(self._masses_at_peak)
        peak = self._score(np.asarray((self.k - 1) / self.k), np.asarray(1 / self.k))
        return np.where(sp.ndtr(-w) < 1e-8 * beside, sp.ndtr(-w) * peak, value)

    @cached_property
    def _masses_at_peak(self) -> tuple[float, float]:
        """The masses inside and outside of r^k = k - 1, where ψ' is largest."""
        inside = sp.betainc(self.alpha, self.beta, (self.k - 1) / self.k)
        return float(inside), float(sp.betainc(self.beta, self.alpha, 1 / self.k))

    @property
    def _peak_is_far(self) -> bool:
        inside, outside = self._masses_at_peak
        return outside < inside

    def _inner(self, mass: Array, rest: Array) -> tuple[Array, Array]:
        """The point with this mass below it, to SciPy's accuracy; ``rest`` = 1 - mass."""
        return beta_quantile(self.alpha, self.beta, mass, rest, polish=False)

    def _outer(self, mass: Array, rest: Array) -> tuple[Array, Array]:
        """The point with this mass above it, to SciPy's accuracy; ``rest`` = 1 - mass."""
        return beta_quantile(self.alpha, self.beta, rest, mass, polish=False)

    def _faces(self, s: Array, w: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """The shell's inner and outer face, with mass ``s`` on the peak's lighter side."""
        q, other = sp.ndtr(-w), sp.ndtr(w) - s
        if self._peak_is_far:
            return self._outer(s + q, other), self._outer(s, 1 - s)
        return self._inner(s, 1 - s), self._inner(s + q, other)

    def _shell_gain(self, s: Array, w: Array) -> Array:
        inner, outer = self._faces(s, w)
        gain = self._score(*outer) - self._score(*inner)
        return -gain if self._peak_is_far else gain

    def _shell_value(self, s: Array, w: Array) -> Array:
        q, other = sp.ndtr(-w), sp.ndtr(w) - s
        far = self._peak_is_far
        inside = not far
        difference = self._partial(s + q, other, inside=inside) - self._partial(s, 1 - s, inside=inside)
        # A shell that is thin against the mass beside it: the difference cancels, but the quantile is smooth.
        thin = s > 20 * q
        nodes = np.where(thin, s, 0.5)[..., None] + 0.5 * np.where(thin, q, 0.0)[..., None] * (1 + _NODES)
        side = self._outer if far else self._inner
        return np.where(
            thin, 0.5 * q * (_WEIGHTS * self._score(*side(nodes, 1 - nodes))).sum(axis=-1), difference
        )
