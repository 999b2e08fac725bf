"""A lower bound on the mean of a variable in [0, 1] from independent draws, valid at every n, by betting.

A gambler who stakes the share λ on x being above m holds Π (1 + λ(x_i - m)) after n draws. If E x ≤ m nobody expects
to gain: the expectation is at most 1, and by Markov's inequality the capital reaches 1/α with probability at most α.
So the largest m at which it does is a lower bound that is wrong with probability at most α, for every λ chosen
without looking at the x_i. A λ from a pilot sample makes it as short as the central limit theorem
would, σ sqrt(2 log(1/α) / n), also in tails where x is rarely or barely positive (Waudby-Smith and Ramdas 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothing.confidence import check_alpha

Array = NDArray[np.float64]

_MOST_STEPS = 60


def best_stake(pilot: Array, n: int, alpha: float) -> Array:
    """λ = sqrt(2 log(1/α) / n Var x), the best one for n draws to come, from a pilot sample of shape (..., n₀).

    Kept below 0.9 / (a generous guess of the mean), so that capital stays positive wherever a bound is sought.
    """
    check_alpha(alpha)
    count = pilot.shape[-1]
    mean, spread = pilot.mean(axis=-1), pilot.std(axis=-1)
    largest = np.clip(mean + 4 * spread / np.sqrt(count) + 4 / count, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        stake = np.sqrt(2 * np.log(1 / alpha) / n) / spread
    return np.minimum(stake, 0.9 / largest)


def mean_lower(x: Array, stake: Array, alpha: float) -> Array:
    """A number that exceeds E x with probability at most α, for independent draws x in [0, 1] of shape (..., n).

    ``stake``: λ > 0, shape (...), a function of anything but x. The log capital is concave and decreasing in m, so
    Newton's steps from the sample mean approach the root from above; the last step is taken twice, and rounding of
    the sum is covered by 1e-13.
    """
    check_alpha(alpha)
    goal = np.log(1 / alpha)
    m = np.minimum(x.mean(axis=-1), 0.95 / stake)
    for _ in range(_MOST_STEPS):
        capital = 1 + stake[..., None] * (x - m[..., None])
        gap = np.log(capital).sum(axis=-1) - goal
        step = np.minimum(gap / (stake * (1 / capital).sum(axis=-1)), 0.0)
        m = m + step
        if (step > -1e-14).all():
            break
    else:
        return np.zeros_like(m)  # what did not converge proves nothing
    return np.clip(m + 2 * step - 1e-13, 0.0, 1.0)


def mean_upper(x: Array, stake: Array, alpha: float) -> Array:
    """A number that falls below E x with probability at most α: 1 - (the lower bound for 1 - x).

    ``stake`` is the one for 1 - x.
    """
    return 1 - mean_lower(1 - x, stake, alpha)
