"""From votes to a probability that can be trusted: exact binomial bounds and the binomial test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special as sp

from geometry.errors import InputError

ABSTAIN = -1

Bound = Callable[[ArrayLike, ArrayLike, float], NDArray[np.float64]]
"""(k, n, α) to a lower bound on a probability."""


LEAST_ALPHA = 1e-90
"""Of certificates."""
LEAST_SHARE = 1e-100
"""Of α, of a bound on one of many classes: below it SciPy's tails lose their digits."""


def check_alpha(alpha: float, *, least: float = LEAST_ALPHA) -> None:
    """InputError unless least ≤ alpha < 1: the probability with which a certificate may be wrong."""
    if not 0 < alpha < 1:
        raise InputError(f"alpha is a failure probability in (0, 1), got {alpha!r}")
    if alpha < least:
        raise InputError(f"alpha below {least:g} is more than floats can promise, got {alpha!r}")


def clopper_pearson_lower(k: ArrayLike, n: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """The one-sided lower bound on a success probability after k successes in n trials: BetaInv(α; k, n-k+1).

    It exceeds the truth with probability at most α (one-sided: α, not α/2). Shapes broadcast; 0 where k = 0;
    rounded down. InputError unless 0 ≤ k ≤ n, n ≥ 1, α ≥ 1e-100 (Clopper and Pearson 1934).
    """
    check_alpha(alpha, least=LEAST_SHARE)
    k, n = np.broadcast_arrays(np.asarray(k), np.asarray(n))
    if not ((k >= 0) & (k <= n) & (n >= 1)).all():
        raise InputError("Clopper-Pearson needs 0 <= k <= n and n >= 1")
    with np.errstate(invalid="ignore"):
        bound = np.where(k > 0, sp.betaincinv(np.maximum(k, 1), n - k + 1, _aim(alpha, n)), 0.0)
    return bound * (1 - 4 * np.finfo(float).eps)


def randomized_lower(k: ArrayLike, n: ArrayLike, alpha: float, draw: ArrayLike) -> NDArray[np.float64]:
    """A lower bound that exceeds the truth with probability α, the p of P(X > k) + draw P(X = k) = α; less at the ends.

    ``draw`` is uniform on (0, 1) and independent of the votes. At draw = 1 it is Clopper's and Pearson's bound, else it
    is larger, by up to a vote's worth. At k = 0, and where the equation would give 1 (k = n, draw ≤ α), that bound
    stands in, so that luck alone certifies nothing: for truths beyond α^(1/n) it fails less often. Shapes broadcast;
    rounded down (Stevens 1950).
    """
    plain = clopper_pearson_lower(k, n, alpha)
    k, n, draw, plain = np.broadcast_arrays(np.asarray(k), np.asarray(n), np.asarray(draw, np.float64), plain)
    if not ((draw >= 0) & (draw <= 1)).all():
        raise InputError("a randomized bound needs a draw in [0, 1]")
    aim = _aim(alpha, n)
    low, high = plain.copy(), np.ones(plain.shape)
    for _ in range(64):
        middle = 0.5 * (low + high)
        more = np.where(k < n, sp.betainc(k + 1.0, np.maximum(n - k, 1), middle), 0.0)
        same = sp.betainc(np.maximum(k, 1), n - k + 1.0, middle) - more
        short = more + draw * same <= aim
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    known = (k > 0) & ((k < n) | (draw > alpha))
    return np.where(known, low * (1 - 4 * np.finfo(float).eps), plain)


def _aim(alpha: float, n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Less than α by what SciPy may miss it: of α, 5e-11 was seen at n = 1000 and 2e-10 at n = 100 000."""
    return alpha * (1 - 2e-10 - 2e-14 * n.astype(np.float64))


def binomial_p_value(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """The two-sided p-value of ``first`` against ``second`` successes under a fair coin.

    Exact: twice the upper tail of Binomial(first + second, 1/2) at the larger count, at most 1. It is the test
    by which a smoothed classifier returns its top class or abstains (Hung and Fithian 2019).
    """
    first, second = np.broadcast_arrays(np.asarray(first), np.asarray(second))
    top, total = np.maximum(first, second), first + second
    # P(B ≥ top) = I_{1/2}(top, total - top + 1)
    tail = np.where(top > 0, sp.betainc(np.maximum(top, 1), total - top + 1, 0.5), 1.0)
    return np.minimum(2 * tail, 1.0)
