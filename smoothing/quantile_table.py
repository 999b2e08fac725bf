"""A quantile function as a table that a float's own bits index: a nanosecond a number.

The argument is e = -log u for a tail mass u, as ``draws`` has it. Intervals of e are those of floats that agree in
their exponent and the first bits of their mantissa, so that small and large e are resolved alike; within one the
quantile is taken as linear. That is off by at most |e² t″| / 8 · 2^-22: relative to t less than 2e-7 where t grows no
faster than e^3, what a few roundings to float32 do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothing.kernels import TABLE_FIRST, TABLE_SHIFT, Floats, Lines, interval, on_line

Array = NDArray[np.float64]

_LARGEST = 22.2  # what ``draws`` makes of 31 bits is less
# So there are 36 binades of 2^11 intervals, 8 bytes each, of which a sample keeps a tenth in cache.


@dataclass(frozen=True, eq=False)
class QuantileTable:
    """t(e) ≈ offset + slope · e on every interval."""

    lines: Lines
    """The slope's bits above those of the offset."""

    @classmethod
    def of(cls, quantile: Callable[[Array], Array]) -> QuantileTable:
        """From t at the ends of the intervals, increasing; ``quantile`` takes and gives arrays of float64."""
        last = np.float32(_LARGEST).view(np.int32) >> TABLE_SHIFT
        ends = (
            (np.arange(TABLE_FIRST, last + 2, dtype=np.int32) << TABLE_SHIFT)
            .view(np.float32)
            .astype(np.float64)
        )
        t = quantile(ends)
        slopes = np.diff(t) / np.diff(ends)
        offsets = t[:-1] - slopes * ends[:-1]
        low, high = (part.astype(np.float32).view(np.uint32) for part in (offsets, slopes))
        return cls(high.astype(np.uint64) << np.uint64(32) | low)

    def apply(self, e: Floats) -> None:
        """Replace e by t(e)."""
        e[:] = on_line(e, np.float32(1), self.lines[interval(e)])
