"""The embedded set: 1797 handwritten digits of 8×8 pixels that come with scikit-learn."""

import numpy as np
from numpy.typing import NDArray

from smoothing.data.arrays import ArraySource
from smoothing.data.dataset import Dataset

SEED = 20200219  # of the split; part of the definition of the set, never to change
TEST_PER_CLASS = 45  # 450 test images, a quarter


def load_digits(split: str) -> Dataset:
    """Digits, (1, 8, 8), pixels v/16: 450 test images, 45 a class, and 1347 training images.

    Both sets are in a fixed random order, and every ten consecutive test images starting at a multiple
    of ten hold each class once; so the first N images, or every s-th, represent all classes.
    """
    from sklearn.datasets import load_digits as load

    bunch = load()
    labels = np.asarray(bunch.target, dtype=np.int64)
    train, test = split_digits(labels)
    chosen = test if split == "test" else train
    pixels = (bunch.images[chosen, None] / 16).astype(np.float32)  # exact: v/16 has five bits at most
    classes = tuple(str(name) for name in bunch.target_names)
    return Dataset("digits", split, classes, labels[chosen], ArraySource(pixels))


def split_digits(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (train, test), disjoint, together all; a pure function of the labels."""
    order = shuffled(labels.size, stream=0)
    heads = [order[labels[order] == k][:TEST_PER_CLASS] for k in range(labels.max() + 1)]
    blocks = np.stack(heads, axis=1)  # (45, 10): row b holds one image of each class
    test = np.concatenate([row[shuffled(row.size, stream=1 + b)] for b, row in enumerate(blocks)])
    # Shuffled anew: `order` without the first 45 of each class would begin with the commonest classes.
    rest = np.setdiff1d(np.arange(labels.size), test)
    train = rest[shuffled(rest.size, stream=1 + len(blocks))]
    return train, test


def shuffled(n: int, *, stream: int) -> NDArray[np.int64]:
    """A permutation of 0 … n-1, the same for ever.

    It sorts raw words of PCG64 rather than call `Generator.permutation`: NumPy promises the words of a
    bit generator for all versions to come, the methods of Generator only until they are improved.
    """
    return np.argsort(np.random.PCG64([SEED, stream]).random_raw(n), kind="stable")
