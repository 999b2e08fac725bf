"""The differential method for every noise that brings the law of its score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import Norm
from smoothing.noise import Noise
from smoothing.theorems import EVERY_NORM, Lead, Method, theorem

Array = NDArray[np.float64]


@theorem(
    "differential",
    noises=("gaussian", "laplace", "exp-power", "pareto", "exp-l1", "pow-l1", "exp-l2", "pow-l2"),
    norms=EVERY_NORM,
    method=Method.DIFFERENTIAL,
    lead=Lead.FLOW,
    citation="yang2020",
    condition="one direction is worst, and its score integrable",
    when=lambda noise, norm: noise.score(norm) is not None,
    accuracy=5e-12,
)
def differential(noise: Noise, norm: Norm, rho: Array) -> tuple[Array, Array]:
    """R = ∫ from 1-ρ to 1/2 of dp/Φ(p) by quadrature, Φ the upper partial expectation of the score."""
    found = noise.score(norm)
    assert found is not None
    law, unit = found
    radius, error = law.radius(rho)
    return noise.scale * unit * radius, noise.scale * unit * error
