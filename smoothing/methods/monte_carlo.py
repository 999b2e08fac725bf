"""The growth function by Monte Carlo, with bands that hold at every sample size.

With Λ = log q(X-v) - log q(X), X ~ q_v = q(· - v), and U_t = {Λ ≥ t}, all masses are means of bounded variables:

    q_v(U_t) - e^s q(U_t) = E[(1 - e^{s-Λ}) 1{Λ ≥ t}],      t ≥ s.

G(p, v) = sup {q_v(U) : q(U) = p} and the mass p* at which the vote flips, G(p*, v) = 1/2, lie between

    above   G(p) ≤ e^t p + E(1 - e^{t-Λ})₊                        p* ≥ e^{-t} (1/2 - E(1 - e^{t-Λ})₊)          any t
    below   G(p) ≥ e^s p + θ E[(1 - e^{s-Λ}) 1{Λ ≥ t}]            p* ≤ e^{-s} (1/2 - θ E[(1 - e^{s-Λ}) 1{Λ ≥ t}])
            if q(U_s) ≥ p ≥ θ q(U_t)                              if q_v(U_s) ≥ 1/2 ≥ θ q_v(U_t)

by weak duality (Neyman and Pearson 1933). At the best threshold s = t they meet; thresholds a little apart lose to
second order, and an atom between them loses nothing. Thresholds come from a pilot sample, so that what is tested
is fixed. A shift is certified by ρ exactly if 1-ρ ≤ p*, so the radius along a ray is where p* falls to 1-ρ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special as sp

from geometry.errors import InputError
from smoothing.confidence import check_alpha, clopper_pearson_lower
from smoothing.methods.bounded_mean import best_stake, mean_lower, mean_upper
from smoothing.methods.log_ratios import BEYOND, ROUNDING, LogRatios

Array = NDArray[np.float64]


def refute(ratios: LogRatios, rho: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Whether the draws contradict that ρ certifies the shift: if it does, True comes with probability at most α.

    ``rho`` broadcasts against the shifts, last axis first; α is for all ρ of one shift together. A family of N
    shifts is wrong somewhere with probability at most N α. The sampler and the density are trusted to be of one law.
    """
    check_alpha(alpha)
    return 1 - np.asarray(rho, dtype=np.float64) > _flip_mass_upper(ratios, alpha)


def flip_mass_band(ratios: LogRatios, alpha: float) -> tuple[Array, Array]:
    """(low, high) with low ≤ p* ≤ high but for probability α, for each shift: G(p*, v) = 1/2.

    The shift is certified by every ρ ≥ 1 - low and by no ρ < 1 - high.
    """
    check_alpha(alpha)
    return _flip_mass_lower(ratios, alpha / 2), _flip_mass_upper(ratios, alpha / 2)


def _flip_mass_lower(ratios: LogRatios, alpha: float) -> Array:
    t = np.median(ratios.pilot, axis=-1)
    excess = [_excess(part, t, t, -ROUNDING) for part in (ratios.pilot, ratios.test)]
    stake = best_stake(1 - excess[0], ratios.test.shape[-1], alpha)
    return np.exp(-np.maximum(t, -700)) * np.maximum(0.5 - mean_upper(excess[1], stake, alpha), 0.0)


def _flip_mass_upper(ratios: LogRatios, alpha: float) -> Array:
    pilot, test = ratios.pilot, ratios.test
    n0, n = pilot.shape[-1], test.shape[-1]
    alpha = alpha / 5
    # where the median certainly lies: the spread of the pilot's ranks and of the test's, and the width of its band
    margin = min((1 - sp.ndtri(alpha)) * 0.5 / np.sqrt(n) + 1 / np.sqrt(n0), 0.5 - 1 / n0)
    below, above = np.quantile(pilot, [0.5 - margin, 0.5 + margin], axis=-1, method="nearest")
    s = below - 2 * ROUNDING
    # the outer threshold: above the median, where U_t need not be thinned, or next to s, better at large atoms
    after = np.where(pilot > below[..., None] + 4 * ROUNDING, pilot, np.inf).min(axis=-1) - 2 * ROUNDING
    options = [np.where(above < BEYOND, above + 2 * ROUNDING, np.inf), after]
    guesses = []
    for t in options:
        mass, excess = (pilot >= t[..., None]).mean(axis=-1), _excess(pilot, s, t).mean(axis=-1)
        guesses.append(
            _held(mass - margin, mass + margin, excess, np.exp(s - t) * _weight(pilot, t).mean(axis=-1))
        )
    t = np.where(guesses[0] >= guesses[1], *options)
    inside = (test >= (t - ROUNDING)[..., None]).sum(axis=-1)
    surely = (test >= (t + ROUNDING)[..., None]).sum(axis=-1)
    weight = mean_upper(_weight(test, t, -ROUNDING), best_stake(1 - _weight(pilot, t), n, alpha), alpha)
    gain = _held(
        clopper_pearson_lower(surely, n, alpha),
        1 - clopper_pearson_lower(n - inside, n, alpha),
        mean_lower(_excess(test, s, t, ROUNDING), best_stake(_excess(pilot, s, t), n, alpha), alpha),
        np.exp(s - t) * weight,
    )
    enough = clopper_pearson_lower((test >= (s + ROUNDING)[..., None]).sum(axis=-1), n, alpha) >= 0.5
    return np.where(enough, np.minimum(np.exp(-np.maximum(s, -700)) * (0.5 - gain), 0.5), 0.5)


