"""How many noisy copies go through the model at once: found by a short probe, halved where memory runs out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import torch
from torch import nn

FASTER = 1.02
"""By which another way must be: less is the clock's noise."""


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
    models: Sequence[nn.Module],
    shape: Sequence[int],
    most: int,
    device: torch.device,
    dtype: torch.dtype,
    threads: int | None = None,
) -> tuple[int, float]:
    """The fastest of ``most``, its half, its quarter, …, and its images a second; sizes that do not fit are left out.

    The models, one of each lane, are called side by side on ``threads`` threads of torch's each; the first alone on all
    where None. The model's own error where not even one image fits.
    """
    best, best_rate, batch = 1, 0.0, most
    before = torch.get_num_threads()
    each, models = (before, models[:1]) if threads is None else (threads, models)
    try:
        torch.set_num_threads(each)
        with ThreadPoolExecutor(len(models), initializer=torch.set_num_threads, initargs=(each,)) as pool:
            while batch:
                rate = 0.0
                try:
                    ready = [torch.rand(batch, *shape, device=device, dtype=dtype) for _ in models]
                    run = map if threads is None else pool.map
                    rate = sum(run(_rate, models, ready))
                except Exception as error:
                    if not out_of_memory(error) or batch == 1:
                        raise
                if rate > FASTER * best_rate:
                    best, best_rate = batch, rate
                elif rate < 0.8 * best_rate:
                    break  # smaller ones only lose more
                batch //= 2
    finally:
        torch.set_num_threads(before)
    return best, best_rate


@torch.inference_mode()
def _rate(model: nn.Module, ready: torch.Tensor) -> float:
    """Images a second: the median of some passes after a first, or one pass where that takes its time."""
    seconds: list[float] = []
    while len(seconds) < 4 or (sum(seconds) < 0.3 and len(seconds) < 50):
        start = time.perf_counter()
        model(ready)
        if ready.is_cuda:
            torch.cuda.synchronize(ready.device)
        seconds.append(time.perf_counter() - start)
        if sum(seconds) > 1:
            break
    return len(ready) / median(seconds[1:] or seconds)
