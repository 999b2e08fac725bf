"""The no-go ceiling: the largest ε that any (ε, s, ℓ)-useful smoothing scheme can have, with explicit constants.

A scheme is a family of densities q_x. It is (ε, s, ℓ)-useful against a norm (Yang et al. 2020, Definition 7.1) if

    ‖x-y‖ < ε and q_x(U) ≥ 1/2 + s imply q_y(U) ≥ 1/2 for every set U        (robustness),
    ‖x-y‖ ≥ 1 implies |q_x(U) - q_y(U)| ≥ ℓ for some set U                    (accuracy).

ℓ, here ``separation``, is a total variation: some classifier tells x from y and is right (1+ℓ)/2 of the time.

**Theorem.** For every norm, vectors x_1..x_n and whole m: with τ = τ(s) (``pairs``), S = Σ σ_j x_j,
π = P(‖S‖ ≥ mε), δ = 1 - (1 - mτ)(1 - π) and c (``spectrum``),

    δ ≥ ℓ c(A),      A = Σ_j ⌈1/(2‖x_j‖)⌉⁻².

An ε for which some choice violates this is excluded. The derivation is docs/derivations/nogo.md. A ceiling's safe side
is up: everything here rounds up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cotype.pairs import largest_variation
from cotype.spectrum import LARGEST_DEFECT, largest_load
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, Lp

Array = NDArray[np.float64]

TRIANGLE, SIGNS, NOTHING = "triangle inequality", "random signs", "nothing excluded"
_UP = 1 + 1e-12
_LEAST = 1e-13


class HasValue(Protocol):
    """All that a norm must have: ``value`` over the last axis."""

    def value(self, x: ArrayLike, /) -> Array: ...


@dataclass(frozen=True)
class Terms:
    """What every use of the theorem needs: s, ℓ, τ(s), and whether the plain inequality is asked for."""

    s: float
    separation: float
    variation: float
    plain: bool = False

    @property
    def steps(self) -> NDArray[np.int64]:
        """Values of m for which a load can force a defect above mτ: all of them up to 128, else that many."""
        most = math.ceil(LARGEST_DEFECT * self.separation / self.variation) - 1
        return np.arange(1, most + 1) if most <= 128 else np.linspace(0.2 * most, most, 128).astype(np.int64)

    def ceiling(self, epsilon: float, m: int, n: int, k: int, vectors: str) -> Ceiling:
        """One that random signs gave, rounded up."""
        return Ceiling(epsilon * _UP, SIGNS, self.s, self.separation, self.variation, m, n, k, vectors)


@dataclass(frozen=True)
class Ceiling:
    """No (ε, s, ℓ)-useful scheme has an ε above ``epsilon``: by ``method``, with these m, n and ``vectors``."""

    epsilon: float
    method: str
    s: float
    separation: float
    """ℓ"""
    variation: float
    """τ(s): the total variation that robustness leaves at distances below ε."""
    m: int = 0
    n: int = 0
    k: int = 0
    """⌈1/(2‖x_j‖)⌉, the largest over j."""
    vectors: str = ""


def ceiling(
    norm: HasValue,
    dim: int,
    s: float,
    separation: float,
    *,
    vectors: ArrayLike | None = None,
    unconditional: bool = False,
    even: bool = False,
    plain: bool = False,
) -> Ceiling:
    """The least ceiling that the triangle inequality and the theorem give.

    ``vectors``, at most 18 rows in R^dim, are taken at every scale, and as many of the first as is best. Without them:
    e_1..e_n where the norm is ℓp, in any dimension, else frames of R^dim, dim ≤ 18. ``unconditional``: the norm does
    not see the signs of coordinates, so that ‖Σ ±e_j‖ is one number and 4096 of them will do. ``even``: the ceiling of
    schemes q_x = q(· - x) with q(-z) = q(z), which is lower. ``plain``: with the coarser inequality of ``spectrum``.
    """
    if not 0 < separation <= 1:
        raise InputError(f"accuracy must be in (0, 1], a total variation; got {separation:g}")
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}")
    if not s >= _LEAST * separation:  # steps are counted, and 2^53 of them are where floats stop counting
        raise InputError(f"s must be at least {_LEAST:g} times the accuracy, got {s:g} and {separation:g}")
    terms = Terms(s, separation, float(largest_variation(s, even=even)), plain)
    found = [_triangle(terms)]
    if vectors is None and isinstance(norm, (L1, L2, Linf, Lp)):
        found += _lp(norm.exponent, dim, terms)
    else:
        from cotype.vectors import by_frames, by_rows, by_unconditional_axes

        if vectors is not None:
            found += by_rows(norm, dim, vectors, terms)
        else:
            found += (by_unconditional_axes if unconditional else by_frames)(norm, dim, terms)
    return min(found, key=lambda c: c.epsilon)


def lp_epsilon(p: float, dim: int, m: ArrayLike, defect: ArrayLike, *, plain: bool = False) -> Array:
    """ε ≤ n^{1/p} / (2mk) for whole k, n ≤ dim with n > A k², A the largest load that mτ/ℓ = ``defect`` allows.

    The vectors are e_j / (2k), and ‖S‖ = n^{1/p}/(2k) whatever the signs. Shape of m plus (k,): inf where n > dim.
    """
    load = np.asarray(largest_load(defect, plain=plain))
    most = int(math.sqrt(dim / load.min())) + 1 if np.isfinite(load).any() else 1
    k = np.arange(1, most + 1)
    with np.errstate(invalid="ignore"):
        n = np.floor(load[..., None] * k**2) + 1  # load is rounded up, so n is no less than it must be
        epsilon = n ** (1 / p) / (2.0 * k * np.asarray(m)[..., None])
    return np.where(n <= dim, epsilon, np.inf)


def _triangle(terms: Terms) -> Ceiling:
    """M steps shorter than ε make a distance of 1 if M > 1/ε, so Mτ ≥ ℓ: ε ≤ 1 / (⌈ℓ/τ⌉ - 1)."""
    s, separation, tau = terms.s, terms.separation, terms.variation
    steps = math.ceil(separation / tau * (1 - 1e-12)) - 1
    if steps < 1:
        return Ceiling(math.inf, NOTHING, s, separation, tau)
    bound = 1 / steps
    if Fraction(bound) * steps < 1:
        bound = math.nextafter(bound, math.inf)
    return Ceiling(bound, TRIANGLE, s, separation, tau, m=steps, n=1, vectors="a segment of length 1")


def _lp(p: float, dim: int, terms: Terms) -> list[Ceiling]:
    steps, found = terms.steps, []
    for _ in range(2):  # the second time between the neighbours of the best m
        defect = steps * terms.variation / terms.separation
        epsilon = lp_epsilon(p, dim, steps, defect, plain=terms.plain)
        if not np.isfinite(epsilon).any():
            break
        row, column = divmod(int(epsilon.argmin()), epsilon.shape[1])
        k = column + 1
        n = math.floor(float(largest_load(defect[row], plain=terms.plain)) * k**2) + 1
        best = float(epsilon[row, column])
        found.append(terms.ceiling(best, int(steps[row]), n, k, f"e_1..e_{n} over {2 * k}"))
        low, high = int(steps[max(row - 1, 0)]), int(steps[min(row + 1, len(steps) - 1)])
        steps = np.unique(np.linspace(low, high, 128).astype(np.int64))
    return found
