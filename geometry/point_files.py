"""Rows of numbers from a file: vertices, generators, matrices, grids."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError

Array = NDArray[np.float64]


def read_array(path: str | Path) -> Array:
    """A finite array from ``.npy``, ``.json`` (nested lists), ``.csv`` or whitespace-separated text.

    InputError that names the file and says what is wrong with it.
    """
    path = Path(path)
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
        elif path.suffix == ".json":
            array = np.array(json.loads(path.read_text()))
        else:
            with warnings.catch_warnings():  # an empty file is an error of ours, not a warning of NumPy's
                warnings.simplefilter("ignore")
                array = np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None, ndmin=2)
        if np.iscomplexobj(array):
            raise ValueError("its numbers are complex")
        array = np.asarray(array, dtype=np.float64)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is no array of numbers: {error}") from None
    if not array.size or not np.isfinite(array).all():
        raise InputError(f"{path} must hold finite numbers, at least one; its shape is {array.shape}")
    return array


def read_rows(path: str | Path) -> Array:
    """``read_array`` of shape (count, dim)."""
    array = read_array(path)
    if array.ndim != 2:
        raise InputError(f"{path} must hold rows of numbers, one point a row; its shape is {array.shape}")
    return array