def _held(least: Array, most: Array, excess: Array, weight: Array) -> Array:
    """θ E[(1 - e^{s-Λ}) 1{Λ ≥ t}] from below, θ the share of U_t that fits into 1/2, if least ≤ q_v(U_t) ≤ most.

    One way is θ times the expectation. The other, min(q_v(U_t), 1/2) - E[e^{s-Λ}; Λ ≥ t], loses nothing to
    the uncertainty of θ where the weight is small.
    """
    return np.maximum(_thinning(most, 0.5) * excess, np.minimum(least, 0.5) - weight)


def growth_band(ratios: LogRatios, p: ArrayLike, alpha: float) -> tuple[Array, Array]:
    """(low, high) with low ≤ G(p, v) ≤ high at all ``p`` of shape (k,) at once but for probability α.

    ``ratios`` of one shift. Thresholds are where the pilot sees q(U_t) = p.
    """
    check_alpha(alpha)
    p = np.asarray(p, dtype=np.float64)
    if len(ratios.test) != 1 or p.ndim != 1 or not ((p > 0) & (p < 1)).all():
        raise InputError(f"growth_band takes one shift and p in (0, 1) of shape (k,), got shape {p.shape}")
    n0, n = ratios.pilot.shape[-1], ratios.test.shape[-1]
    alpha = alpha / (6 * len(p))  # the bounds that each p uses, or chooses from
    # q(U_t) = E[e^{-Λ}; Λ ≥ t] at every pilot point, with what pilot and test may miss of it
    points = np.sort(ratios.pilot[0])[::-1]
    weight = np.exp(-np.maximum(points, -300))
    mass = np.cumsum(weight) / n0
    spread = np.sqrt(np.maximum(np.cumsum(weight**2) / n0 - mass**2, 0))
    slack = spread * ((1 - sp.ndtri(alpha)) / np.sqrt(n) + 2 / np.sqrt(n0))
    t, inner = (
        np.append(points, -np.inf)[np.searchsorted(np.maximum.accumulate(m), p)] for m in (mass, mass - slack)
    )
    outer = np.append(points, points[-1])[np.searchsorted(np.maximum.accumulate(mass + slack), p)]
    # the outer threshold may leave its own atom in or out
    beyond = np.append(points[::-1], np.inf)[np.searchsorted(points[::-1], outer + 4 * ROUNDING)]
    outside = (outer - 2 * ROUNDING, beyond - 2 * ROUNDING)
    return _growth_lower(ratios, p, inner, outside, alpha), _growth_upper(ratios, p, t, alpha)


def _growth_lower(ratios: LogRatios, p: Array, s: Array, outside: tuple[Array, Array], alpha: float) -> Array:
    pilot, test, n = ratios.pilot, ratios.test, ratios.test.shape[-1]
    # U_s must hold mass p; where that is not certain, the whole space does
    start = np.maximum(s - 2 * ROUNDING, -700)
    stake = best_stake(_weight(pilot, start), n, alpha)
    held = np.exp(-start) * mean_lower(_weight(test, start, ROUNDING), stake, alpha)
    s = np.where((held >= p) & (s > -700), start, -np.inf)
    options = [np.maximum(t, s) for t in outside]
    guesses = [
        _thinning(_mass_upper(pilot, pilot, t, alpha), p) * _excess(pilot, s, t).mean(axis=-1)
        for t in options
    ]
    t = np.where(guesses[0] >= guesses[1], *options)
    theta = _thinning(_mass_upper(pilot, test, t, alpha), p)
    stake = best_stake(_excess(pilot, s, t), n, alpha)
    gain = theta * mean_lower(_excess(test, s, t, ROUNDING), stake, alpha)
    return np.clip(np.exp(s) * p + gain, p, 1)  # G(p) ≥ p whatever the draws say


def _mass_upper(pilot: Array, x: Array, t: Array, alpha: float) -> Array:
    """An upper bound for q(U_t) = e^{-t} E[e^{t-Λ}; Λ ≥ t]."""
    t = np.clip(t, -700, BEYOND)
    stake = best_stake(1 - _weight(pilot, t), x.shape[-1], alpha)
    return np.exp(-t) * mean_upper(_weight(x, t, -ROUNDING), stake, alpha)


def _growth_upper(ratios: LogRatios, p: Array, t: Array, alpha: float) -> Array:
    stake = best_stake(1 - _excess(ratios.pilot, t, t), ratios.test.shape[-1], alpha)
    excess = mean_upper(_excess(ratios.test, t, t, -ROUNDING), stake, alpha)
    return np.minimum(np.exp(np.minimum(t, 700)) * p + excess, 1.0)


def _excess(x: Array, s: Array, t: Array, guard: float = 0.0) -> Array:
    """(1 - e^{s-Λ}) 1{Λ ≥ t}, from below for guard > 0 and from above for guard < 0, if Λ is x up to |guard|."""
    inside = x >= t[..., None] + guard
    return np.where(inside, -np.expm1(np.minimum(s[..., None] + guard - x, 0.0)), 0.0)


def _weight(x: Array, t: Array, guard: float = 0.0) -> Array:
    """e^{t-Λ} 1{Λ ≥ t}, whose mean is e^t q(U_t): from below for guard > 0 and from above for guard < 0."""
    return np.where(x >= t[..., None] + guard, np.exp(np.minimum(t[..., None] - guard - x, 0.0)), 0.0)


def _thinning(mass: Array, budget: Array | float) -> Array:
    """The share θ of a set that fits into the budget."""
    return np.minimum(budget / np.maximum(mass, 1e-300), 1.0)
