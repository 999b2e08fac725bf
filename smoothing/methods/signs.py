"""The differential method for a score that is a sum of d fair signs, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothing.special import log_gamma_ratio

Array = NDArray[np.float64]


def reciprocal_integral_of_signs(dim: int, rho: Array) -> Array:
    """∫ from 1-ρ to 1/2 of dp / Φ(p) for S = σ₁ + … + σ_d; ρ in (1/2, 1], inf at ρ = 1.

    Φ(p) fills the largest values of S first: with m minus signs, S = d - 2m, it has a corner at
    P(S ≥ d-2m) of height Φ_m = E[S; S ≥ d-2m] = (d-m) P(S = d-2m), by telescoping, and slope d-2m above it. So
    every piece integrates to a logarithm, and a whole one to log(1 + v/(m+1)) / v with v = d - 2(m+1): all terms
    are positive, nothing cancels, and no normal approximation enters.
    """
    m, mass = _positive_part(dim)  # from the centre outwards
    value = dim - 2.0 * m
    height = (dim - m) * mass  # Φ at the corner on the inner side of piece m: P(S ≥ value)
    centre = 0.0
    if dim % 2 == 0:  # P(S = 0)/2 = mass₀ (d-m₀) / (2 (m₀+1)), m₀ = d/2 - 1
        centre = float(mass[0] * (dim - m[0]) / (2 * (m[0] + 1)))
    inner = centre + np.concatenate(
        [[0.0], np.cumsum(mass[:-1])]
    )  # mass from 0 to the inner corner of a piece
    outer = np.concatenate([np.cumsum(mass[::-1])[::-1][1:], [0.0]])  # P(S > value)
    outer_height = np.append(height[1:], 0.0)
    # Whole pieces, from the centre up to the inner corner of piece m. A piece's outer height is the next one's
    # inner height, Φ_{m-1} / Φ_m = m / (d-m).
    with np.errstate(divide="ignore"):
        whole = np.log1p(value / m) / value  # piece m from Φ_m down to Φ_{m-1}: log((d-m)/m) / value
    before = centre / height[0] + np.concatenate([[0.0], np.cumsum(whole[:-1])])

    p, g = 1 - rho, rho - 0.5
    # The piece that p falls into, found from the side on which the masses are exact.
    from_centre, from_outside = np.searchsorted(inner, g, side="right") - 1, np.searchsorted(-outer, -p)
    k = np.clip(np.where(g < 0.25, from_centre, from_outside), 0, len(m) - 1)
    into = np.maximum(g - inner[k], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = -np.log1p(-into * value[k] / height[k]) / value[k]  # exact near the centre
        far = np.log(height[k] / (outer_height[k] + value[k] * np.maximum(p - outer[k], 0.0))) / value[k]
    part = np.where(g < 0.25, near, np.maximum(far, 0.0))
    return np.where(g < centre, g / height[0], before[k] + part)


def sum_of_signs(dim: int) -> tuple[Array, Array]:
    """(values, masses) of σ₁ + … + σ_d where it is positive, ascending, without masses below 1e-300."""
    m, mass = _positive_part(dim)
    return dim - 2 * m, mass


def _positive_part(dim: int) -> tuple[Array, Array]:
    """(m, P(m minus signs)) for S = d - 2m > 0, from the centre outwards, without masses below 1e-300.

    Masses grow from the central one by exact ratios P(m-1)/P(m) = m/(d-m+1).
    """
    half = dim // 2
    m = np.arange((dim + 1) // 2 - 1, -1, -1.0)
    if dim % 2:  # d = 2h+1, m = h: C(2h+1, h) 2^-(2h+1) = Γ(h + 3/2) / (√π Γ(h + 2))
        first = np.exp(log_gamma_ratio(half + 2.0, -0.5)) / np.sqrt(np.pi)
    else:  # d = 2h, m = h-1: C(2h, h) 4^-h · h/(h+1)
        first = np.exp(log_gamma_ratio(half + 1.0, -0.5)) / np.sqrt(np.pi) * half / (half + 1)
    ratios = m[:-1] / (dim - m[:-1] + 1.0)
    mass = first * np.concatenate([[1.0], np.cumprod(ratios)])
    keep = mass > 1e-300
    return m[keep], mass[keep]
