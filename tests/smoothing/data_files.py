"""Writers of the published formats, made from their descriptions with struct, and a reader without rights."""

import gzip
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

NOBODY = 65534


def idx_bytes(axes: tuple[int, ...], values: bytes, magic: int = 0x0800) -> bytes:
    """An IDX file: magic number with the number of axes in its last byte, axes, values; all big-endian."""
    return struct.pack(f">I{len(axes)}I", magic + len(axes), *axes) + values


def write_mnist(folder: Path, prefix: str, images: np.ndarray, labels: list[int], packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (
        (f"{prefix}-images-idx3-ubyte", idx_bytes(images.shape, images.tobytes())),
        (f"{prefix}-labels-idx1-ubyte", idx_bytes((len(labels),), bytes(labels))),
    ):
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)


def cifar_record(label: int, pixel: dict[tuple[int, int, int], int]) -> bytes:
    """One record: label, then the red, green and blue planes row by row; `pixel` maps (c, y, x) to a byte."""
    planes = bytearray(3072)
    for (c, y, x), value in pixel.items():
        planes[1024 * c + 32 * y + x] = value
    return bytes([label]) + bytes(planes)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """An RGB picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_pictures(root: Path, *names: str, size: tuple[int, int] = (40, 36)) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(*size, seed=seed).save(root / name)


@contextmanager
def denied(path: Path) -> Iterator[None]:
    """Inside, this process may not read `path`: root gives up its rights for the while."""
    mode = path.stat().st_mode
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.chmod(mode)


def damaged(data: bytes, rounds: int, seed: int) -> Iterator[bytes]:
    """`data` cut short, and with a few bytes changed, `rounds` times each."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        yield data[: rng.integers(0, len(data))]
        changed = bytearray(data)
        for at in rng.integers(0, len(data), size=3):
            changed[at] = rng.integers(0, 256)
        yield bytes(changed)
