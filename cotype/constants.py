"""What is proven of C_r, the least C with (E‖Σ σ_j x_j‖^r)^{1/r} ≥ C⁻¹ (Σ ‖x_j‖²)^{1/2}, for r = 1 and 2.

For every norm C₂ ≤ C₁ ≤ √2 C₂ (Latała and Oleszkiewicz 1994: the best constant in the inequality of Kahane 1964),
C₂ ≥ 1 (one vector) and C₁ ≥ √2 (a vector twice, E|σ₁ + σ₂| = 1, in dimension one already). In ℓp^d:

* **C₁ = √2, p ≤ 2.** E‖S‖ ≥ ‖(E|S_i|)_i‖ by Jensen, E|S_i| ≥ (Σ_j x_ji²)^{1/2}/√2 (Szarek 1976), and
  ‖(Σ_j x_ji²)^{1/2}‖_p ≥ (Σ_j ‖x_j‖_p²)^{1/2} (Minkowski in ℓ_{2/p}).
* **C₂ ≤ 1/A_p, p ≤ 2**: the same with (E‖S‖²)^{1/2} ≥ (E‖S‖^p)^{1/p} and the best constant A_p of (E|<σ,u>|^p)^{1/p} ≥
  A_p ‖u‖₂, which is min(2^{1/2-1/p}, √2 (Γ((p+1)/2)/√π)^{1/p}) (Haagerup 1981). 2^{1/p-1/2} is attained in d = 2 by
  (1, 1), (1, -1), and up to p = 1.847… it is 1/A_p.
* **C₂ ≤ d^{|1/2-1/p|}**, the distance to ℓ2, where C₂ = 1: ‖x‖_q ≤ d^{1/q-1/p} ‖x‖_p for q ≤ p. For p ≥ 2 the basis,
  whose sums have norm d^{1/p}, attains it.
* **C₁ ≤ √2 E|σ₁ + … + σ_d| d^{1/p}, p ≥ 2**: f(x) = E|<σ,x>| embeds R^d into L₁, where C₁ = √2, and
  ‖x‖_∞ ≤ f(x) ≤ E|σ₁ + … + σ_d| ‖x‖_∞ as f is convex and symmetric. For ℓ∞ it is 1.13 √d instead of 1.41 √d.

In the plane every norm embeds into L₁ (symmetric convex figures are zonoids: Bolker 1969), so C₁ = √2. In dimension d
the distance to ℓ2 is at most √d (John 1948); of a polytope's norm both distances are computed (``cotype.distances``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cotype.distances import distance_to_l1, distance_to_l2
from cotype.rademacher_sums import is_lp
from geometry.errors import InputError
from geometry.norms import Norm
from geometry.polytope_norm import PolytopeNorm

SQRT2 = math.sqrt(2)
_OUTWARD = 2.0**-48  # beyond the rounding of a few powers and a gamma function


@dataclass(frozen=True)
class Fact:
    """A proven bound, which side it is on, why it holds, and the key of its source in docs/references.bib."""

    side: str  # "lower" or "upper"
    value: float
    why: str
    citation: str

    def __str__(self) -> str:
        return f"{self.side}: {self.why} [{self.citation}]"


@dataclass(frozen=True)
class Bounds:
    """``lower`` ≤ C ≤ ``upper``, rounded outwards: the best of the facts on either side."""

    facts: tuple[Fact, ...]

    @property
    def best(self) -> tuple[Fact, Fact]:
        """The facts that give ``lower`` and ``upper``."""
        lower, upper = ([f for f in self.facts if f.side == side] for side in ("lower", "upper"))
        return max(lower, key=lambda f: f.value), min(upper, key=lambda f: f.value)

    @property
    def lower(self) -> float:
        return self.best[0].value

    @property
    def upper(self) -> float:
        return self.best[1].value

    @property
    def sources(self) -> tuple[str, str]:
        """Why the lower and the upper bound hold, with their cite keys."""
        lower, upper = self.best
        return str(lower), str(upper)


def cotype_bounds(norm: Norm, dim: int, *, moment: int = 1) -> Bounds:
    """Bounds of C_moment of the norm on R^dim, ``moment`` 1 or 2; equal up to rounding where the constant is known."""
    if moment not in (1, 2):
        raise InputError(f"moment must be 1 or 2, got {moment}")
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}")
    first, second = _known(norm, dim)
    if moment == 1:
        below, above = Bounds(tuple(second)).best
        first.append(Fact("lower", below.value, f"C₁ ≥ C₂ ≥ {below.why}", below.citation))
        first.append(
            _upper(SQRT2 * above.value, f"C₁ ≤ √2 C₂, C₂ ≤ {above.why}", f"latala1994, {above.citation}")
        )
        return Bounds(tuple(first))
    uppers = [f for f in first if f.side == "upper"]
    second += [Fact("upper", f.value, f"C₂ ≤ C₁ ≤ {f.why}", f.citation) for f in uppers]
    return Bounds(tuple(second))


def _known(norm: Norm, dim: int) -> tuple[list[Fact], list[Fact]]:
    """What is known of C₁ and of C₂, each by itself."""
    first = [_lower(SQRT2, "√2, by a vector twice", "szarek1976")]
    second = [Fact("lower", 1.0, "1, by one vector", "kahane1964")]
    if dim == 1:
        second.append(Fact("upper", 1.0, "1: numbers", "kahane1964"))
    elif dim == 2:
        first.append(_upper(SQRT2, "√2: the plane embeds into L₁", "bolker1969"))
    second.append(_upper(math.sqrt(dim), "√d, no norm is farther from ℓ2", "john1948"))
    if isinstance(norm, PolytopeNorm):
        _ = norm.vertices(dim)  # InputError for another dimension
        second.append(_upper(distance_to_l2(norm), "the distance to ℓ2, by an ellipsoid", "john1948"))
        if dim > 2:
            first.append(_upper(SQRT2 * distance_to_l1(norm), "√2 × a distance to L₁", "szarek1976"))
        return first, second
    if not is_lp(norm):
        return first, second
    p = norm.exponent
    second.append(_upper(dim ** abs(0.5 - 1 / p), "d^|1/2-1/p|, the distance to ℓ2", "tomczak1989"))
    if p <= 2:
        first.append(_upper(SQRT2, "√2, coordinate by coordinate", "szarek1976"))
        second.append(_upper(1 / khinchin(p), "1/A_p, coordinate by coordinate", "haagerup1981"))
        value, why = _cube_signs(p, dim)
        second.append(_lower(value, why, "haagerup1981"))
    else:
        second.append(_lower(dim ** (0.5 - 1 / p), "d^(1/2-1/p), by the basis", "tomczak1989"))
        embedded = SQRT2 * mean_walk(dim) * dim ** (1 / p)
        first.append(_upper(embedded, "√2 E|σ₁+…+σ_d| d^(1/p), by random signs into L₁", "szarek1976"))
    return first, second


def khinchin(p: float) -> float:
    """A_p for 0 < p ≤ 2: the largest A with (E|<σ,u>|^p)^{1/p} ≥ A ‖u‖₂ (Haagerup 1981)."""
    gaussian = SQRT2 * (math.gamma((p + 1) / 2) / math.sqrt(math.pi)) ** (1 / p)
    return min(2 ** (0.5 - 1 / p), gaussian)


def mean_walk(dim: int) -> float:
    """E|σ₁ + … + σ_d| = 2m C(2m, m)/4^m, m = ⌈d/2⌉; from d = 2000 on an upper bound, above it by 2e-8 at most.

    C(2m, m)² (m + 1/4)/16^m grows with m, as (2m+1)²(4m+5) = (2m+2)²(4m+1) + 1, to 1/π.
    """
    m = (dim + 1) // 2
    return 2 * m * (math.comb(2 * m, m) / 4**m if m < 1000 else 1 / math.sqrt(math.pi * (m + 0.25)))


def _cube_signs(p: float, dim: int) -> tuple[float, str]:
    """√n / (E|σ₁ + … + σ_n|^p)^{1/p}, by n vectors in dimension 2^{n-1}: one coordinate for each pair ±σ of signs.

    Their signed sums have the same coordinates, in another order and up to ±.
    """

    def reached(n: int) -> float:
        power = math.fsum(math.comb(n, k) * abs(n - 2 * k) ** p for k in range(n + 1)) / 2**n
        return math.sqrt(n) / power ** (1 / p)

    n = max(range(1, dim.bit_length() + 1), key=reached)
    return reached(n), f"by {n} vectors of all signs in dimension {2 ** (n - 1)}"


def _lower(value: float, why: str, citation: str) -> Fact:
    return Fact("lower", max(1.0, value * (1 - _OUTWARD)), why, citation)


def _upper(value: float, why: str, citation: str) -> Fact:
    return Fact("upper", value * (1 + _OUTWARD), why, citation)
