"""How noisy copies go through the model: found by a short probe, halved where memory runs out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import nn

_FASTER = 1.02
"""By which another way must be: less is the clock's noise."""
_HOPELESS = 0.8
"""Of the best rate: from here on it is not the clock's noise."""
_TURNS = 3


@dataclass(frozen=True)
class Way:
    """``batch`` copies in each of the models, one a lane, which are called side by side.

    Each on ``threads`` of torch's threads; a single one on all of them where None.
    """

    models: Sequence[nn.Module]
    threads: int | None
    batch: int


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


@dataclass(frozen=True)
class Probe:
    """Times ways for images of one shape, layout, device and type."""

    shape: Sequence[int]
    channels_last: bool
    device: torch.device
    dtype: torch.dtype

    def best_batch(self, most: Way) -> tuple[Way, float]:
        """The fastest of ``most``'s batch, its half, its quarter, …, and its rate; those that do not fit are left out.

        The model's own error where not even one image fits.
        """
        best, best_rate, way = replace(most, batch=1), 0.0, most
        while way.batch:
            rate = 0.0
            try:
                rate = self.rate(way)
            except Exception as error:
                if not out_of_memory(error) or way.batch == 1:
                    raise
            if rate > _FASTER * best_rate:
                best, best_rate = way, rate
            elif rate < _HOPELESS * best_rate:
                break  # smaller ones only lose more
            way = replace(way, batch=way.batch // 2)
        return best, best_rate

    def better(self, first: tuple[Way, float], second: tuple[Way, float]) -> Way:
        """The first unless the second is faster: timed in turns where their rates are close, as minutes differ."""
        (a, rate_a), (b, rate_b) = first, second
        if min(rate_a, rate_b) > _HOPELESS * max(rate_a, rate_b):
            turns = [(self.rate(a), self.rate(b)) for _ in range(_TURNS)]
            rate_a, rate_b = (median(rates) for rates in zip(*turns, strict=True))
        return b if rate_b > _FASTER * rate_a else a

    def rate(self, way: Way) -> float:
        """Images a second."""
        before = torch.get_num_threads()
        each = way.threads or before
        try:
            torch.set_num_threads(each)
            ready = [self._ready(way.batch) for _ in way.models]
            if way.threads is None:
                return _rate(way.models[0], ready[0])
            with ThreadPoolExecutor(
                len(way.models), initializer=torch.set_num_threads, initargs=(each,)
            ) as pool:
                return sum(pool.map(_rate, way.models, ready))
        finally:
            torch.set_num_threads(before)

    def _ready(self, batch: int) -> torch.Tensor:
        images = torch.rand(batch, *self.shape, device=self.device, dtype=self.dtype)
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images


@torch.inference_mode()
def _rate(model: nn.Module, ready: torch.Tensor) -> float:
    """The median of some passes after a first, or one pass where that takes its time."""
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
