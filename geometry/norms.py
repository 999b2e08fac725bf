"""The norms of adversaries: ℓ1, ℓ2, ℓ∞ and every ℓp between, with the special cases as types.

``lp(p)`` picks the type, so that a theorem about ℓ1 is dispatched on ``L1`` and never on ``p == 1``:

>>> lp(1), lp(float("inf")), lp(2), lp(3)
(L1(), Linf(), L2(), Lp(p=3.0))
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from geometry.errors import InputError

Array = NDArray[np.float64]

# Vertex lists are for pictures and proofs in small dimensions; beyond this many they are refused.
MAX_VERTICES = 1 << 20


@dataclass(frozen=True)
class Norm(ABC):
    """A norm on R^d, for every d at once; its unit ball is the adversary.

    Contract: ``p`` (the exponent), ``value``, ``dual``, ``vertices``, ``direction``, ``log_volume``.
    """

    @property
    def exponent(self) -> float:
        """The p of ℓp, in [1, inf]; InputError for a norm that is none of them."""
        raise InputError(f"{type(self).__name__} is no lp norm: it has no exponent")

    @property
    def name(self) -> str:
        """What users type: ``l1``, ``l2``, ``linf``, ``lp:p=3``."""
        return f"lp:p={number(self.exponent)}"

    def __str__(self) -> str:
        return self.name

    @property
    def dual(self) -> Norm:
        """The norm of linear functionals: ℓq with 1/p + 1/q = 1."""
        p = self.exponent
        return lp(math.inf) if p == 1 else lp(1 if math.isinf(p) else p / (p - 1))

    def value(self, x: ArrayLike) -> Array:
        """‖x‖ over the last axis; shape (..., d) to (...)."""
        x = np.asarray(x, dtype=np.float64)
        with np.errstate(over="ignore", under="ignore"):
            found = np.asarray(np.linalg.vector_norm(x, ord=self.exponent, axis=-1))
        lost = (found == 0) | np.isinf(found)
        if lost.any():  # powers that left the range of floats, unless x itself did
            rows = x[lost] if x.ndim > 1 else x[None]
            largest = np.abs(rows).max(axis=-1, keepdims=True)
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                scaled = largest[:, 0] * np.linalg.vector_norm(rows / largest, ord=self.exponent, axis=-1)
            scaled = np.where(np.isfinite(largest[:, 0]) & (largest[:, 0] > 0), scaled, largest[:, 0])
            found = found.copy()
            found[lost] = scaled
        return found

    def vertices(self, dim: int) -> Array | None:
        """The vertices of the unit ball, shape (count, dim), or None where every boundary point is extreme."""
        return None

    @abstractmethod
    def direction(self, dim: int) -> Array:
        """The canonical extreme point of the unit ball, shape (dim,): the worst shift for symmetric noise.

        By the symmetries of the ball it stands for all vertices of a polytope ball, and for all points of a
        round one against spherical noise.
        """

    def shrinkage(self, target: Norm, dim: int) -> float:
        """The largest c such that the target's ball of radius c lies in this unit ball."""
        try:
            q = target.exponent
        except InputError:
            vertices = target.vertices(dim)  # of a polytope: its farthest vertex decides
            assert vertices is not None
            return 1 / float(self.value(vertices).max())
        return dim ** min(0.0, 1 / q - 1 / self.exponent)

    def log_volume(self, dim: int) -> float:
        """log Vol of the unit ball: d log(2 Γ(1+1/p)) - log Γ(1+d/p). Any dim ≥ 1."""
        inverse = 1 / self.exponent
        return float(dim * (math.log(2) + gammaln(1 + inverse)) - gammaln(1 + dim * inverse))


@dataclass(frozen=True)
class L1(Norm):
    """ℓ1: the sum of absolute values; its ball is the cross-polytope."""

    exponent = 1.0
    name = "l1"

    def vertices(self, dim: int) -> Array:
        _check_count(2 * dim)
        return np.concatenate([np.eye(dim), -np.eye(dim)])

    def direction(self, dim: int) -> Array:
        return _first_axis(dim)


@dataclass(frozen=True)
class L2(Norm):
    """ℓ2: the Euclidean length."""

    exponent = 2.0
    name = "l2"

    def direction(self, dim: int) -> Array:
        return _first_axis(dim)


@dataclass(frozen=True)
class Linf(Norm):
    """ℓ∞: the largest absolute value; its ball is the cube."""

    exponent = math.inf
    name = "linf"

    def vertices(self, dim: int) -> Array:
        _check_count(2**dim)
        bits = np.arange(2**dim)[:, None] >> np.arange(dim) & 1
        return np.where(bits, -1.0, 1.0)

    def direction(self, dim: int) -> Array:
        return np.ones(dim)


@dataclass(frozen=True)
class Lp(Norm):
    """ℓp for 1 < p < ∞, p ≠ 2; make it with ``lp(p)``, which knows the special cases."""

    p: float

    def __post_init__(self) -> None:
        if not 1 < self.p < math.inf or self.p == 2:
            raise InputError(
                f"Lp takes 1 < p < inf and p != 2, got p={self.p}; lp(p) gives the special cases"
            )

    @property
    def exponent(self) -> float:
        return self.p

    def direction(self, dim: int) -> Array:
        # Against rotationally symmetric noise the longest vectors of the ball are worst.
        return _first_axis(dim) if self.p < 2 else np.full(dim, dim ** (-1 / self.p), dtype=np.float64)


def lp(p: float) -> Norm:
    """The ℓp norm: ``L1()``, ``L2()``, ``Linf()`` for 1, 2, inf, else ``Lp(p)``. InputError unless p ≥ 1."""
    p = float(p)
    if not p >= 1:
        raise InputError(f"p must be at least 1 for a norm, got p={p}")
    return {1.0: L1(), 2.0: L2(), math.inf: Linf()}.get(p) or Lp(p)


def shrinkage(source: Norm, target: Norm, dim: int) -> float:
    """The largest c such that the target's ball of radius c lies in the source's unit ball: d^min(0, 1/q - 1/p) for ℓp
    and ℓq."""
    return source.shrinkage(target, dim)


def parse_norm(text: str | Norm) -> Norm:
    """The norm that a user means by ``l1``, ``l2``, ``linf`` or ``lp:p=3``; a Norm passes through."""
    if isinstance(text, Norm):
        return text
    known = {"l1": L1(), "l2": L2(), "linf": Linf()}
    if text in known:
        return known[text]
    if text.startswith("lp:p="):
        try:
            return lp(float(text.removeprefix("lp:p=")))
        except InputError:
            raise
        except ValueError:
            pass
    raise InputError(f"unknown norm {text!r}; known: l1, l2, linf, lp:p=NUMBER (such as lp:p=3)")


def number(value: float) -> str:
    """The shortest text that reads back as exactly this float: ``3``, ``0.1``, ``1e-07``."""
    return repr(float(value)).removesuffix(".0")


def _first_axis(dim: int) -> Array:
    e1 = np.zeros(dim)
    e1[0] = 1.0
    return e1


def _check_count(count: int) -> None:
    if count > MAX_VERTICES:
        raise InputError(
            f"the ball has {count} vertices, more than the {MAX_VERTICES} that are listed; use direction"
        )
