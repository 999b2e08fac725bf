"""Vectors up to a factor, and rows up to equality: exactly for integers, within a tolerance for floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]
Indices = NDArray[np.intp]

# Floats: a vector shorter than this beside what it was computed from is zero, and unit vectors this close are one.
# Both stand far above the rounding of minors (some d² units in the last place) and far below generic distances.
TOLERANCE = 1e-9


def primitive(vectors: AnyArray, sizes: AnyArray | float = 1.0) -> tuple[AnyArray, AnyArray]:
    """(p, c) with vector = c·p over the last axis, p the same for all multiples of a vector; c = 0 for zero ones.

    Integers: p has coprime entries, its first nonzero one positive. Floats: p has length 1 and a positive product
    with one fixed generic vector; a vector is zero up to ``TOLERANCE`` times ``sizes``.
    """
    if vectors.dtype == np.float64:
        factor = np.linalg.vector_norm(vectors, axis=-1)
        generic = np.random.default_rng(2).normal(size=vectors.shape[-1])
        factor = np.where(factor > TOLERANCE * np.asarray(sizes), factor, 0.0)
        factor = np.copysign(factor, vectors @ generic)
    else:
        factor = np.abs(np.gcd.reduce(vectors, axis=-1))
        first = (vectors != 0).argmax(axis=-1)
        lead = np.take_along_axis(vectors, first[..., None], axis=-1)[..., 0]
        factor = np.where(lead < 0, -factor, factor)
    safe = np.where(factor == 0, 1, factor)[..., None]
    return (vectors / safe if vectors.dtype == np.float64 else vectors // safe), factor


def distinct(rows: AnyArray, tolerance: float = TOLERANCE) -> tuple[Indices, Indices]:
    """(first, label): ``rows[first]`` are the distinct rows, ``rows[i]`` is that of number ``label[i]``."""
    if rows.dtype == np.float64:
        return _clusters(rows, tolerance)
    if rows.dtype == object:
        seen: dict[tuple[int, ...], int] = {}
        label = np.array([seen.setdefault(tuple(row), len(seen)) for row in rows.tolist()], dtype=np.intp)
        return np.unique(label, return_index=True)[1], label
    # Sorting one hash a row is many times faster than sorting rows; that no two rows share one is then checked.
    odd = np.random.default_rng(1).integers(1 << 62, size=rows.shape[1]) * 2 + 1
    _, first, label = np.unique(rows @ odd, return_index=True, return_inverse=True)
    if not (rows[first[label]] == rows).all():
        _, first, label = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, label.reshape(-1)


def _clusters(rows: AnyArray, tolerance: float) -> tuple[Indices, Indices]:
    """Rows are one where sorting by each coordinate in turn, within those still together, leaves no gap above it."""
    label = np.zeros(len(rows), dtype=np.intp)
    if len(rows) == 0:
        return label, label
    for column in rows.T:
        order = np.lexsort((column, label))
        new = (np.diff(label[order]) > 0) | (np.diff(column[order]) > tolerance)
        label[order] = np.concatenate([[0], np.cumsum(new)])
    return np.unique(label, return_index=True)[1], label
