"""The dataset: labels in memory, images read when they are asked for, and a fingerprint of both."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError

FINGERPRINT_DIGITS = 16  # 64 bits: two sets that a user confuses do not collide by chance


class Source(Protocol):
    """Where the pixels come from. Contract: images are numbered 0 … n-1, in a fixed order.

    `read` gets valid indices (int64, 1-D) and returns a fresh float32 array (len(indices), C, H, W),
    C-contiguous, values in [0, 1]. `contents` yields bytes that change when the images do.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W), the same for every image."""

    def __len__(self) -> int:
        """How many images there are."""

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """The images with these indices."""

    def contents(self) -> Iterable[bytes]:
        """Bytes that stand for the images, for the fingerprint."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """`len(ds)` labelled images of one shape, in a fixed order.

    name: as it was asked for; split: "train" or "test"; classes: the names, label k is classes[k];
    labels: int64 (len,), read-only. Raises InputError when labels and images do not fit each other
    or a label is outside 0 … num_classes - 1.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64] = field(repr=False)
    source: Source = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.source) == 0:
            raise InputError(f"{self.name}: the {self.split} split must hold at least one image, came 0")
        if self.labels.shape != (len(self.source),):
            raise InputError(
                f"{self.name}: the {self.split} split must have one label per image, "
                f"came {len(self.source)} images and labels of shape {self.labels.shape}"
            )
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= self.num_classes))
        if wrong.size:
            raise InputError(
                f"{self.name}: labels of the {self.split} split must lie in 0 … {self.num_classes - 1}, "
                f"came {self.labels[wrong[0]]} for image {wrong[0]}; number the classes from 0"
            )
        own = np.array(self.labels, dtype=np.int64)
        own.flags.writeable = False
        object.__setattr__(self, "labels", own)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return self.source.shape

    @property
    def num_classes(self) -> int:
        """K; labels lie in 0 … K - 1, and not every class need occur in this split."""
        return len(self.classes)

    def images(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """The images `indices`, in that order: float32 (n, C, H, W), values in [0, 1], C-contiguous, fresh.

        indices: 1-D integers in 0 … len - 1, repeats allowed, possibly none. Raises InputError for
        anything else, and when a file behind an image can no longer be read.
        """
        wanted = np.asarray(indices)
        if wanted.size == 0:
            wanted = np.zeros(0, dtype=np.int64)
        if wanted.ndim != 1 or not np.issubdtype(wanted.dtype, np.integer):
            raise InputError(
                f"indices must be a 1-D sequence of integers, came {wanted.dtype} of shape {wanted.shape}"
            )
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise InputError(
                f"indices must lie in 0 … {len(self) - 1} ({self.name}, {self.split} split), "
                f"came {wanted.min()} … {wanted.max()}"
            )
        return self.source.read(wanted.astype(np.int64))

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that stand for what the data is, the same on every machine and at every path.

        A hash of the kind of set, split, shape, class names, labels and contents: pixels where they are
        in memory; relative paths and file sizes where images are files, since reading every file of a
        large set takes longer than most runs. An image file edited without changing its size is not seen.
        """
        facts = {
            # Without the path: data that was moved or copied is the same data.
            "kind": self.name.partition(":")[0],
            "split": self.split,
            "shape": self.shape,
            "classes": self.classes,
            "images": len(self),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        digest.update(self.labels.astype("<i8").tobytes())
        for part in self.source.contents():
            digest.update(part)
        return digest.hexdigest()[:FINGERPRINT_DIGITS]
