"""The differential method by Monte Carlo: Φ from draws of a score S = <v, -∇log q(X)>.

Φ(p) = sup {E[S; U] : q(U) = p} lies between, for any s ≤ t,

    above   s p + E(S - s)₊
    below   s p + θ E[(S - s) 1{S ≥ t}]     if P(S ≥ s) ≥ p ≥ θ P(S ≥ t),

and at the best threshold, the quantile of S at 1-p, the two meet. The radius ∫ dp/Φ(p) of an empirical law is a sum
of logarithms, Φ being piecewise linear (Yang et al. 2020, Theorem 4.1).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special as sp

from geometry.errors import InputError
from smoothing.confidence import check_alpha, clopper_pearson_lower
from smoothing.methods.bounded_mean import best_stake, mean_lower, mean_upper
from smoothing.methods.log_ratios import LogDensity

Array = NDArray[np.float64]


def score_by_differences(log_density: LogDensity, x: Array, direction: ArrayLike, *, step: float) -> Array:
    """<v, -∇log q(x)> ≈ (log q(x - hv) - log q(x + hv)) / 2h at points of shape (n, dim), with h = ``step``.

    Its error is at most h²/6 times the largest third derivative along v plus 1e-8/h of rounding. Within h of a kink
    of log q it is a mean of the scores on both sides; such points have a mass that vanishes with h. InputError
    where a density is zero nearby: uniform noise has no score, but a boundary.
    """
    v = step * np.asarray(direction, dtype=np.float64)
    behind, ahead = log_density(x - v), log_density(x + v)
    if not (np.isfinite(behind) & np.isfinite(ahead)).all():
        raise InputError("the log density is not finite near some draw: this noise has no score there")
    return (behind - ahead) / (2 * step)


def phi_band(
    pilot: Array,
    test: Array,
    p: ArrayLike,
    alpha: float,
    *,
    largest: float = math.inf,
    upper_square: float = math.inf,
) -> tuple[Array, Array]:
    """(low, high) with low ≤ Φ(p) ≤ high at all ``p`` of shape (k,) at once but for probability α.

    ``pilot``, ``test``: independent draws of S, shapes (n₀,) and (n,). No sample bounds an expectation from above by
    itself: ``high`` needs ``largest`` ≥ S or ``upper_square`` ≥ E[S²; S > 0], and is inf without either.
    """
    check_alpha(alpha)
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 1 or not ((p > 0) & (p < 1)).all():
        raise InputError(f"phi_band takes p in (0, 1) of shape (k,), got shape {p.shape}")
    alpha = alpha / (4 * len(p))
    n0, n = len(pilot), len(test)
    margin = np.sqrt(p * (1 - p)) * ((1 - sp.ndtri(alpha)) / math.sqrt(n) + 2 / math.sqrt(n0))
    s, at, t = (np.quantile(pilot, np.clip(1 - q, 0, 1)) for q in (p + margin, p, p - margin))
    high = _phi_upper(pilot, test, p, at, alpha, largest, upper_square)
    return _phi_lower(pilot, test, p, s, t, alpha), high


def _phi_lower(pilot: Array, test: Array, p: Array, s: Array, t: Array, alpha: float) -> Array:
    n = len(test)
    little = _blur(pilot)
    s = s - little
    room = np.maximum(pilot.max() - s, little)

    def part(x: Array, t: Array) -> Array:
        return np.where(x >= t[:, None], np.clip((x - s[:, None]) / room[:, None], 0, 1), 0.0)

    def share(x: Array, t: Array) -> Array:
        """θ, an atom at the outer threshold counted as a whole."""
        below = (x < t[:, None]).sum(axis=-1)
        return np.minimum(p / (1 - clopper_pearson_lower(below, len(x), alpha)), 1.0)

    options = [t - little, t + little]  # the outer threshold may leave its own atom in or out
    guesses = [share(pilot, t) * part(pilot, t).mean(axis=-1) for t in options]
    t = np.where(guesses[0] >= guesses[1], *options)
    gain = share(test, t) * room * mean_lower(part(test, t), best_stake(part(pilot, t), n, alpha), alpha)
    held = clopper_pearson_lower((test >= s[:, None]).sum(axis=-1), n, alpha)
    return np.where(held >= p, s * p + gain, -math.inf)


def _phi_upper(
    pilot: Array, test: Array, p: Array, s: Array, alpha: float, largest: float, upper_square: float
) -> Array:
    """s p + E min((S-s)₊, c) + E(S-s-c)₊: nothing is beyond c = largest - s, else (S-a)₊ ≤ S²/4a bounds what is."""
    if math.isfinite(largest):
        room, beyond = np.maximum(largest - s, _blur(pilot)), np.zeros_like(s)
    elif math.isfinite(upper_square):
        # about where the last term and the sampling error of the one before it are equal
        a = np.maximum(s, 0) + math.sqrt(upper_square * len(test) / (4 * math.log(1 / alpha)))
        room, beyond = a - s, upper_square / (4 * a)
    else:
        return np.full_like(s, math.inf)
    guess, share = (np.clip((x - s[:, None]) / room[:, None], 0, 1) for x in (pilot, test))
    return s * p + room * mean_upper(share, best_stake(1 - guess, len(test), alpha), alpha) + beyond


def _blur(pilot: Array) -> float:
    """Wider than an atom of S is after rounding, and narrower than anything of interest."""
    return 1e-6 * (float(np.abs(pilot).max()) or 1.0)


def empirical_radius(scores: Array, rho: ArrayLike) -> Array:
    """∫ from 1-ρ to 1/2 of dp / Φ(p) for the symmetric law that puts mass 1/2n on each of ±S: an estimate, no bound.

    With q = 2p and T(q) = 2Φ(q/2), T(k/n) is the sum of the k largest |S| over n, linear between, and a piece of
    ∫ dq/T is log(T_right/T_left) over its slope. ``rho`` in (1/2, 1), any shape.
    """
    rho = np.asarray(rho, dtype=np.float64)
    size = np.sort(np.abs(scores))[::-1]
    n = len(size)
    total = np.concatenate([[0.0], np.cumsum(size)]) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        pieces = _piece(total[1:-1], size[1:], 1 / n)
    after = np.append(np.cumsum(pieces[::-1])[::-1], 0.0)  # from (k+1)/n to 1
    q = 2 * (1 - rho)
    k = np.clip(np.ceil(q * n).astype(int) - 1, 0, n - 1)
    width = (k + 1) / n - q
    with np.errstate(divide="ignore", invalid="ignore"):
        return after[k] + _piece(total[k + 1] - size[k] * width, size[k], width)


def _piece(left: Array, slope: Array, width: Array | float) -> Array:
    """∫ over the width of dq / (left + slope q)."""
    x = slope * width / left
    return width / left * np.where(x > 1e-12, np.log1p(x) / np.where(x > 1e-12, x, 1.0), 1.0)
