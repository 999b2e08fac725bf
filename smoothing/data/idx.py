"""MNIST and Fashion-MNIST: four files in the IDX format, compressed by gzip or not."""

import gzip
import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from smoothing.data.arrays import ArraySource
from smoothing.data.dataset import Dataset
from smoothing.data.files import file_in, missing, places, reading

PREFIX = {"train": "train", "test": "t10k"}
UBYTE = 0x08


@dataclass(frozen=True)
class Published:
    """One set in the MNIST layout: class names, the folders it is commonly put in, how to get it."""

    classes: tuple[str, ...]
    subfolders: tuple[str, ...]
    advice: str


SETS = {
    "fashion-mnist": Published(
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        subfolders=("fashion-mnist", "FashionMNIST/raw"),
        advice="on Debian or Ubuntu, apt-get install dataset-fashion-mnist; elsewhere, download the four "
        "files from the GitHub project zalandoresearch/fashion-mnist and name their folder by --data-dir",
    ),
    "mnist": Published(
        classes=tuple("0123456789"),
        subfolders=("mnist", "MNIST/raw"),
        advice="download the four files of the page 'The MNIST database of handwritten digits' "
        "(LeCun, Cortes, Burges) and name their folder by --data-dir",
    ),
}


def load_idx(name: str, split: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """`name` of SETS, in the order of the files; shape (1, 28, 28) as published.

    Raises InputError when the split's two files are missing, damaged, or do not fit each other.
    """
    published = SETS[name]
    images, labels = (f"{PREFIX[split]}-{part}-ubyte" for part in ("images-idx3", "labels-idx1"))
    looked = places(published.subfolders, data_dir)
    for folder in looked:
        image_file = file_in(folder, images, images + ".gz")
        label_file = file_in(folder, labels, labels + ".gz")
        if image_file and label_file:
            pixels = read_idx(image_file, ndim=3)[:, None]
            targets = read_idx(label_file, ndim=1).astype(np.int64)
            return Dataset(name, split, published.classes, targets, ArraySource(pixels))
    raise missing(name, f"{images} and {labels} (with .gz or without)", looked, published.advice)


def read_idx(path: Path, *, ndim: int) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes with `ndim` axes; read-only.

    The format: two zero bytes, the type (08: unsigned byte), the number of axes, each axis as a
    big-endian 32-bit integer, then the values in C order, to the end of the file.
    """
    with reading(path, "IDX file"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    required = bytes([0, 0, UBYTE, ndim])
    if data[:4] != required:
        came = data[:4].hex(" ") or "an empty file"
        raise InputError(
            f"{path}: an IDX file of bytes with {ndim} axes must start with {required.hex(' ')}, "
            f"came {came}; download it again"
        )
    start = 4 + 4 * ndim
    if len(data) < start:
        raise InputError(f"{path}: the header must have {start} bytes, came {len(data)}; download it again")
    shape = struct.unpack(f">{ndim}I", data[4:start])
    if 0 in shape:
        raise InputError(f"{path}: every axis must be at least 1, came {shape}; download it again")
    if len(data) - start != prod(shape):
        raise InputError(
            f"{path}: shape {shape} requires {prod(shape)} bytes of data, came {len(data) - start}; "
            "download it again"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
