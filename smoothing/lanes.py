"""Lanes: Python threads that draw, classify and count blocks of one image side by side, each on a core of its own.

Two lanes of one thread beat one lane of two threads for small networks, whose threads would wait for each other after
every layer. The blocks go to whoever is free; as the noise of a block depends on its number alone, and lanes only add
up, no vote depends on how many lanes there are.

A forward pass may keep something on its module, a skip connection say, and read it later: each lane calls a model of
its own, which shares the parameters.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import torch
from torch import nn

T = TypeVar("T")


class Blocks:
    """The block numbers of one count, handed out one by one; as a context, a lane that fails stops the others."""

    def __init__(self, numbers: range, progress: Callable[[int], object] | None = None) -> None:
        self._numbers = numbers
        self._next = iter(numbers)
        self._progress = progress
        self._lock = Lock()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        while not self._stopped:
            with self._lock:
                number = next(self._next, None)
            if number is None:
                return
            yield number

    def done(self, rows: int) -> None:
        """Tell ``progress`` that a block's rows are counted."""
        if self._progress is not None:
            with self._lock:
                self._progress(rows)

    def stop(self) -> None:
        """Hand out no more."""
        self._stopped = True

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stop()


def models_of(model: nn.Module, lanes: int) -> list[nn.Module]:
    """One for each lane: the model itself where it keeps nothing, else it and copies that share its parameters.

    The model alone where it cannot be copied, or where hooks or a replaced ``forward`` may keep things anywhere. What
    ``forward`` writes to a global variable is not seen: such a model needs a single lane.
    """
    modules = list(model.modules())
    anywhere = any(m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in modules)
    if lanes <= 1 or anywhere:
        return [model]
    known = all(type(m).__module__.startswith(("torch.nn.modules.", "smoothing.models.")) for m in modules)
    if known and not any(m.training for m in modules):  # in training batch norms count
        return [model] * lanes
    try:
        return [
            model,
            *(copy.deepcopy(model, {id(p): p for p in model.parameters()}) for _ in range(1, lanes)),
        ]
    except Exception:  # whatever a module's own way to copy raises
        return [model]


def run_lanes(lane: Callable[[int], T], blocks: Blocks, *, lanes: int, threads: int | None) -> list[T]:
    """What ``lane(0)``, ``lane(1)``, … return, which work off ``blocks`` on ``threads`` threads of torch's each.

    ``threads`` None: a single lane on all of them. After Ctrl-C every lane ends the block that it is in.
    """
    if threads is None:
        return [lane(0)]
    with threads_each(threads):
        if lanes <= 1:
            return [lane(0)]
        with ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
            try:
                return list(pool.map(lane, range(lanes)))
            finally:
                blocks.stop()


@contextmanager
def threads_each(threads: int) -> Iterator[None]:
    """So many of torch's for this thread and those that it starts, which take turns with the interpreter more often."""
    before, interval = torch.get_num_threads(), sys.getswitchinterval()
    try:
        # A lane that comes back from a kernel should not wait 5 ms for the interpreter: worth a tenth of the time.
        sys.setswitchinterval(min(interval, 2e-4))
        torch.set_num_threads(threads)  # holds for this thread only; new threads take it over
        yield
    finally:
        torch.set_num_threads(before)
        sys.setswitchinterval(interval)
