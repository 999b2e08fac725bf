"""Bounds on a success probability that hold at every moment: look as often as you like, stop at will.

A gambler bets against "p ≤ p₀", his stakes spread evenly over the rivals q in [p₀, 1]. His capital after k successes
in n trials,

    M = ∫₀¹ (1 + s (1-p₀)/p₀)^k (1-s)^(n-k) ds      (q = p₀ + (1-p₀) s),

is a supermartingale under every p ≤ p₀, so it ever reaches 1/α with probability at most α (Ville 1939). It falls as
p₀ rises, so the p₀ at which it is 1/α bounds p from below, at all n at once (Robbins 1970; Waudby-Smith and Ramdas
2024; for certificates, Voráček 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special as sp

from geometry.errors import InputError
from smoothing.confidence import LEAST_SHARE, check_alpha

Array = NDArray[np.float64]

_STEPS = 60  # halvings: to a float's last digits


def log_capital(k: ArrayLike, n: ArrayLike, p0: ArrayLike) -> Array:
    """log M after k successes in n trials of the bets against p ≤ p₀; shapes broadcast; rounded down.

    Bets against p ≥ p₀ are those of the failures: ``log_capital(n - k, n, 1 - p0)``.
    """
    k, n, p0 = np.broadcast_arrays(
        np.asarray(k, dtype=float), np.asarray(n, dtype=float), np.asarray(p0, dtype=float)
    )
    if not ((k >= 0) & (k <= n) & (p0 > 0) & (p0 < 1)).all():
        raise InputError("capital needs 0 <= k <= n and 0 < p0 < 1")
    with np.errstate(divide="ignore"):
        won = sp.betaln(k + 1, n - k + 1) + np.log(sp.betaincc(k + 1, n - k + 1, p0))
    lost = k * np.log(p0) + (n - k + 1) * np.log1p(-p0)
    return won - lost - 1e-9 - 1e-13 * n


def betting_lower(k: ArrayLike, n: ArrayLike, alpha: float) -> Array:
    """A lower bound on p after k of n; with probability 1 - α it is below p at *every* n, so n may depend on the votes.

    0 where k = 0; never above k/n; rounded down. InputError unless 0 ≤ k ≤ n.
    """
    check_alpha(alpha, least=LEAST_SHARE)
    k, n = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(n, dtype=float))
    low, high = np.zeros(k.shape), np.where(n > 0, k / np.maximum(n, 1), 0.0)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rejected = (middle > 0) & (
            log_capital(k, n, np.clip(middle, 1e-300, np.nextafter(1, 0))) >= -np.log(alpha)
        )
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return low


def betting_upper(k: ArrayLike, n: ArrayLike, alpha: float) -> Array:
    """The upper bound to go with it: 1 - ``betting_lower`` of the failures."""
    return 1 - betting_lower(np.asarray(n) - np.asarray(k), n, alpha)
