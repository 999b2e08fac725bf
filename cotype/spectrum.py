"""Steps 2 to 4 of the no-go theorem: how much defect accuracy forces on a positive-definite function.

Let φ be positive definite on Zⁿ with values in [0, 1] and φ(0) = 1, so that φ(a) = E cos<a, θ> for random angles θ
(theorem of Bochner; Rudin 1962), and let φ(2r k_j e_j) ≤ 1 - ℓ for some whole k_1..k_n and every r ≥ 1. The *defect* is
δ = 1 - E φ(σ), σ uniform in {±1}ⁿ; the *load* is A = Σ k_j⁻². Then for any weights w_1 + w_2 + … = 1

    δ ≥ ℓ c(A),      c(A) = min over 0 < x ≤ π/2 of (1 - exp(-A x²/2)) / (2 h(x)),      h(x) = Σ_r w_r sin²(r x).

Proof. Move each θ_j into [-π/2, π/2] by a multiple of π, which changes neither |cos θ_j| nor h(k_j θ_j). There
|cos θ| ≤ exp(-θ²/2), so that 1 - δ = E Π cos θ_j ≤ E exp(-Σθ_j²/2). By definition 2c h(x) ≤ 1 - exp(-Ax²/2) up to
π/2, and beyond it too, because h(π-x) = h(x) = h(π+x) and the right side grows. With x = k_j θ_j, averaged with the
weights k_j⁻²/A, and as 1 - exp(-Av/2) is concave in v,

    c Σ (k_j⁻²/A) 2h(k_jθ_j) ≤ Σ (k_j⁻²/A) (1 - exp(-A k_j²θ_j²/2)) ≤ 1 - exp(-Σθ_j²/2).

The expectation of the right side is at most δ. That of the left is at least cℓ, since
2 E h(k_jθ_j) = Σ w_r (1 - φ(2r k_j e_j)) ≥ ℓ. ∎

The coarser sin²x ≤ min(1, x²) puts (1 - exp(-A/2))/2 in the place of c(A): that is ``plain``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Rows are the best of their length at loads of 1, 2.2, 4 and 10, by linear programming, rounded. Any weights give a
# true c(A); the largest counts. For small s and large d the load of 2.2 matters, in low dimension larger ones.
WEIGHTS = (
    (1.0,),
    (0.951, 0.044, 0.005),
    (0.806, 0.178, 0.016),
    (0.553, 0.303, 0.112, 0.028, 0.004),
)
_NODES = np.linspace(0, np.pi / 2, 1025)[1:]
_H = np.stack([sum(w * np.sin(r * _NODES) ** 2 for r, w in enumerate(row, 1)) for row in WEIGHTS])
_AT_ZERO = np.array([sum(w * r**2 for r, w in enumerate(row, 1)) for row in WEIGHTS])  # h(x)/x²
_EDGE = 1 - 1e-9

LARGEST_DEFECT = float(0.5 / _H.max(axis=-1).min())
"""No load forces a larger δ/ℓ than this."""


def least_defect(load: ArrayLike, *, plain: bool = False) -> Array:
    """c(A), the defect per unit of ℓ that a load forces, rounded down; A/4 for small A, at most LARGEST_DEFECT."""
    load = np.asarray(load, dtype=np.float64)
    if plain:
        return -0.5 * np.expm1(-0.5 * load) * (1 - 1e-12)
    curve = -0.5 * np.expm1(-0.5 * load[..., None, None] * _NODES**2) / _H
    least = np.minimum((curve - _between(curve)).min(axis=-1), 0.25 * load[..., None] / _AT_ZERO)
    return least.max(axis=-1) * (1 - 1e-12)


def largest_load(defect: ArrayLike, *, plain: bool = False) -> Array:
    """A with c(A) = δ/ℓ = ``defect``, rounded up: 2 max over x of x⁻² log(1 / (1 - 2 (δ/ℓ) h(x))), the least over w.

    No sequence of vectors with a larger load is compatible with this defect; inf from LARGEST_DEFECT on (plain: 1/2).
    """
    defect = np.asarray(defect, dtype=np.float64) * (1 + 1e-14)  # the logarithm enlarges errors near its pole
    if plain:
        return np.where(
            2 * defect < _EDGE, -2 * np.log1p(-np.minimum(2 * defect, _EDGE)) * (1 + 1e-12), np.inf
        )
    lost = 2 * defect[..., None, None] * _H
    curve = -2 * np.log1p(-np.minimum(lost, _EDGE)) / _NODES**2
    most = np.maximum((curve + _between(curve)).max(axis=-1), 4 * defect[..., None] * _AT_ZERO)
    return np.where(lost.max(axis=-1) < _EDGE, most, np.inf).min(axis=-1) * (1 + 1e-12)


def _between(curve: Array) -> Array:
    """How far a smooth curve may pass a node before the next: an eighth of its second difference, taken twice."""
    bend = 0.25 * np.abs(np.diff(curve, n=2, axis=-1))
    return np.concatenate([bend[..., :1], bend, bend[..., -1:]], axis=-1)
