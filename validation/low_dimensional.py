"""Real data of few features, on which a crystal can be sampled and every ℓ∞ radius is exact.

Every feature is centred and brought to standard deviation 1/10 about 1/2, so that no axis is special and hardly
anything leaves [0, 1]; radii are in those units. Iris keeps its four features; the digits are projected to their first
principal components, whitened.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.files import write_atomic

Array = NDArray[np.float64]

PCA_DIMENSIONS = (3, 4, 5, 6)
NAMES = ("iris", *(f"digits-pca{d}" for d in PCA_DIMENSIONS))
UNIT = 0.1
"""A standard deviation of a feature."""


def dimension(name: str) -> int:
    """The number of features.

    >>> dimension("iris"), dimension("digits-pca5")
    (4, 5)
    """
    return 4 if name == "iris" else int(name.removeprefix("digits-pca"))


def write(name: str, folder: Path) -> Path:
    """The set as ``npz:PATH`` reads it: written once, left alone after."""
    path = folder / f"{name}.npz"
    if not path.exists():
        arrays = _iris() if name == "iris" else _digits(dimension(name))
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomic(path, buffer.getvalue())
    return path


def _iris() -> dict[str, NDArray]:
    """Every second flower is for testing: 25 of each of the three kinds."""
    from sklearn.datasets import load_iris

    bunch = load_iris()
    x, y = bunch.data, bunch.target
    mean, spread = x[::2].mean(axis=0), x[::2].std(axis=0)
    unit = _unit((x - mean) / spread)
    return {
        "x_train": unit[::2],
        "y_train": y[::2],
        "x_test": unit[1::2],
        "y_test": y[1::2],
        "classes": np.array(list(bunch.target_names), dtype=np.str_),
    }


def _digits(dim: int) -> dict[str, NDArray]:
    """The first ``dim`` principal components of the training images, whitened."""
    from smoothing.data import load_dataset

    train, test = (load_dataset("digits", split=split) for split in ("train", "test"))
    x, z = (s.images(range(len(s))).reshape(len(s), -1).astype(np.float64) for s in (train, test))
    _, spread, axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    axes = axes[:dim] * np.sign(axes[np.arange(dim), np.abs(axes[:dim]).argmax(axis=1)])[:, None]
    to_unit = axes.T / (spread[:dim] / np.sqrt(len(x)))
    return {
        "x_train": _unit((x - x.mean(axis=0)) @ to_unit),
        "y_train": train.labels,
        "x_test": _unit((z - x.mean(axis=0)) @ to_unit),
        "y_test": test.labels,
        "classes": np.array(train.classes),
    }


def _unit(standard: Array) -> NDArray[np.float32]:
    return np.clip(0.5 + UNIT * standard, 0, 1).astype(np.float32)
