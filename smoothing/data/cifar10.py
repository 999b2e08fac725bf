"""CIFAR-10 in its binary version: records of one label byte and 3072 pixel bytes, nothing else."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from smoothing.data.arrays import ArraySource
from smoothing.data.dataset import Dataset
from smoothing.data.files import file_in, missing, places, reading

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)  # red, green, blue planes, each in row order
RECORD = 1 + 3 * 32 * 32
FILES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
UNPACKED = "cifar-10-batches-bin"
ADVICE = (
    "download cifar-10-binary.tar.gz, the binary version on the page 'The CIFAR-10 dataset' of "
    "Alex Krizhevsky, unpack it and name its folder by --data-dir"
)


def load_cifar10(split: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """CIFAR-10, (3, 32, 32): the five training batches one after the other, or the test batch.

    The Python version of the set is not read: it is made of pickles, and those can run code.
    Raises InputError when a file is missing or damaged.
    """
    looked = places((UNPACKED, f"cifar10/{UNPACKED}", "cifar10"), data_dir)
    for folder in looked:
        paths = [file_in(folder, name) for name in FILES[split]]
        found = [path for path in paths if path is not None]
        if found and len(found) < len(paths):
            lacking = ", ".join(n for n, p in zip(FILES[split], paths, strict=True) if p is None)
            raise missing("cifar10", f"{lacking} beside {found[0].name}", [folder], ADVICE)
        if found:
            records = np.concatenate([read_records(path) for path in found])
            pixels = records[:, 1:].reshape(-1, *SHAPE)
            return Dataset("cifar10", split, CLASSES, records[:, 0].astype(np.int64), ArraySource(pixels))
    raise missing("cifar10", ", ".join(FILES[split]) + " (the binary version)", looked, ADVICE)


def read_records(path: Path) -> NDArray[np.uint8]:
    """The records of one file: uint8 (n, 3073), the label first. Raises InputError on a wrong size."""
    with reading(path, "CIFAR-10 batch"):
        data = path.read_bytes()
    if not data or len(data) % RECORD:
        raise InputError(
            f"{path}: a CIFAR-10 batch must be a positive multiple of {RECORD} bytes, "
            f"came {len(data)}; download it again"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, RECORD)
