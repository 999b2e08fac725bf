"""The level-set method for spherical noise: the Neyman-Pearson sets of two shifted copies, by quadrature.

Let X have a spherical density exp(-ψ(‖x‖)), ψ increasing, and let v be a shift of length e. The sets that gain most
from the shift are U_t = {x : ψ(‖x-v‖) ≤ ψ(‖x‖) + t}. Given ‖x‖ = r, x lies in U_t where the cosine of the angle
between x and v is at least

    c(r) = (e/r - (r/e) (exp(2δ) - 1)) / 2,    ψ(r exp δ) = ψ(r) + t,

so that a(t) = P(X ∈ U_t) is one integral over the law of r. By reflection P(X + v ∈ U_t) = 1 - a(-t). So the growth
function reaches 1/2 at the τ > 0 with a(τ) = 1/2, and it does so for the probability ρ with 1 - ρ = a(-τ). Two
equations in (log e, log τ), solved for all ρ at once by Newton's method from a table that is made once per law.

The growth function increases with e. Its derivative is an integral of -∂₁q over U - v; reflected in the plane
x₁ = 0, the half x₁ > 0, where -∂₁q ≥ 0, has a point of U - v wherever the other half has one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.spherical import WIDEST, Law, SphericalMasses, steps
from smoothing.special import normal_quantile

Array = NDArray[np.float64]

_ROUNDING = 3e-10  # relative, of SciPy's incomplete beta and its inverse: 1e-10 was seen at d = 150 528
_GOOD = 1e-10  # relative, of the quadrature: one that is off by more gives way to a finer one
_BLOCK = 128
_MOST_STEPS = 25
_USELESS = 0.1  # relative
_OFFSETS = np.array([-36, -28, -21, -15, -10, -7, -5, -4, -3, -2.2, -1.6, -1.1, -0.7, -0.3, 0, 0.3, 0.6, 0.9, 1.2,
                     1.5, 1.8, 2.1, 2.4, 2.8, 3.2, 3.7, 4.3, 5, 6, 7.5, 9, 11, 13, 16, 20, 25])  # fmt: skip


class LevelSet:
    """The largest shift that a probability ρ certifies, for one law, by the cheapest of its rules that do."""

    def __init__(self, law: Law) -> None:
        self._law, self._steps = law, steps(law)
        self._solvers: dict[float | None, _Solver] = {}

    def __call__(self, rho: Array) -> tuple[Array, Array]:
        """(e, bound on its error) at every ρ in (1/2, 1]; inf at 1, as the density is positive everywhere."""
        different, where = np.unique(rho, return_inverse=True)
        shift, error = np.full(different.shape, np.inf), np.zeros(different.shape)
        left = np.flatnonzero(different < 1)
        shift[left], error[left] = 0.0, np.inf
        for step in self._steps:
            if not len(left):
                break
            if step not in self._solvers:
                self._solvers[step] = _Solver(self._law, step)
            found, off = self._solvers[step](different[left])
            better = off < error[left]
            shift[left[better]], error[left[better]] = found[better], off[better]
            left = left[~(off < _GOOD * found)]
        missed = np.isinf(error)
        if missed.any():  # where Newton's method failed
            shift[missed], error[missed] = self._solvers[self._steps[-1]].below(different[missed]), 0.0
        return shift[where], (error + _ROUNDING * np.where(different < 1, shift, 0.0))[where]


class _Solver:
    """Shifts by one pair of quadratures, and what the two differ by."""

    def __init__(self, law: Law, step: float | None) -> None:
        self._law = law
        self._mass = SphericalMasses(law, step)
        self._middle = self._mass.log_quantile(np.linspace(-WIDEST, WIDEST, 43))
        self._log_e, self._log_tau, self._log_z = self._tabulate(float(self._middle[21]))

    def __call__(self, rho: Array) -> tuple[Array, Array]:
        """(e, bound on the error of quadrature) for different ρ in (1/2, 1); the bound is inf where e is not found."""
        if len(self._log_z) < 2:  # a law beyond the range of floats
            return np.zeros(rho.shape), np.full(rho.shape, np.inf)
        parts = [self._solve(rho[start : start + _BLOCK]) for start in range(0, len(rho), _BLOCK)]
        shift, error = (np.concatenate(values) for values in zip(*parts, strict=True))
        return shift, error

    def below(self, rho: Array) -> Array:
        """The table's next smaller shift but one, or 0: less than what ρ certifies."""
        place = np.searchsorted(self._log_z, np.log(normal_quantile(rho))) - 2
        return np.where(place >= 0, np.exp(np.append(self._log_e, -np.inf)[np.maximum(place, -1)]), 0.0)

    def _solve(self, rho: Array) -> tuple[Array, Array]:
        target = np.log(normal_quantile(rho))
        x = _interpolate(target, self._log_z, self._log_e)
        y = _interpolate(x, self._log_e, self._log_tau)
        place = np.searchsorted(self._log_z, target)
        bounds = np.concatenate([[self._log_e[0] - 9], self._log_e, [self._log_e[-1] + 9]])
        low, high = bounds[np.maximum(place - 1, 0)], bounds[np.minimum(place + 2, len(bounds) - 1)]
        last = np.full(rho.shape, np.inf)
        active = np.arange(len(rho))
        for _ in range(_MOST_STEPS):
            now = x[active]
            at = self._halve(now, y[active])
            value, slope = self._equations(now, at, target[active], 0)
            low[active] = np.where(value[1] < 0, now, low[active])
            high[active] = np.where(value[1] > 0, now, high[active])
            with np.errstate(all="ignore"):
                step = _newton(value, slope)[0]
                x[active] = now - step
                inside = (x[active] > low[active]) & (x[active] < high[active]) | (np.abs(step) < 1e-8)
                x[active] = np.where(inside, x[active], 0.5 * (low[active] + high[active]))
                tilt = slope[0, 0] / slope[0, 1] * (now - x[active])
                y[active] = at + np.where(np.isfinite(tilt), tilt, 0.0)
            # quadratic convergence: a step of 1e-8 leaves 1e-15; what stagnates at rounding is also done
            size = np.abs(x[active] - now)
            done = (size < 1e-8) & ((size < 1e-14) | (size > 0.1 * last[active]) | (last[active] < 1e-4))
            last[active] = size
            active = active[~done]
            if not len(active):
                break
        for _ in range(2):
            step = _newton(*self._equations(x, y, target, 0))
            small = np.abs(step).max(axis=0) < 1e-4
            x, y = np.where(small, x - step[0], x), np.where(small, y - step[1], y)
        value, slope = self._equations(x, y, target, 0)
        other, _ = self._equations(x, y, target, 1)
        residual = np.abs(value) + 2 * np.abs(other - value)
        determinant = np.abs(slope[0, 0] * slope[1, 1] - slope[0, 1] * slope[1, 0])
        error = (np.abs(slope[1, 1]) * residual[0] + np.abs(slope[0, 1]) * residual[1]) / determinant
        return np.exp(x), np.where(error < _USELESS, np.exp(x) * error, np.inf)

    def _equations(self, x: Array, y: Array, target: Array, rule: int) -> tuple[Array, Array]:
        """1/2 - a(τ) and log Φ_N⁻¹(1 - a(-τ)) - target at log e = x and log τ = y, with their Jacobian."""
        e, tau = np.exp(x), np.exp(y)
        centred, first = self._mass(e, tau, rule, np.zeros(len(e), dtype=bool))
        tail = target > math.log(0.67)
        mass, second = self._mass(e, -tau, rule, tail)
        with np.errstate(all="ignore"):
            z = np.where(tail, -sp.ndtri(mass), np.sqrt(2) * sp.erfinv(2 * np.minimum(mass, 0.5)))
            rate = np.where(tail, -1.0, 1.0) / (z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi))
            value = np.stack([centred, np.log(z) - target])
        return value, np.array([[first[0], tau * first[1]], [rate * second[0], -rate * tau * second[1]]])

    def _halve(self, x: Array, y: Array) -> Array:
        """log τ with a(τ) = 1/2 at log e = x, by Newton's method from y, kept in a bracket.

        At a given r the cosine is 0 where τ is the rise from r to sqrt(r² + e²): τ lies between these rises.
        """
        e, r = np.exp(x), np.exp(self._middle)
        with np.errstate(all="ignore"):
            rise = np.log(self._law.rise(r, 0.5 * np.log1p((e[:, None] / r) ** 2)))
        rise = np.where(np.isfinite(rise), rise, rise[:, len(r) // 2, None])
        low, high = rise.min(axis=1) - 1e-6, rise.max(axis=1) + 1e-6
        y = np.where((y > low) & (y < high), y, np.clip(rise[:, len(r) // 2], low, high))
        y = np.where(np.isfinite(low + high), y, np.nan)
        active = np.flatnonzero(np.isfinite(y))
        for _ in range(60 if len(active) else 0):
            now = y[active]
            value, slope = self._mass(e[active], np.exp(now), 0, np.zeros(len(active), dtype=bool))
            low[active] = np.where(value > 0, now, low[active])
            high[active] = np.where(value > 0, high[active], now)
            with np.errstate(all="ignore"):
                step = value / (slope[1] * np.exp(now))
            step = np.where(np.isfinite(step), step, np.inf)
            least, most = low[active], high[active]
            inside = (now - step > least) & (now - step < most) | (np.abs(step) < 1e-8)
            y[active] = np.where(inside, now - step, 0.5 * (least + most))
            active = active[np.minimum(np.abs(step), most - least) > 1e-7]
            if not len(active):
                break
        return y

    def _tabulate(self, log_median: float) -> tuple[Array, Array, Array]:
        """log τ and log Φ_N⁻¹(ρ) on a grid of log e, for first guesses."""
        x = log_median - 0.5 * math.log(self._law.dim) + _OFFSETS
        y = self._halve(x, np.full(x.shape, np.nan))
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
        if not len(x):
            return x, y, y
        with np.errstate(all="ignore"):
            z = self._equations(x, y, np.zeros(len(x)), 0)[0][1]
            small = self._equations(x, y, np.full(len(x), -1.0), 0)[0][1] - 1.0
        z = np.where(z > math.log(0.67), z, small)
        keep = np.isfinite(z) & np.isfinite(y) & (z > -40)
        keep &= np.concatenate([[True], np.diff(np.maximum.accumulate(np.where(keep, z, -np.inf))) > 0])
        return x[keep], y[keep], z[keep]


def _interpolate(at: Array, x: Array, y: Array) -> Array:
    """Monotone cubic between the table's points, straight lines beyond."""
    from scipy.interpolate import PchipInterpolator

    inner = PchipInterpolator(x, y)(np.clip(at, x[0], x[-1]))
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    return np.asarray(inner + first * np.minimum(at - x[0], 0) + last * np.maximum(at - x[-1], 0))


def _newton(value: Array, slope: Array) -> Array:
    determinant = slope[0, 0] * slope[1, 1] - slope[0, 1] * slope[1, 0]
    with np.errstate(all="ignore"):
        return np.stack(
            [
                (slope[1, 1] * value[0] - slope[0, 1] * value[1]) / determinant,
                (slope[0, 0] * value[1] - slope[1, 0] * value[0]) / determinant,
            ]
        )
