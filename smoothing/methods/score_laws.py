"""Laws of a symmetric score S = <v, -∇log q(X)>: what the differential method asks of a noise.

Φ(p) = sup {E[S; U] : q(U) = p} is the upper partial expectation of S. By duality

    Φ(p) = min over s of E[(S - s)₊] + s p,

attained where P(S > s) = p. So every s gives an upper bound on Φ, hence a radius that is too small and never too
large, and a level s that is found to six digits gives Φ to twelve.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp
from scipy.optimize import elementwise

from smoothing.methods.differential import EDGES, ReciprocalIntegral

Array = NDArray[np.float64]


class ScoreLaw(ABC):
    """The law of a symmetric score. Masses come as normal scores: w stands for q = Φ_N(-w)."""

    @abstractmethod
    def upper(self, w: Array) -> Array:
        """T(q) = 2 Φ(q/2) = sup {E|S| over sets of mass q} at q = Φ_N(-w); if anything, too large."""

    @property
    def edges(self) -> Array | None:
        """Panel ends in w between which T is smooth, where the usual ones do not do."""
        return None

    @property
    def noise(self) -> float:
        """What T varies by, relatively, through rounding: finer structure is not looked for."""
        return 1e-14

    @property
    def is_bounded(self) -> bool:
        """Whether ∫ dq/T(q) diverges at q → 0, so that certainty (ρ = 1) certifies every radius."""
        return False

    @cached_property
    def _integral(self) -> ReciprocalIntegral:
        return ReciprocalIntegral(self.upper, self.edges, self.noise)

    def radius(self, rho: Array) -> tuple[Array, Array]:
        """(R, bound on its error): R = ∫ from 1-ρ to 1/2 of dp/Φ(p), for ρ in (1/2, 1]."""
        value, error = self._integral(2 * (1 - rho), 2 * rho - 1)
        return np.where((rho == 1) & self.is_bounded, np.inf, value), error


@dataclass(frozen=True)
class NormalScore(ScoreLaw):
    """S ~ N(0, 1): T(q) = 2 φ_N(Φ_N⁻¹(q/2))."""

    def upper(self, w: Array) -> Array:
        half = sp.log_ndtr(-w) - np.log(2)
        return np.sqrt(2 / np.pi) * np.exp(-0.5 * sp.ndtri_exp(half) ** 2)

    @property
    def is_bounded(self) -> bool:
        return True


@dataclass(frozen=True)
class ConstantScore(ScoreLaw):
    """|S| = size: a fair sign, as Laplace noise has it along an axis. T(q) = size · q."""

    size: float = 1.0

    def upper(self, w: Array) -> Array:
        return self.size * sp.ndtr(-w)

    @property
    def is_bounded(self) -> bool:
        return True


@dataclass(frozen=True)
class BoundaryScore(ScoreLaw):
    """The limit that uniform laws are: all of the score in a null set, Φ the same at every p."""

    phi: float

    def upper(self, w: Array) -> Array:
        return np.full_like(w, 2 * self.phi)


class TailLaw(ScoreLaw):
    """A score given by P(S > s) and E[(S - s)₊] on s ≥ 0; quantiles are found here.

    Contract of a final class: ``tail``, ``excess``, ``size`` (a level of the order of E|S|).
    """

    @abstractmethod
    def tail(self, s: Array) -> Array:
        """P(S > s) for s > 0 of shape (n,)."""

    @abstractmethod
    def excess(self, s: Array) -> Array:
        """E[(S - s)₊] for s ≥ 0 of shape (n,)."""

    @property
    def noise(self) -> float:
        return 1e-12

    @property
    @abstractmethod
    def size(self) -> float:
        """A level of the order of E|S|."""

    def upper(self, w: Array) -> Array:
        flat = np.asarray(w, dtype=np.float64).ravel()
        level = self._level(flat)
        return (2 * self.excess(level) + level * sp.ndtr(-flat)).reshape(np.shape(w))

    def _level(self, w: Array) -> Array:
        """s with P(S > s) = Φ_N(-w)/2, to 1e-11: bracketed by the table."""
        at, log_level = self._table
        place = np.clip(np.searchsorted(at, w), 1, len(at) - 1)
        y = self._root(
            w, np.maximum(log_level[place - 1] - 1e-6, self._floor), log_level[place] + 1e-6, 1e-11
        )
        return np.where(y <= self._floor, 0.0, np.exp(y))

    @property
    def _floor(self) -> float:
        """log of a level that is as good as zero."""
        return float(np.log(1e-10 * self.size))

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """log s on a grid of w."""
        low, high = self._floor, np.log(self.size)
        while self.tail(np.exp(np.array([high])))[0] > 1e-18:
            high += 0.7
        at = np.arange(-12.5, 8.6, 0.15)
        y = self._root(at, np.full_like(at, low), np.full_like(at, high), 1e-13)
        return at, np.maximum.accumulate(y)

    def _root(self, w: Array, low: Array, high: Array, tolerance: float) -> Array:
        """log s with P(S > s) = Φ_N(-w)/2 between ``low`` and ``high``, or the nearer end."""

        def missed(y: Array, w: Array) -> Array:
            return normal_score(2 * self.tail(np.exp(y))) - w

        low_value, high_value = missed(low, w), missed(high, w)
        found = elementwise.find_root(
            missed, (low, high), args=(w,), tolerances={"xatol": tolerance, "fatol": 1e-13}, maxiter=60
        )
        inside = (low_value < 0) & (high_value > 0) & np.isfinite(found.x)
        return np.where(inside, found.x, np.where(low_value >= 0, low, high))


def normal_score(q: Array) -> Array:
    """w with Φ_N(-w) = q, finite everywhere."""
    return np.clip(-sp.ndtri(np.clip(q, 0, 1)), -40, 40)


def panel_ends(*corners: Array) -> Array:
    """The usual panel ends in w and the corners, each once."""
    every = np.unique(np.clip(np.concatenate([EDGES, *corners]), EDGES[0], EDGES[-1]))
    return every[np.concatenate([[True], np.diff(every) > 1e-9])]


def graded(first: float) -> Array:
    """Panel ends that close in on a corner from the right, where T behaves like a root."""
    return first + np.append(0.6 * 0.25 ** np.arange(14.0), 0.0)
