"""The differential method: from the upper partial expectation of a score to a radius.

For a symmetric score S with Φ(p) = sup {E[S; U] : q(U) = p}, write q = 2p and T(q) = 2 Φ(q/2). Then

    R(ρ) = ∫ from 1-ρ to 1/2 of dp / Φ(p) = J(2(1-ρ)),   J(q₀) = ∫ from q₀ to 1 of dq / T(q),

which is sound wherever the density is weakly differentiable with an integrable score
(Yang et al. 2020, Theorem 4.1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

Array = NDArray[np.float64]

_FINE = np.polynomial.legendre.leggauss(80)
_COARSE = np.polynomial.legendre.leggauss(56)


# Masses below 1e-300 are not represented: where the radius at certainty is finite, it is approached from below.
_LAST_SCORE = 37.0


def reciprocal_integral(upper: Callable[[Array], Array], q0: Array, complement: Array) -> tuple[Array, Array]:
    """(J(q₀), error bound): the integral of dq / T(q) from q₀ to 1, where ``upper(w)`` is T(Φ_N(-w)).

    ``q0`` in [0, 1) and ``complement`` = 1 - q₀, given apart so that both are exact; any shape. In the normal score w of the mass the integrand φ_N(w)/T is analytic and
    falls like a Gaussian to the left, whatever the dimension (the radial law's window of width 1/√d is a window
    of width 1 here), so that Gauss-Legendre converges geometrically. What is cut off on the left is positive,
    hence dropped on the sound side. The error bound is the difference of two rules.
    """
    w0 = np.where(q0 < 0.5, -sp.ndtri(q0), sp.ndtri(complement))
    w0 = np.minimum(w0, _LAST_SCORE)
    # φ_N falls by exp(-39) from min(w0, 0) to the cut.
    edge = np.minimum(w0, 0.0)
    low = -np.sqrt(edge * edge + 78.0)
    fine, coarse = (_gauss(upper, low, w0, *rule) for rule in (_FINE, _COARSE))
    return fine, np.abs(fine - coarse)


def _gauss(upper: Callable[[Array], Array], low: Array, high: Array, nodes: Array, weights: Array) -> Array:
    half = 0.5 * (high - low)
    w = low[..., None] + half[..., None] * (1 + nodes)
    density = np.exp(-0.5 * w * w) / np.sqrt(2 * np.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = density / upper(w)
    # At ρ = 1 the masses may underflow; a part that cannot be computed is dropped, which is sound.
    return half * (weights * np.where(np.isfinite(ratio), ratio, 0.0)).sum(axis=-1)
