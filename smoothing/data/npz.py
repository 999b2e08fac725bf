"""The user's own arrays, from an .npz file of NumPy."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from smoothing.data.arrays import ArraySource
from smoothing.data.dataset import Dataset
from smoothing.data.files import reading, user_path

SLACK = 2.0**-24  # what rounding to float32 may do to a number of size one
MAX_CLASSES = 100_000  # beyond it, labels are surely not class numbers
KEYS = "images and labels, or x_train, y_train, x_test, y_test"


def load_npz(name: str, split: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """`npz:PATH`: arrays `images`, `labels` (they serve for either split), or `x_train`, `y_train`,
    `x_test`, `y_test`; and, if there, `classes`, the names.

    Images: uint8 (v stands for v/255), or floats in [0, 1]; axes as in `to_nchw`. Labels: integers,
    (n,) or (n, 1), from 0; without `classes` there are as many classes as the largest label of the
    file says. Raises InputError on anything else; pickled objects are never loaded.
    """
    path = user_path(name.partition(":")[2], data_dir)
    with reading(path, "npz archive"):
        found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise InputError(f"{path}: must be an .npz archive with {KEYS}, came a single array")
    with found as archive:
        x, y = choose_keys(path, archive.files, split)
        images, labels = read_array(path, archive, x), read_labels(path, archive, y)
        names = class_names(path, archive)
    source = ArraySource(to_nchw(path, x, to_unit(path, x, images)))
    return Dataset(name, split, names, labels, source)


def choose_keys(path: Path, keys: list[str], split: str) -> tuple[str, str]:
    """The names of the arrays that hold the split's images and labels."""
    whole, parts = ("images", "labels"), (f"x_{split}", f"y_{split}")
    fitting = [pair for pair in (whole, parts) if set(pair) <= set(keys)]
    if len(fitting) == 1:
        return fitting[0]
    came = ", ".join(keys[:20]) or "an empty archive"
    fault = "both kinds are there; keep one" if fitting else f"save {' and '.join(parts)} into it"
    raise InputError(f"{path}: the {split} split needs {KEYS}, came {came}; {fault}")


def read_array(path: Path, archive: Any, key: str) -> NDArray[Any]:
    """One array of the archive."""
    with reading(f"{path}, array {key}", "array without pickled objects"):
        return np.asarray(archive[key])


def to_unit(path: Path, key: str, images: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Bytes as they are; floats as float32, checked to be finite and in [0, 1] up to float32 rounding."""
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            f"{path}: {key} must be uint8 in 0 … 255 or floating in [0, 1], came {images.dtype}; convert it"
        )
    if not np.isfinite(images).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(images))[0])
        raise InputError(f"{path}: {key} must be finite, came {images[first]} at {first}; remove or mend it")
    if images.size and (images.min() < -SLACK or images.max() > 1 + SLACK):
        raise InputError(
            f"{path}: {key} must lie in [0, 1] where it is floating, came {images.min():.6g} … "
            f"{images.max():.6g}; scale it (radii are in units of these pixels)"
        )
    # Scalers leave 1 + 2e-16 behind; radii are stated on [0, 1], so the slack is clipped away.
    return np.clip(images.astype(np.float32), 0, 1)


def to_nchw(
    path: Path, key: str, images: NDArray[np.uint8] | NDArray[np.float32]
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """(n, C, H, W) from: (n, C, H, W), (n, H, W, C), (n, H, W) → C = 1, or (n, features) → (1, 1, features).

    Four axes are channels first, unless the last is 1 or 3 and the second is neither: (n, 3, 5, 3) is
    channels first, (n, 5, 5, 3) channels last; (n, 32, 32, 4) is 32 channels, so save RGBA channels first.
    """
    if images.ndim not in (2, 3, 4) or 0 in images.shape:
        raise InputError(
            f"{path}: {key} must be (n, C, H, W), (n, H, W, C), (n, H, W) or (n, features), none of them 0, "
            f"came {images.shape}; reshape it"
        )
    if images.ndim == 2:
        return images[:, None, None, :]
    if images.ndim == 3:
        return images[:, None]
    if images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        return images.transpose(0, 3, 1, 2)
    return images


def read_labels(path: Path, archive: Any, key: str) -> NDArray[np.int64]:
    """Labels as int64 (n,), in 0 … MAX_CLASSES - 1."""
    labels = read_array(path, archive, key)
    if labels.ndim == 2 and labels.shape[1] == 1:  # as keras.datasets gives them
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{path}: {key} must be integers of shape (n,), class numbers from 0, "
            f"came {labels.dtype} of shape {labels.shape}; convert them (one-hot: argmax over the classes)"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < MAX_CLASSES):
        raise InputError(
            f"{path}: {key} must be class numbers in 0 … {MAX_CLASSES - 1}, "
            f"came {labels.min()} … {labels.max()}; number the classes from 0"
        )
    return labels.astype(np.int64)


def class_names(path: Path, archive: Any) -> tuple[str, ...]:
    """`classes` where the archive has it, else "0", "1", … up to the largest label of either split."""
    if "classes" in archive.files:
        names = read_array(path, archive, "classes")
        if names.ndim != 1 or names.dtype.kind != "U" or not names.size:
            raise InputError(
                f"{path}: classes must be a 1-D array of strings, came {names.dtype} of shape {names.shape}"
            )
        return tuple(str(name) for name in names)
    keys = [key for key in ("labels", "y_train", "y_test") if key in archive.files]
    largest = max(int(read_labels(path, archive, key).max(initial=0)) for key in keys)
    return tuple(str(k) for k in range(largest + 1))
