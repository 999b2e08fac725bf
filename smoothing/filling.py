"""A buffer filled by a law of ``kernels``: by compiled loops where they are worth their start, else by NumPy.

Both give the same bits, so that the choice can follow the clock. NumPy takes some ten times as long, and is all there
is without numba; but numba takes a third of a second to be imported, and some seconds to compile what it does not
find in its cache. So it is called in when NumPy has taken as long.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from threading import Lock
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from smoothing.compiling import compiled, compiled_resize
from smoothing.kernels import (
    BLOCKS,
    CHUNK,
    CONSTANTS,
    HALF,
    LANES,
    LEAST,
    MOST,
    NO_TABLE,
    Floats,
    Law,
    Lines,
    Loop,
    Resize,
    Words,
    interval,
    on_line,
    pareto,
    through_expm1,
)

Doubles = NDArray[np.float64]

_PATIENCE = 0.5  # seconds
_PIECE = 64  # chunks that NumPy takes at a time: fewer are all overhead, more leave a core's cache
_LOCK = Lock()
_spent = 0.0
_loops: dict[Law, Loop] = {}
_resizes: list[Resize] = []  # none before it is compiled, or numba known to be missing


def fill(
    law: Law,
    seed: int,
    block: int,
    out: Floats,
    scale: float = 1.0,
    table: Lines = NO_TABLE,
    rate: float = 0.0,
) -> int:
    """Numbers of the law times ``scale`` from block ``block`` of the seed's stream on; returns the block after them.

    With a table they are sent through it first. ``rate`` is that of ``pareto``.
    """
    # What is called once in a step of training finds the caches cold, so there is little of it.
    loop = _loops.get(law) or _loop(law)
    loop(seed & 0xFFFFFFFF, seed >> 32, block, out, scale, rate, table)
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


def resize(out: Floats, lengths: Doubles, factor: float, exponent: float) -> None:
    """Scale each row of ``out`` to ``factor`` times its length in the norm of that exponent: 1, 2 or inf.

    Sums and the ratio are taken in float64. Rows of zeros stay so, and what overflows float32 ends at about its
    largest number.
    """
    (_resizes[0] if _resizes else _resize())(out, lengths, factor, exponent)


def _resize() -> Resize:
    if _spent < _PATIENCE:
        return _resize_by_numpy
    with _LOCK:
        if not _resizes:
            found: Resize = _resize_by_numpy
            with suppress(ImportError):
                found = compiled_resize()
            _resizes.append(found)
        return _resizes[0]


def _resize_by_numpy(out: Floats, lengths: Doubles, factor: float, exponent: float) -> None:
    global _spent
    begun = perf_counter()
    rows = max(1, _PIECE * CHUNK // out.shape[1])
    with np.errstate(all="ignore"):
        for start in range(0, len(out), rows):
            piece = out[start : start + rows]
            ratio = factor * lengths[start : start + rows] / np.maximum(_norms(piece, exponent), LEAST)
            piece *= np.minimum(ratio, MOST).astype(np.float32)[:, None]
    _spent += perf_counter() - begun


def _norms(rows: Floats, exponent: float) -> Doubles:
    """As ``kernels`` has them, sum by sum."""
    if exponent == np.inf:
        return np.abs(rows).max(axis=1).astype(np.float64)
    n, dim = rows.shape
    terms = np.zeros((n, -(-dim // LANES) * LANES))
    terms[:, :dim] = np.abs(rows)
    if exponent == 2:
        terms *= terms
    # Reductions along an axis that is not the last one go entry by entry; only those along the last one are pairwise.
    sums = np.add.reduce(terms.reshape(n, -1, LANES), axis=1)
    half = LANES // 2
    while half:
        sums = sums[:, :half] + sums[:, half:]
        half //= 2
    return sums[:, 0] if exponent == 1 else np.sqrt(sums[:, 0])


def _by_numpy(
    law: Law,
    low: int,
    high: int,
    block: int,
    out: Floats,
    scale: float,
    rate: float,
    table: Lines,
) -> None:
    global _spent
    begun = perf_counter()
    tabulated, power = len(table) > 0, law is pareto
    with np.errstate(all="ignore"):  # compiled loops do not warn either
        factor = np.float32(scale)
        inner = np.float32(rate if power else 1 if tabulated else scale)
        for start in range(0, len(out), _PIECE * CHUNK):
            piece = out[start : start + _PIECE * CHUNK]
            chunks = -(-len(piece) // CHUNK)
            words = _words(low, high, block + start // CHUNK * BLOCKS, chunks)
            halves = np.empty((chunks, 2, HALF), np.float32)
            halves[:, 0], halves[:, 1] = law(words[:, 0], words[:, 1], inner)
            numbers = halves.reshape(-1)[: len(piece)]
            if power:
                numbers = through_expm1(numbers, factor)
            elif tabulated:
                numbers = on_line(numbers, factor, table[interval(numbers)])
            piece[:] = numbers
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
