"""One image file to one array: RGB, shorter side resized, centre cropped, as ImageNet is evaluated."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometry.errors import InputError
from smoothing.data.files import reading

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
MAX_ASPECT = 100  # beyond it, resizing by the shorter side makes an image too large to hold


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """The centre `size`×`size` of the image with its shorter side at round(size·8/7): uint8 (3, size, size).

    224 gives the usual 256 and 224. Bilinear with antialiasing (Pillow's), the longer side rounded down,
    the crop's corner rounded half to even; orientation tags are ignored: all as torchvision does, so that
    a model sees the pixels it was trained for. Raises InputError, naming the file, when it cannot be
    decoded, has more than 8 bits a channel (Pillow would clip them), or is over 100 times as long as wide.
    """
    from PIL import Image

    with reading(path, "image"), Image.open(path) as image:
        if image.mode.startswith(("I", "F")):
            raise InputError(
                f"{path}: images must have 8 bits a channel, came mode {image.mode}; convert the file"
            )
        rgb = image.convert("RGB")
    width, height = rgb.size
    short, long = sorted(rgb.size)
    if not 1 <= long <= MAX_ASPECT * short:
        raise InputError(
            f"{path}: the longer side must be at most {MAX_ASPECT} times the shorter, "
            f"came {width}×{height}; crop the file"
        )
    side = round(size * 8 / 7)  # never a tie: 16·size is even and an odd multiple of 7 is not
    stretched = int(side * long / short)
    target = (side, stretched) if width <= height else (stretched, side)
    if target != rgb.size:
        rgb = rgb.resize(target, Image.Resampling.BILINEAR)
    left, top = (round((edge - size) / 2) for edge in target)
    cropped = rgb.crop((left, top, left + size, top + size))
    return np.asarray(cropped, dtype=np.uint8).transpose(2, 0, 1)
