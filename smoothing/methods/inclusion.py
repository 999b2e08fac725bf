"""Inclusion: a radius against one norm certifies a smaller ball of another. The last resort of the table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L1, L2, Linf, Norm, shrinkage
from smoothing.noise import Noise
from smoothing.theorems import EVERY_NOISE, EVERY_NORM, Method, Theorem, evaluate, theorem, theorems

Array = NDArray[np.float64]
_SOURCES: tuple[Norm, ...] = (L1(), L2(), Linf())


def direct_theorems(noise: Noise, norm: Norm) -> list[Theorem]:
    """The sound theorems about the pair itself, inclusion left out; a tight one alone, where there is one."""
    found = [t for t in theorems() if t.sound and t.method is not Method.INCLUSION and t.applies(noise, norm)]
    return next(([t] for t in found if t.tight), found)


@theorem(
    "inclusion",
    noises=EVERY_NOISE,
    norms=EVERY_NORM,
    method=Method.INCLUSION,
    citation="yang2020",
    condition="a theorem about another of l1, l2, linf applies",
    when=lambda noise, norm: any(direct_theorems(noise, source) for source in _SOURCES if source != norm),
    accuracy=2e-15,
)
def inclusion(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R_q ≥ R_p · d^min(0, 1/q - 1/p), the best over p in {1, 2, ∞} and their theorems."""
    best = np.zeros_like(rho)
    own = bool(direct_theorems(noise, norm))
    for source in _SOURCES:
        # Where the pair has a theorem of its own, the one about a larger ball adds nothing.
        if source == norm or (own and shrinkage(source, norm, noise.dim) == 1):
            continue
        for candidate in direct_theorems(noise, source):
            lower, _ = evaluate(candidate, noise, source, rho)
            best = np.maximum(best, lower * shrinkage(source, norm, noise.dim))
    return best
