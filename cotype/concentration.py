"""An interval for the mean of a function of random signs, from samples: wrong with probability 1e-9 at most."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FAILURE = 1e-9


def mean_interval(samples: Array, *, steps: Array, largest: float) -> tuple[float, float]:
    """(lower, upper) of E Z ≥ 0 from N independent copies of Z = z(σ) in [0, ``largest``], where flipping the sign σ_j
    changes z by ``steps[j]`` at most. Both hold together with probability 1 - 1e-9; the narrower of two intervals,
    each with half of that probability:

    * bounded differences (McDiarmid 1989), of the mean as a function of all N n signs: radius
      √(Σ steps² log(2/δ) / 2N);
    * empirical Bernstein (Maurer and Pontil 2009): √(2 V log(4/δ) / N) + 7 largest log(4/δ) / 3(N-1), V the samples'
      variance, which wins where Z hardly varies.
    """
    count, delta = len(samples), FAILURE / 2
    differences = math.sqrt(float(steps @ steps) * math.log(2 / delta) / (2 * count))
    variance, log = float(samples.var(ddof=1)), math.log(4 / delta)
    bernstein = math.sqrt(2 * variance * log / count) + 7 * largest * log / (3 * (count - 1))
    mean, radius = float(samples.mean()), min(differences, bernstein)
    return max(0.0, mean - radius), min(largest, mean + radius)
