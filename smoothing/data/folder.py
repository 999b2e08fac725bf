"""Image folders in the ImageNet manner: one folder a class, decoded when asked for."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from smoothing.data.dataset import Dataset
from smoothing.data.decode import EXTENSIONS, decode
from smoothing.data.files import reading, user_path

SPLIT_FOLDERS = {"train": ("train",), "test": ("test", "val")}
SIZE = 224
MAX_SIZE = 4096
THREADS = 8  # Pillow lets go of the interpreter while it decodes and resizes


@dataclass(frozen=True, eq=False)
class FolderSource:
    """files: paths relative to root, in the order of the images; size: of the square they are cropped to."""

    root: Path
    files: tuple[str, ...] = field(repr=False)
    size: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    def __len__(self) -> int:
        return len(self.files)

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        from concurrent.futures import ThreadPoolExecutor

        images = np.empty((len(indices), *self.shape), dtype=np.float32)
        paths = [self.root / self.files[i] for i in indices]
        with ThreadPoolExecutor(max_workers=min(THREADS, os.cpu_count() or 1)) as pool:
            for image, pixels in zip(
                images, pool.map(lambda path: decode(path, self.size), paths), strict=True
            ):
                np.divide(pixels, np.float32(255), out=image)
        return images

    def contents(self) -> Iterable[bytes]:
        for name in self.files:
            with reading(self.root / name, "image"):
                length = (self.root / name).stat().st_size
            yield f"{name}\0{length}\0".encode(errors="surrogateescape")


def load_folder(name: str, split: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """`folder:PATH[,size=S]`: PATH/train/CLASS/*, and PATH/test/CLASS/* or PATH/val/CLASS/*; or PATH/CLASS/*.

    In the last layout both splits are all of it. Where `test` and `val` both have class folders, `test`
    is the test split. Shape (3, S, S), S = 224 unless given. Classes and files are in torchvision's
    order; hidden ones are skipped. The classes are those of `train` where it is there, so that a test
    split that lacks some is still numbered as the model was trained. Raises InputError on a folder
    without images, a class that training does not know, and, when it is decoded, a damaged image.
    """
    root, size = parse(name, data_dir)
    own, base = split_folder(root, split)
    classes = class_folders(base)
    present = set(class_folders(own))
    unknown = sorted(present - set(classes))
    if unknown:
        raise InputError(
            f"{own}: its classes must be among those of {base}, came {unknown[0]} besides; remove it"
        )
    files: list[str] = []
    labels: list[int] = []
    for label, folder in enumerate(classes):
        if folder not in present:
            continue
        found = image_files(own, folder)
        if not found:
            raise InputError(
                f"{own / folder}: a class folder must hold an image ({' '.join(EXTENSIONS)}), came none; "
                "remove the folder"
            )
        files += found
        labels += [label] * len(found)
    return Dataset(
        name, split, classes, np.array(labels, dtype=np.int64), FolderSource(own, tuple(files), size)
    )


def parse(name: str, data_dir: str | os.PathLike[str] | None) -> tuple[Path, int]:
    """(root, size) of `folder:PATH[,size=S]`. Commas may occur in PATH; only a last `,size=` is an option."""
    text = name.partition(":")[2]
    head, comma, tail = text.rpartition(",")
    size = SIZE
    if comma and tail.startswith("size="):
        digits = tail.removeprefix("size=")
        if not re.fullmatch("[0-9]{1,9}", digits) or not 1 <= int(digits) <= MAX_SIZE:
            raise InputError(
                f"size of dataset {name} must be an integer in 1 … {MAX_SIZE}, came {digits or 'none'}"
            )
        text, size = head, int(digits)
    root = user_path(text, data_dir)
    with reading(root, "image folder"):
        if root.is_dir():
            return root, size
    hint = f"the only option is size=S, not {tail}" if comma and "=" in tail else "check the path"
    raise InputError(f"dataset {name} needs an existing folder, came {root}; {hint}")


def split_folder(root: Path, split: str) -> tuple[Path, Path]:
    """(the folder of the split, the folder whose classes count). A folder named `train` is a split only
    if it has folders itself: trains are also things that pictures are taken of."""
    splits = {
        n: root / n for n in ("train", "test", "val") if (root / n).is_dir() and class_folders(root / n)
    }
    if not splits:
        return root, root
    for folder in SPLIT_FOLDERS[split]:
        if folder in splits:
            return splits[folder], splits.get("train", splits[folder])
    required = " or ".join(f"{folder}/CLASS" for folder in SPLIT_FOLDERS[split])
    raise InputError(f"{root}: the {split} split needs {required} in it, came {', '.join(splits)}; add it")


def class_folders(folder: Path) -> tuple[str, ...]:
    """The names of the folders in `folder` that are not hidden, sorted."""
    with reading(folder, "image folder"):
        entries = sorted(path.name for path in folder.iterdir() if path.is_dir())
    return tuple(name for name in entries if not name.startswith("."))


def image_files(root: Path, folder: str) -> list[str]:
    """Image files at any depth in root/folder, relative to root: by folder, then by name."""
    seen = set()
    found: list[tuple[str, list[str]]] = []
    with reading(root / folder, "image folder"):
        for here, folders, names in os.walk(root / folder, followlinks=True, onerror=fail):
            real = os.path.realpath(here)
            folders[:] = [name for name in folders if not name.startswith(".") and real not in seen]
            if real not in seen:  # a link back up would otherwise count its images many times
                found.append((here, sorted(n for n in names if is_image(n))))
            seen.add(real)
    return [(Path(here) / n).relative_to(root).as_posix() for here, names in sorted(found) for n in names]


def is_image(name: str) -> bool:
    """Whether a file name is that of an image, and not hidden (as the `._` companions of macOS are)."""
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def fail(error: OSError) -> None:
    """os.walk skips folders it may not read, unless told otherwise."""
    raise error
