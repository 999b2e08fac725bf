"""A buffer filled by a law of ``kernels``: by compiled loops where they are worth their start, else by NumPy.

Both give the same bits, so that the choice can follow the clock. NumPy takes some ten times as long, and is all there
is without numba; but numba takes a third of a second to be imported, and some seconds to compile what it does not
find in its cache. So it is called in when NumPy has taken as long.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from smoothing.kernels import BLOCKS, CHUNK, CONSTANTS, HALF, Floats, Law, Words, compiled, through_table

Loop = Callable[[int, int, int, Floats, float, Floats, Floats], None]

_PATIENCE = 0.5  # seconds
_PIECE = 64  # chunks that NumPy takes at a time: fewer are all overhead, more leave a core's cache
_LOCK = Lock()
_spent = 0.0
_loops: dict[Law, Loop] = {}

EMPTY: Floats = np.empty(0, np.float32)


def fill(
    law: Law,
    seed: int,
    block: int,
    out: Floats,
    scale: float = 1.0,
    offsets: Floats = EMPTY,
    slopes: Floats = EMPTY,
) -> int:
    """Numbers of the law times ``scale`` from block ``block`` of the seed's stream on; returns the block after them.

    With a table they are sent through it first.
    """
    # What is called once in a step of training finds the caches cold, so there is little of it.
    loop = _loops.get(law) or _loop(law)
    loop(seed & 0xFFFFFFFF, seed >> 32, block, out, scale, offsets, slopes)
    return block + -(-len(out) // CHUNK) * BLOCKS


def _loop(law: Law) -> Loop:
    """NumPy's while there is patience with it, and without numba."""
    loop: Loop = partial(_by_numpy, law)
    if _spent < _PATIENCE:
        return loop
    with _LOCK:
        if law not in _loops:
            with suppress(ImportError):
                loop = compiled(law)
            _loops[law] = loop
        return _loops[law]


def _by_numpy(
    law: Law, low: int, high: int, block: int, out: Floats, scale: float, offsets: Floats, slopes: Floats
) -> None:
    global _spent
    begun = perf_counter()
    table = len(slopes) > 0
    with np.errstate(all="ignore"):  # compiled loops do not warn either
        factor = np.float32(scale)
        for start in range(0, len(out), _PIECE * CHUNK):
            piece = out[start : start + _PIECE * CHUNK]
            chunks = -(-len(piece) // CHUNK)
            words = _words(low, high, block + start // CHUNK * BLOCKS, chunks)
            halves = np.empty((chunks, 2, HALF), np.float32)
            halves[:, 0], halves[:, 1] = law(words[:, 0], words[:, 1], np.float32(1) if table else factor)
            numbers = halves.reshape(-1)[: len(piece)]
            piece[:] = through_table(numbers, factor, offsets, slopes) if table else numbers
    _spent += perf_counter() - begun


def _words(low: int, high: int, block: int, chunks: int) -> NDArray[np.int32]:
    """The words of so many chunks, shape (chunks, 2, HALF): as in ``kernels``, four columns or diagonals at once."""
    counter = np.arange(block, block + chunks * BLOCKS, dtype=np.uint64)
    start = np.zeros((16, len(counter)), np.uint32)
    start[:4], start[4], start[5] = CONSTANTS[:, None], low, high
    start[12], start[13] = counter, counter >> 32
    a, b, c, d = start.copy().reshape(4, 4, -1)
    for turn in (1, -1) * 4:
        _quarter_round(a, b, c, d)
        b, c, d = np.roll(b, -turn, axis=0), np.roll(c, 2, axis=0), np.roll(d, turn, axis=0)
    state = np.concatenate((a, b, c, d))
    state += start
    return state.view(np.int32).reshape(16, chunks, BLOCKS).swapaxes(0, 1).reshape(chunks, 2, HALF)


def _quarter_round(a: Words, b: Words, c: Words, d: Words) -> None:
    """In place."""
    other = np.empty_like(a)
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x += y
        z ^= x
        np.left_shift(z, n, out=other)
        np.right_shift(z, 32 - n, out=z)
        z |= other
