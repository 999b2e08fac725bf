"""Images that are in memory: bytes (kept as bytes, a quarter of the room) or floats in [0, 1]."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ArraySource:
    """pixels: (n, C, H, W), either uint8, where v stands for v/255, or float32 in [0, 1] (the caller checks).

    >>> ArraySource(np.full((1, 1, 1, 1), 255, dtype=np.uint8)).read(np.array([0])).item()
    1.0
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32] = field(repr=False)

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.dtype not in (np.uint8, np.float32):
            raise TypeError(f"pixels must be uint8 or float32 (n, C, H, W), came {self.pixels.dtype}")

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        # `order="C"`: fancy indexing of a transposed view (channels last on disk) keeps its memory order.
        images = self.pixels[indices].astype(np.float32, order="C", copy=True)
        if self.pixels.dtype == np.uint8:
            images /= np.float32(255)
        return images

    def contents(self) -> Iterable[bytes]:
        yield str(self.pixels.dtype).encode()
        for image in self.pixels:  # one at a time: a transposed view is never copied whole
            yield np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("<")).tobytes()
