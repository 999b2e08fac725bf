"""Inclusion: a radius against one norm certifies a smaller ball of another. The last resort of the table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geometry.norms import L1, L2, Linf, Norm, shrinkage
from smoothing.noise import Noise
from smoothing.theorems import EVERY_NOISE, EVERY_NORM, Method, Theorem, evaluate, theorem, theorems

Array = NDArray[np.float64]
SOURCES: tuple[Norm, ...] = (L1(), L2(), Linf())


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
    when=lambda noise, norm: any(direct_theorems(noise, source) for source in SOURCES if source != norm),
    accuracy=2e-15,
)
def inclusion(noise: Noise, norm: Norm, rho: Array) -> Array:
    """R_q ≥ R_p · d^min(0, 1/q - 1/p), the best over p in {1, 2, ∞} and their theorems."""
    best = np.zeros_like(rho)
    for source in SOURCES:
        if source == norm:
            continue
        for candidate in direct_theorems(noise, source):
            lower, _ = evaluate(candidate, noise, source, rho)
            best = np.maximum(best, lower * shrinkage(source, norm, noise.dim))
    return best


def can_help(noise: Noise, norm: Norm) -> bool:
    """Whether inclusion may exceed the pair's own theorems: not if it has only larger balls to shrink from.

    A method says no more about a larger ball than about the pair's own.
    """
    if not direct_theorems(noise, norm):
        return True
    smaller = [s for s in SOURCES if s != norm and shrinkage(s, norm, noise.dim) < 1]
    return any(direct_theorems(noise, source) for source in smaller)
