"""Draws of the log-likelihood ratio of a noise and its shift, for many shifts from the same draws of the noise.

For X ~ q(· - v) write X = Y + v with Y ~ q. Then Λ = log q(X-v) - log q(X) = log q(Y) - log q(Y+v): one evaluation of
the density a shift, and nothing is known of q but how to draw from it and how to evaluate it up to a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError

Array = NDArray[np.float64]
Sampler = Callable[[int, int], Array]
"""(n, seed) to n independent draws, shape (n, dim): the same ones for the same seed."""
LogDensity = Callable[[Array], Array]
"""Points, shape (n, dim), to log q, shape (n,), up to a constant; -inf off the support."""

ROUNDING = 1e-8
"""A bound on the absolute error of Λ in float64. Every bound made of Λ gives it away to the safe side.

Sums of 150 528 terms err by some 1e-10 when NumPy adds them in pairs. What draws in float32 lose is not covered,
and is no error of Λ: it is evaluated in float64 at the points that were drawn."""

BEYOND = 1e300
"""Stands for an infinite Λ, where one of the densities is zero."""


@dataclass(frozen=True)
class LogRatios:
    """Λ under the shifted law, for m shifts, twice and independently.

    ``pilot``, shape (m, n₀), is looked at to choose thresholds; ``test``, shape (m, n), is what bounds are made of.
    The shifts may share their draws: every statement is about one of them, and statements combine by Bonferroni.
    """

    pilot: Array
    test: Array

    def __getitem__(self, shift: int) -> LogRatios:
        """Those of one shift, as a family of one."""
        return LogRatios(self.pilot[shift][None], self.test[shift][None])


@dataclass(frozen=True, kw_only=True)
class Draws:
    """n draws of a noise for testing and a quarter of that as a pilot, drawn anew, and alike, at each question.

    At most ``block`` numbers (or one draw, where that is more) are held at a time, and Λ for every shift.
    InputError where draws lie off their own support, as those in float32 do in high dimension, or Λ is NaN.
    """

    sample: Sampler
    log_density: LogDensity
    n: int
    seed: int
    block: int = 1 << 17

    def __post_init__(self) -> None:
        if self.n < 40:
            raise InputError(f"n must be at least 40 draws, got {self.n}")

    def log_ratios(self, shifts: ArrayLike) -> LogRatios:
        """Λ of every shift, shape (m, dim)."""
        return LogRatios(self.pilot(shifts), self._evaluate(shifts, self.n, stream=1))

    def pilot(self, shifts: ArrayLike) -> Array:
        """Λ on the pilot draws alone, shape (m, n₀)."""
        return self._evaluate(shifts, max(self.n // 4, 20), stream=0)

    def _evaluate(self, shifts: ArrayLike, n: int, stream: int) -> Array:
        shifts = np.atleast_2d(np.asarray(shifts, dtype=np.float64))
        rows = max(1, self.block // shifts.shape[1])
        blocks = -(-n // rows)
        seeds = np.random.SeedSequence([self.seed, stream]).generate_state(blocks, np.uint32)
        result = np.empty((len(shifts), n))
        for index, seed in enumerate(seeds):
            start = index * rows
            count = min(rows, n - start)
            y = np.asarray(self.sample(count, int(seed)), dtype=np.float64)
            here = self.log_density(y)
            if np.isneginf(here).any():
                raise InputError(
                    "a draw lies off the support of its own density by rounding: draw in float64"
                )
            moved = np.empty_like(y)
            for shift, out in zip(shifts, result[:, start : start + count], strict=True):
                np.add(y, shift, out=moved)
                with np.errstate(invalid="ignore"):  # found below
                    np.subtract(here, self.log_density(moved), out=out)
        if np.isnan(result).any():
            raise InputError(
                "log q(Y) - log q(Y+v) is NaN at some draw Y: the density must be a number or -inf"
            )
        return np.clip(result, -BEYOND, BEYOND, out=result)
