"""Labelled images in [0, 1], by name: the embedded digits, published files on disk, or the user's own.

`load_dataset(name, split=…)` gives a `Dataset`; `DATASETS` says in a line what each name is. Nothing
is downloaded: a set that is not there is an error that says how to get it.
"""

from smoothing.data.dataset import Dataset
from smoothing.data.load import DATASETS, load_dataset

__all__ = ["DATASETS", "Dataset", "load_dataset"]
