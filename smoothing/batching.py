"""How many noisy copies go through the model at once: found by a short probe, halved where memory runs out."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import nn


def out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may help: CUDA's error class, or the text of the CPU allocator's."""
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def lay_out(model: nn.Module, shape: Sequence[int]) -> None:
    """Put convolutions over several channels into channels-last layout, in place: a quarter faster, the same values."""
    if len(shape) == 3 and shape[0] > 1:
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def best_batch(
    model: nn.Module, shape: Sequence[int], most: int, device: torch.device, dtype: torch.dtype
) -> int:
    """The fastest of ``most``, its half, its quarter, …: a second or two. Sizes that do not fit are passed over.

    The model's own error where not even one image fits.
    """
    best, best_rate, batch = 1, 0.0, most
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)  # as in each lane of the voter
        while batch:
            rate = 0.0
            try:
                rate = _rate(model, torch.rand(batch, *shape, device=device, dtype=dtype))
            except Exception as error:
                if not out_of_memory(error) or batch == 1:
                    raise
            if rate > best_rate:
                best, best_rate = batch, rate
            elif rate < 0.8 * best_rate:
                break  # smaller ones only lose more
            batch //= 2
    finally:
        torch.set_num_threads(threads)
    return best


@torch.inference_mode()
def _rate(model: nn.Module, ready: torch.Tensor) -> float:
    """Images a second: the best of three passes after a first, or one pass where that takes its time."""
    seconds: list[float] = []
    while len(seconds) < 4 and sum(seconds) < 0.5:
        start = time.perf_counter()
        model(ready)
        if ready.is_cuda:
            torch.cuda.synchronize(ready.device)
        seconds.append(time.perf_counter() - start)
    return len(ready) / min(seconds)
