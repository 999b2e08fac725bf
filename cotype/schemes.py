"""Schemes beside the ceiling: the ε that each reaches at given s and ℓ, in closed form.

All are even, so both ceilings hold for them. With τ the total variation at distance below ε, TV ≤ s suffices for
(ε, s)-robustness: q_y(U) ≥ q_x(U) - s. It is also needed where q_x and q_y agree but for disjoint parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from scipy import special as sp

from geometry.norms import L2, Norm


@dataclass(frozen=True)
class Scheme:
    """A named scheme, the ε it has with the s and ℓ that were asked, and its one parameter that gives this ℓ."""

    name: str
    epsilon: float
    parameter: str


def schemes(norm: Norm, dim: int, s: float, separation: float) -> Iterator[Scheme]:
    """Every scheme here that is defined for the norm: the Gaussian first."""
    sigma, epsilon = gaussian(norm, dim, s, separation)
    yield Scheme("Gaussian", epsilon, f"sigma = {sigma:.6g}")
    rate = _rate(separation)
    yield Scheme("random cuts", random_cuts(norm, dim, s, separation), f"{rate:.6g} cuts a unit")
    if norm.name == "linf":
        yield Scheme("sign cuts", sign_cuts(dim, s, separation), f"{rate:.6g} cuts a unit")


def gaussian(norm: Norm, dim: int, s: float, separation: float) -> tuple[float, float]:
    """(σ, ε): ε = σ Φ_N⁻¹(1/2+s) / longest, where 2Φ_N(shortest / 2σ) - 1 = ℓ.

    ``longest`` and ``shortest``: the Euclidean lengths of vectors of norm 1. In ℓp they are 1 and d^{1/2-1/p}, so that
    ε falls like d^{-|1/2-1/p|}: also for p < 2, where a shift (1,…,1)/d^{1/p} of norm 1 is short and hard to tell.
    """
    longest, shortest = 1 / L2().shrinkage(norm, dim), norm.shrinkage(L2(), dim)
    quantile = math.sqrt(2) * float(sp.erfinv(separation))  # Φ_N⁻¹((1+ℓ)/2)
    sigma = shortest / (2 * quantile)
    return sigma, sigma * math.sqrt(2) * float(sp.erfinv(2 * s)) / longest


def random_cuts(norm: Norm, dim: int, s: float, separation: float) -> float:
    """ε = log(1/(1-s)) / log(1/(1-ℓ)) in ℓp, 1 ≤ p ≤ 2, of every dimension; other norms through ℓ2.

    These norms are isometric to subspaces of L1 (p-stable laws; Bretagnolle et al. 1966): ‖x-y‖ is the measure of
    hyperplanes that separate x from y. Cut space by a Poisson process of them with intensity c, show the process and
    x's cell: total variation is the probability 1 - exp(-c‖x-y‖) of being separated, and off that event q_x = q_y.
    (What is shown is no point of R^d, but a measurable renaming makes it one.)
    """
    epsilon = math.log1p(-s) / math.log1p(-separation) if separation < 1 else 0.0
    if norm.name in ("l1", "l2") or (norm.name.startswith("lp:") and norm.exponent < 2):
        return epsilon
    return epsilon * L2().shrinkage(norm, dim) * norm.shrinkage(L2(), dim)


def sign_cuts(dim: int, s: float, separation: float) -> float:
    """Against ℓ∞: ε = log(1/(1-s)) / log(1/(1-ℓ)) / E|σ_1 + … + σ_d|, cuts ⊥ to random sign vectors.

    A shift v is separated by c E|<σ, v>| cuts in the mean. Among ‖v‖∞ = 1 that is least at e_1 (changing the signs of
    the other coordinates and averaging leaves e_1) and, being convex, largest at (1,…,1). For small s and ℓ it is
    √(π/2) = 1.25 times the Gaussian's ε: the Gaussian is not optimal.
    """
    pairs = (dim + 1) // 2
    mean = 2 / math.sqrt(math.pi) * float(sp.poch(pairs, 0.5))
    return (math.log1p(-s) / math.log1p(-separation) if separation < 1 else 0.0) / mean


def _rate(separation: float) -> float:
    return -math.log1p(-separation) if separation < 1 else math.inf
