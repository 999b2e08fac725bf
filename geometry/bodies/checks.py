"""What the makers of bodies are asked to bring."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError

Array = NDArray[np.float64]


def positive(values: ArrayLike, name: str) -> Array:
    """A vector of positive, finite numbers, or InputError."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not (np.isfinite(array) & (array > 0)).all():
        raise InputError(f"{name} must be a vector of positive, finite numbers, got {values!r}")
    return array


def positive_number(value: float, name: str) -> float:
    """A positive, finite number, or InputError."""
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} must be positive and finite, got {value}")
    return float(value)


def dimension(dim: int) -> int:
    """A whole number of at least 1, or InputError."""
    if dim != int(dim) or dim < 1:
        raise InputError(f"dim must be a whole number of at least 1, got {dim}")
    return int(dim)


def square_matrix(matrix: ArrayLike, name: str) -> Array:
    """An invertible square matrix, or InputError."""
    array = np.asarray(matrix, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not np.isfinite(array).all():
        raise InputError(f"{name} must be a finite square matrix, got shape {array.shape}")
    if np.linalg.matrix_rank(array) < len(array):
        raise InputError(f"{name} must be invertible, its rank is {np.linalg.matrix_rank(array)}")
    return array
