"""From a name to a dataset."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from geometry.errors import InputError
from smoothing.data.cifar10 import load_cifar10
from smoothing.data.dataset import Dataset
from smoothing.data.digits import load_digits
from smoothing.data.folder import load_folder
from smoothing.data.idx import load_idx
from smoothing.data.npz import load_npz

SPLITS = ("train", "test")

DATASETS: Mapping[str, str] = MappingProxyType(
    {
        "digits": "handwritten digits, 8×8, embedded: nothing to download",
        "fashion-mnist": "clothes, 28×28: Debian's package dataset-fashion-mnist, or its files in --data-dir",
        "mnist": "handwritten digits, 28×28: the four files in --data-dir",
        "cifar10": "colour photographs, 32×32: the files of cifar-10-binary.tar.gz in --data-dir",
        "folder:PATH": "image folders, PATH/train/CLASS/* and PATH/test|val/CLASS/*, or PATH/CLASS/* for "
        "both splits; folder:PATH,size=32 crops to 32×32 instead of 224×224",
        "npz:PATH": "arrays images, labels for both splits, or x_train, y_train, x_test, y_test; "
        "uint8 or floats in [0, 1]",
    }
)


def load_dataset(
    name: str, *, split: str = "test", data_dir: str | os.PathLike[str] | None = None
) -> Dataset:
    """The dataset `name` (see DATASETS), its "train" or "test" split.

    data_dir: where the files of a published set lie, nowhere else; without it, the folders `datasets`
    of the XDG data directories (~/.local/share, /usr/local/share, /usr/share). A relative PATH is
    taken from data_dir where that is given. Raises InputError on an unknown name or split, and on
    whatever is wrong with the files.

    >>> load_dataset("digits").shape
    (1, 8, 8)
    """
    if split not in SPLITS:
        raise InputError(f"split must be one of {', '.join(SPLITS)}, came {split!r}")
    kind, colon, path = name.partition(":")
    if kind in ("folder", "npz"):
        if not path:
            raise InputError(f"dataset {kind} needs a path, {kind}:PATH, came {name!r}")
        return (load_folder if kind == "folder" else load_npz)(name, split, data_dir)
    if not colon:
        if kind == "digits":
            return load_digits(split)
        if kind == "cifar10":
            return load_cifar10(split, data_dir)
        if kind in ("mnist", "fashion-mnist"):
            return load_idx(kind, split, data_dir)
    raise InputError(f"dataset must be one of {', '.join(DATASETS)}, came {name!r}")
