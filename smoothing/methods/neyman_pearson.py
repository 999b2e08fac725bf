"""The level-set method along one direction: from the law of a log-likelihood ratio to the largest shift.

Let X have a symmetric density q and let L = log q(X-v) - log q(X) for a shift v = e u. By the lemma of Neyman and
Pearson the probability ρ that certifies v along u is the least of the numbers

    ρ(e, τ) - 1/2 = 1/2 - P(L > τ) + exp(-τ) (1/2 - P(L ≥ -τ)),    τ ≥ 0,

attained where P(L ≥ -τ) passes 1/2. Any other τ gives a larger number, so an inexact threshold errs to second order,
and to the safe side. L may have atoms (at 0 where the shift leaves the level sets alone); P(L ≥ -τ) then jumps over
1/2, but ρ(e, τ) stays continuous in τ. It must be this pair, one inequality strict and one not: the term of an atom at
±τ in the first probability and its term in the second one are the same, so that it must be counted once.

The largest certified shift is where min over τ of ρ(e, τ) passes ρ: along one u an upper bound on the true radius, and
the true radius where u is the worst direction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.special import normal_quantile

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_OFFSETS = np.array(
    [-46, -38, -31, -25, -20, -16, -12.5, -10, -8, -6.5, -5.2, -4.2, -3.3, -2.6, -2, -1.5, -1.1, -0.7, -0.4, -0.1, 0.2,
     0.5, 0.8, 1.1, 1.4, 1.7, 2, 2.4, 2.8, 3.3, 3.9, 4.7, 5.6, 6.8, 8.3, 10, 12.5, 16, 20, 25, 32, 42, 56, 75, 100]
)  # fmt: skip
_BLOCK = 64
_MOST_STEPS = 60
_GAP, _MOST_HALVINGS = 0.6, 8  # between the table's entries of log Φ_N⁻¹(ρ)
_LARGEST = 2.3  # log 10, beyond which 1 - ρ is below rounding
_TINIEST = -650.0  # of log τ
_NEAR = 1e-5  # of log Φ_N⁻¹(ρ): the step of its derivative in log e
_FLAT = 1e-17  # what a threshold may still change ρ by, relative to τ


class RatioLaw(ABC):
    """The law of L for the shifts e u of one direction u; arrays of e and τ broadcast."""

    @property
    @abstractmethod
    def typical(self) -> float:
        """A shift that some middling ρ certifies, to within a few orders of magnitude."""

    @property
    def rounding(self) -> float:
        """Relative rounding error of the masses, which no other quadrature shows."""
        return 1e-14

    @abstractmethod
    def middle(self, e: Array, tau: Array) -> Array:
        """1/2 - P(L ≥ -τ). For a law that measures thresholds otherwise: what falls in τ and is 0 at the best one."""

    @abstractmethod
    def needed(self, e: Array, tau: Array, *, check: bool = False) -> tuple[Array, Array]:
        """(ρ(e, τ) - 1/2, 1 - ρ(e, τ)), each accurate in relative terms where it is small.

        ``check`` takes another quadrature: of the two, the difference tells the error.
        """


class DirectionRadius:
    """The largest shift along the law's direction that ρ certifies, for any number of ρ."""

    def __init__(self, law: RatioLaw) -> None:
        self._law = law
        self._log_e, self._log_tau, self._log_z = self._tabulate()

    def __call__(self, rho: Array) -> tuple[Array, Array]:
        """(e, estimate of its error) at every ρ in (1/2, 1], not falling in ρ; inf at 1, for densities without zeros.

        NaN where the law's masses leave the range of floats.
        """
        different, where = np.unique(rho, return_inverse=True)
        shift, error = np.full(different.shape, np.inf), np.zeros(different.shape)
        inside = np.flatnonzero(different < 1)
        for start in range(0, len(inside), _BLOCK):
            block = inside[start : start + _BLOCK]
            shift[block], error[block] = self._solve(different[block])
        part = shift[inside]
        rising = np.where(np.isnan(part), np.nan, np.fmax.accumulate(part) if len(part) else part)
        shift[inside], error[inside] = rising, error[inside] + (rising - part)
        return shift[where], error[where]

    def _tabulate(self) -> tuple[Array, Array, Array]:
        """log e, the best log τ, and log Φ_N⁻¹(ρ): where it rises, is finite, and no longer at rounding."""
        x = np.log(self._law.typical) + _OFFSETS
        y, z = self._table_at(x)
        for _ in range(_MOST_HALVINGS):
            # where ρ rises steeply, and where it reaches 1
            with np.errstate(invalid="ignore"):
                wide = (np.diff(np.minimum(z, _LARGEST)) > _GAP) & (z[1:] > -4)
            if not wide.any():
                break
            new = 0.5 * (x[:-1] + x[1:])[wide]
            more = self._table_at(new)
            order = np.argsort(np.concatenate([x, new]))
            x, y, z = (
                np.concatenate([old, part])[order] for old, part in zip((x, y, z), (new, *more), strict=True)
            )
        before = np.maximum.accumulate(np.concatenate([[-np.inf], z[:-1]]))
        keep = np.isfinite(z) & (z > before + 1e-9)
        return x[keep], y[keep], z[keep]

    def _table_at(self, x: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            y = best_threshold(self._law, np.exp(x), np.zeros_like(x), 1.0)
            return y, log_score(*self._law.needed(np.exp(x), np.exp(y)))

    def _solve(self, rho: Array) -> tuple[Array, Array]:
        """Newton's method on log Φ_N⁻¹(ρ(e, τ)) in log e. τ is the best one at each step, and as ρ(e, τ) is stationary
        there, its derivative in e at a fixed τ is the whole one. A bracket from the table holds what goes astray.
        """
        law, target = self._law, np.log(normal_quantile(rho))
        if len(self._log_z) < 2:
            return np.full(rho.shape, np.nan), np.full(rho.shape, np.nan)
        x, y, low, high = self._first_guess(target)
        steps = np.full(rho.shape, np.inf)
        slope = np.ones(rho.shape)
        active = np.arange(len(rho))
        with np.errstate(all="ignore"):
            for _ in range(_MOST_STEPS):
                now, e = x[active], np.exp(x[active])
                y[active] = best_threshold(law, e, y[active], np.clip(2 * steps[active], 1e-7, 0.3))
                tau = np.exp(y[active])
                value = log_score(*law.needed(e, tau))
                ahead = _NEAR / np.maximum(slope[active], 1.0)
                further = log_score(*law.needed(e * (1 + ahead), tau))
                measured = (further - value) / np.log1p(ahead)
                usable = np.isfinite(measured) & (measured > 0)
                slope[active] = np.where(usable, measured, 30 * slope[active])
                excess = value - target[active]
                low[active] = np.where(excess < 0, now, low[active])
                high[active] = np.where(excess > 0, now, high[active])
                step = excess / slope[active]
                near = np.abs(excess) < 1e-7
                good = (now - step > low[active]) & (now - step < high[active]) | near
                x[active] = np.where(good, now - step, 0.5 * (low[active] + high[active]))
                steps[active] = np.abs(x[active] - now)
                # the derivative is right to 1e-5, so that 1e-10 leaves 1e-15
                done = (np.abs(excess) < 1e-10) & (np.abs(step) < 1e-7) | (steps[active] < 1e-15)
                active = active[~done]
                if not len(active):
                    break
            e, tau = np.exp(x), np.exp(y)
            other = log_score(*law.needed(e, tau, check=True)) - log_score(*law.needed(e, tau))
            error = (2 * np.abs(other) + law.rounding) / slope + np.where(
                np.isin(np.arange(len(rho)), active), steps, 0.0
            )
        good = np.isfinite(x) & np.isfinite(error) & (error < 0.1)
        return np.where(good, e, np.nan), np.where(good, e * error, np.nan)

    def _first_guess(self, target: Array) -> tuple[Array, Array, Array, Array]:
        """(log e, log τ, and bounds of log e) from the table."""
        from scipy.interpolate import PchipInterpolator

        x, y, z = self._log_e, self._log_tau, self._log_z
        inner = PchipInterpolator(z, x)(np.clip(target, z[0], z[-1]))
        slope = (x[1] - x[0]) / (z[1] - z[0])
        guess = inner + slope * np.minimum(target - z[0], 0)
        slope_up = (x[-1] - x[-2]) / (z[-1] - z[-2])
        guess = guess + slope_up * np.maximum(target - z[-1], 0)
        place = np.clip(np.searchsorted(z, target), 1, len(z) - 1)
        near = y[place - 1 + (target > 0.5 * (z[place - 1] + z[place]))]
        part = (guess - x[place - 1]) / (x[place] - x[place - 1])
        with np.errstate(invalid="ignore"):
            log_tau = np.clip(part, 0, 1) * (y[place] - y[place - 1]) + y[place - 1]
        ends = np.concatenate([[x[0] - 20], x, [x[-1] + 20]])
        index = np.searchsorted(z, target)
        low, high = ends[np.maximum(index - 1, 0)], ends[np.minimum(index + 2, len(ends) - 1)]
        return guess, np.where(np.isfinite(log_tau), log_tau, near), low, high


def direction_radius(law: RatioLaw, rho: Array) -> tuple[Array, Array]:
    """(e, estimate of its error): the largest shift along the law's direction, at every ρ in (1/2, 1]."""
    return DirectionRadius(law)(np.asarray(rho, dtype=np.float64))


def log_score(excess: Array, rest: Array) -> Array:
    """log Φ_N⁻¹(1/2 + excess), from ``rest`` = 1/2 - excess where that is the smaller one; inf where none is left."""
    with np.errstate(all="ignore"):
        inner = np.sqrt(2) * sp.erfinv(2 * np.clip(excess, 0, 0.3))
        outer = np.where(rest > 0, -sp.ndtri(rest), np.inf)
        return np.log(np.where(excess < 0.25, inner, outer))


def best_threshold(law: RatioLaw, e: Array, guess: Array, width: Array | float) -> Array:
    """log of the τ ≥ 0 where ``middle`` passes 0, searched from exp(guess ± width) outwards; -inf for τ = 0."""
    result = np.full(e.shape, -np.inf)
    active = np.flatnonzero(law.middle(e, np.zeros_like(e)) > 0)
    if not len(active):
        return result
    e = e[active]
    width = np.broadcast_to(width, result.shape)[active]
    start = np.where(np.isfinite(guess[active]), guess[active], 0.0)

    def value(y: Array, index: Index | slice = slice(None)) -> Array:
        return law.middle(e[index], np.exp(y))

    low, high = start - width, start + width
    f_low, f_high = value(low), value(high)
    for _ in range(60):
        down, up = np.flatnonzero((f_low <= 0) & (low > _TINIEST)), np.flatnonzero((f_high > 0) & (f_low > 0))
        if not len(down) and not len(up):
            break
        width = 2 * width
        high[down], f_high[down] = low[down], f_low[down]
        low[down] = low[down] - 2 * width[down]
        low[up], f_low[up] = high[up], f_high[up]
        high[up] = high[up] + 2 * width[up]
        if len(down):
            f_low[down] = value(low[down], down)
        if len(up):
            f_high[up] = value(high[up], up)
    # ρ(e, τ) is as good at τ = 0 as at a best τ that underflows
    result[active] = np.where(f_low > 0, falling_root(value, low, high, f_low, f_high), -np.inf)
    return result


def falling_root(
    function: Callable[[Array, Index], Array], low: Array, high: Array, f_low: Array, f_high: Array
) -> Array:
    """Where a function changes sign between ``low`` and ``high``, elementwise: Chandrupatla's method (1997).

    ``function(x, index)`` is evaluated for the entries of ``index`` only. An entry is done when the change of sign is
    located to rounding or when (value × bracket) is negligible: what is wanted is the integral's minimum there.
    """
    x = np.where(np.abs(f_low) < np.abs(f_high), low, high)
    index = np.flatnonzero((f_low > 0) & (f_high <= 0))
    a, b, c = high[index], low[index], high[index]
    fa, fb, fc = f_high[index], f_low[index], f_high[index]
    t = np.full(len(index), 0.5)
    for _ in range(100):
        if not len(index):
            break
        new = a + t * (b - a)
        fn = function(new, index)
        same = (fn > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = new, fn
        best = np.abs(fa) < np.abs(fb)
        least = np.where(best, np.abs(fa), np.abs(fb))
        x[index] = np.where(best, a, b)
        gap = np.abs(b - a)
        tolerance = 2e-16 * np.maximum(np.abs(a), 1)
        keep = (gap > 2 * tolerance) & (least * gap > _FLAT)
        index = index[keep]
        a, b, c, fa, fb, fc = (part[keep] for part in (a, b, c, fa, fb, fc))
        gap, tolerance = gap[keep], tolerance[keep]
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            inverse = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        t = np.where((phi * phi < xi) & ((1 - phi) ** 2 < 1 - xi), inverse, 0.5)
        least_part = np.minimum(tolerance / gap, 0.5)
        t = np.clip(np.where(np.isfinite(t), t, 0.5), least_part, 1 - least_part)
    return x
