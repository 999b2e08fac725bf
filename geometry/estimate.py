"""A number, how far it may be from the truth, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

CLOSED_FORM = "closed form"
EXACT = "exact"  # finitely many operations, such as a sum over all facets
QUADRATURE = "quadrature"
LINEAR_PROGRAM = "linear program"
BOUNDS = "bounds"
MONTE_CARLO = "Monte Carlo"

# Monte Carlo errors are this many standard errors; a normal mean leaves them once in 1.7 million times.
STANDARD_ERRORS = 5.0


@dataclass(frozen=True, eq=False)
class Estimate:
    """``lower`` ≤ truth ≤ ``upper``, with ``value`` between them; shapes agree with the question's.

    ``error`` bounds |value - truth|: rounding for closed forms and exact methods (left at 0 where it is a few units in
    the last place), a proven or stated bound for quadratures and programs, five standard errors for Monte Carlo.
    NumPy reads an estimate as its value.

    >>> volume = Estimate(2.0, 0.25, MONTE_CARLO)
    >>> print(volume, float(volume.upper))
    2 ± 0.25 (Monte Carlo) 2.25
    """

    value: Array
    error: Array
    method: str

    def __init__(self, value: ArrayLike, error: ArrayLike = 0.0, method: str = CLOSED_FORM) -> None:
        value = np.asarray(value, dtype=np.float64)
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "error", np.broadcast_to(np.asarray(error, dtype=np.float64), value.shape))
        object.__setattr__(self, "method", method)

    @classmethod
    def between(cls, lower: ArrayLike, upper: ArrayLike, method: str) -> Estimate:
        """The middle of two bounds, with half their distance as its error."""
        lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
        return cls(0.5 * (lower + upper), 0.5 * (upper - lower), method)

    @classmethod
    def mean(cls, samples: Array, scale: ArrayLike = 1.0) -> Estimate:
        """``scale`` times the mean over the first axis of independent samples, with its five standard errors."""
        scale = np.asarray(scale, dtype=np.float64)
        spread = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
        return cls(scale * samples.mean(axis=0), STANDARD_ERRORS * np.abs(scale) * spread, MONTE_CARLO)

    @property
    def lower(self) -> Array:
        return self.value - self.error

    @property
    def upper(self) -> Array:
        return self.value + self.error

    def __float__(self) -> float:
        return float(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype) if copy else np.asarray(self.value, dtype=dtype)

    def __getitem__(self, index: Any) -> Estimate:
        return Estimate(self.value[index], self.error[index], self.method)

    def __str__(self) -> str:
        if self.value.ndim:
            return f"{self.value} ({self.method})"
        error = f" ± {self.error:.3g}" if self.error else ""
        return f"{self.value:.10g}{error} ({self.method})"
