"""Facts of Wulff crystals: radii of the balls inside and around, faces, facet normals up to symmetry."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.bodies import Ball, Box, LinfCrystal, Zonotope
from geometry.body import Body
from geometry.crystals import crystal_generators
from geometry.norms import Linf, Lp, Norm
from geometry.zonotopes.flats import tractable

Array = NDArray[np.float64]

_CLASSES = 12  # of facet normals that are listed
_LISTED_DIM = 20  # of a cube


def radii(crystal: Body, norm: Norm) -> dict[str, float]:
    """The largest ball inside and the smallest around, both about the origin."""
    if isinstance(norm, Lp):
        directions = np.random.default_rng(0).normal(size=(20_000, crystal.dim))
        widths = crystal.support(directions / np.linalg.norm(directions, axis=1, keepdims=True)).value
        return {"inradius": float(widths.min()), "circumradius": float(widths.max())}
    match crystal:
        case Ball():
            inner = outer = crystal.radius
        case Box():
            inner, outer = float(crystal.half_widths.min()), float(np.linalg.norm(crystal.half_widths))
        case LinfCrystal():
            # the least and the largest of E|<σ, u>| for ‖u‖₂ = 1, at (1, 1, 0, …)/√2 (Szarek 1976) and at e₁
            inner, outer = math.sqrt(0.5) if crystal.dim > 1 else 1.0, 1.0
        case Zonotope() if crystal.exact:
            inner = 1 / float(np.linalg.norm(crystal.facets, axis=1).max())
            outer = float(np.linalg.norm(crystal.vertices, axis=1).max())
        case _:
            return {}
    return {"inradius": inner, "circumradius": outer}


def combinatorics(crystal: Body, norm: Norm) -> dict[str, Any]:
    """Numbers of vertices, edges and facets, the f-vector, facet normals up to permutation and signs of coordinates."""
    dim = crystal.dim
    if isinstance(norm, Lp):  # smooth; the zonotope that stands for it has faces of no meaning
        return {}
    if isinstance(crystal, Box):
        if dim > _LISTED_DIM:
            return {}
        return _counts(
            [2 ** (dim - k) * math.comb(dim, k) for k in range(dim)],
            np.concatenate([np.eye(dim), -np.eye(dim)]),
        )
    if isinstance(crystal, LinfCrystal) and dim <= _LISTED_DIM // 2:
        scaled = np.rint(crystal_generators(Linf(), dim) * 2 ** (dim - 1)).astype(np.int64)
        if not tractable(*scaled.shape):
            return {}
        crystal = Zonotope(scaled)
    if not isinstance(crystal, Zonotope) or not crystal.exact:
        return {}
    return _counts(list(crystal.f_vector), np.concatenate([crystal.facets, -crystal.facets]))


def _counts(f_vector: list[int], normals: Array) -> dict[str, Any]:
    found: dict[str, Any] = {"vertices": f_vector[0]}
    if len(f_vector) > 2:
        found["edges"] = f_vector[1]
    found["facets"] = f_vector[-1]
    found["f_vector"] = f_vector
    classes = Counter(_class(normal) for normal in normals)
    if len(classes) <= _CLASSES:
        found["facet_normals"] = dict(sorted(classes.items()))
    return found


def _class(normal: Array) -> str:
    """The normal's coordinates without signs, largest first, in the smallest whole numbers that have its direction."""
    size = np.sort(np.abs(normal))[::-1]
    size = size / size[0]
    for denominator in range(1, 61):
        whole = size * denominator
        if np.abs(whole - np.rint(whole)).max() < 1e-6:
            return "(" + ", ".join(str(int(n)) for n in np.rint(whole)) + ")"
    return "(" + ", ".join(f"{x:.4g}" for x in size) + ")"
