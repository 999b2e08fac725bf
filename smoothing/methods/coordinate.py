"""The level-set method in one dimension: product noise along an axis.

Let X have the even density exp(-φ(|x|)) on the line, φ increasing. Along e₁ the likelihood ratio of a product of such
laws is that of its first coordinate.

φ convex: the likelihood ratio of two shifted copies is monotone, the best sets are half-lines, and R is the quantile
of X at ρ.

φ concave on the half-line (heavy tails): log q(x-e) - log q(x) rises from -(φ(e) - φ(0)) at 0 to φ(e) - φ(0) at e and
falls towards 0 beyond, on both sides. So {L > τ} = (e-u, e+w), and {L < -τ} is its mirror image (-w, u), where

    φ(e-u) - φ(u) = τ = φ(e+w) - φ(w),    0 < u < e/2,  w > 0.

The best τ gives (-w, u) the mass 1/2, which is P(|X| > w) = P(|X| < u), and 1 - ρ is the mass of (e-u, e+w).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.neyman_pearson import RatioLaw
from smoothing.special import gauss_legendre

Array = NDArray[np.float64]

_NODES, _WEIGHTS = gauss_legendre(20)


class HeavyTail(ABC):
    """The law of |X|, with φ concave."""

    @abstractmethod
    def lower(self, x: Array) -> Array:
        """P(|X| < x), accurate where it is small."""

    @abstractmethod
    def upper(self, x: Array) -> Array:
        """P(|X| > x), accurate where it is small."""

    @abstractmethod
    def upper_quantile(self, mass: Array) -> Array:
        """The x with P(|X| > x) = ``mass``."""

    @abstractmethod
    def density(self, x: Array) -> Array:
        """The density of |X|."""

    @abstractmethod
    def rise(self, x: Array, step: Array) -> Array:
        """φ(x + step) - φ(x) for step ≥ 0, accurate where it is small."""

    def between(self, left: Array, width: Array) -> Array:
        """P(left < |X| < left + width), accurate however narrow or far out the interval is."""
        right = left + width
        far = self.upper(left)
        difference = np.where(far < 0.5, far - self.upper(right), self.lower(right) - self.lower(left))
        # where the difference cancels, the density varies little, in the logarithm of x, on the interval
        cut = np.log1p(width / np.maximum(left, 1e-300))
        x = left[..., None] * np.exp(0.5 * cut[..., None] * (1 + _NODES))
        direct = 0.5 * cut * (x * self.density(x) * _WEIGHTS).sum(axis=-1)
        smooth = difference < 0.5 * np.minimum(far, self.lower(right))
        return np.where(smooth & (cut < 1.0), direct, difference)


@dataclass(frozen=True)
class Exponent(HeavyTail):
    """φ(x) = x^p, 0 < p < 1: |X|^p ~ Gamma(1/p)."""

    p: float

    def lower(self, x: Array) -> Array:
        return sp.gammainc(1 / self.p, x**self.p)

    def upper(self, x: Array) -> Array:
        return sp.gammaincc(1 / self.p, x**self.p)

    def upper_quantile(self, mass: Array) -> Array:
        return sp.gammainccinv(1 / self.p, mass) ** (1 / self.p)

    def density(self, x: Array) -> Array:
        return np.exp(-(x**self.p) - sp.gammaln(1 + 1 / self.p))

    def rise(self, x: Array, step: Array) -> Array:
        with np.errstate(all="ignore"):
            ratio = step / x
            power = x**self.p
            return np.where(
                ratio < 1e3, power * np.expm1(self.p * np.log1p(ratio)), (x + step) ** self.p - power
            )


@dataclass(frozen=True)
class Lomax(HeavyTail):
    """φ(x) = (a+1) log(1+x): P(|X| > x) = (1+x)^-a."""

    a: float

    def lower(self, x: Array) -> Array:
        return -np.expm1(-self.a * np.log1p(x))

    def upper(self, x: Array) -> Array:
        return np.exp(-self.a * np.log1p(x))

    def upper_quantile(self, mass: Array) -> Array:
        return np.expm1(-np.log(mass) / self.a)

    def density(self, x: Array) -> Array:
        return self.a * np.exp(-(self.a + 1) * np.log1p(x))

    def rise(self, x: Array, step: Array) -> Array:
        return (self.a + 1) * np.log1p(step / (1 + x))

    def between(self, left: Array, width: Array) -> Array:
        return self.upper(left) * -np.expm1(-self.a * np.log1p(width / (1 + left)))


class AlongCoordinate(RatioLaw):
    """The shifts of one heavy-tailed coordinate.

    Thresholds are measured by u/(e/2 - u) in place of τ; w(u) is such that (-w, u) has the mass 1/2.
    """

    def __init__(self, law: HeavyTail) -> None:
        self._law = law

    @property
    def typical(self) -> float:
        return float(self._law.upper_quantile(np.array([0.5]))[0])

    def _ends(self, e: Array, t: Array) -> tuple[Array, Array]:
        u = 0.5 * e * (t / (1 + t))
        with np.errstate(all="ignore"):
            return u, self._law.upper_quantile(self._law.lower(u))

    def middle(self, e: Array, tau: Array) -> Array:
        u, w = self._ends(e, tau)
        with np.errstate(all="ignore"):
            near, far = self._law.rise(u, e - 2 * u), self._law.rise(w, e)
            # relative, so that what is negligible is so at any scale
            value = (near - far) / (near + far)
        return np.where(u <= 0, 1.0, np.where(np.isnan(value), -1.0, value))

    def needed(self, e: Array, tau: Array, *, check: bool = False) -> tuple[Array, Array]:
        law = self._law
        u, w = self._ends(e, tau)
        inside = 0.5 * law.between(e - u, u + w)
        outside = 0.5 * (law.lower(e - u) + law.upper(e + w))
        return outside, np.where(outside < 0.25, 0.5 - outside, inside)
