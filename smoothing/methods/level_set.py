"""The level-set method for spherical noise: the Neyman-Pearson sets of two shifted copies, by quadrature.

Let X have a spherical density exp(-ψ(‖x‖)), ψ increasing, and let v be a shift of length e. The sets that gain most
from the shift are U_t = {x : ψ(‖x-v‖) ≤ ψ(‖x‖) + t}. Given ‖x‖ = r, x lies in U_t where the cosine of the angle
between x and v is at least

    c(r) = (e/r - (r/e) (exp(2δ) - 1)) / 2,    ψ(r exp δ) = ψ(r) + t,

so that a(t) = P(X ∈ U_t) is one integral over the law of r. By reflection P(X + v ∈ U_t) = 1 - a(-t). So the growth
function reaches 1/2 at the τ > 0 with a(τ) = 1/2, and it does so for the probability ρ with 1 - ρ = a(-τ). By duality
every τ bounds that ρ,

    ρ - 1/2 ≤ (1/2 - a(-τ)) + exp(-τ) (1/2 - a(τ)),

where the right side is convex in exp(-τ) with the slope 1/2 - a(τ): an error of τ enters squared and on the sound
side, and a τ below the rounding of 1 is as good as 0. The equation is solved in log e for all ρ at once, by Newton's
method from a table that is made once per law. For steep profiles the two equations themselves would not do: τ falls
below the range of floats, and where a wall makes a(τ) nearly a step their Jacobian is noise.

The growth function increases with e. Its derivative is an integral of -∂₁q over U - v; reflected in the plane
x₁ = 0, the half x₁ > 0, where -∂₁q ≥ 0, has a point of U - v wherever the other half has one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.spherical import Law, SphericalMasses, Step, steps
from smoothing.methods.spherical_panels import WIDEST
from smoothing.special import normal_quantile

Array = NDArray[np.float64]

_ROUNDING = 3e-10  # relative, of SciPy's incomplete beta and its inverse: 1e-10 was seen at d = 150 528
_GOOD = 1e-10  # relative, of the quadrature: one that is off by more gives way to a finer one
_BLOCK = 128
_MOST_STEPS = 25
_USELESS = 0.1  # relative
_LEAST = 4e-18  # a τ below it changes ρ - 1/2 by less than this, relatively, and is taken as 0
_MOST = 1e4  # exp(-τ), which is more than 1-ρ, is 0 there
_REFINED = 7  # a gap of the table shrinks by 4 each time: from 0.3 to the width of a wall at k = 1e5
_OFFSETS = np.array([-36, -28, -21, -15, -10, -7, -5, -4, -3, -2.2, -1.6, -1.1, -0.7, -0.3, 0, 0.3, 0.6, 0.9, 1.2,
                     1.5, 1.8, 2.1, 2.4, 2.8, 3.2, 3.7, 4.3, 5, 6, 7.5, 9, 11, 13, 16, 20, 25])  # fmt: skip


class LevelSet:
    """The largest shift that a probability ρ certifies, for one law, by the cheapest of its rules that do."""

    def __init__(self, law: Law) -> None:
        self._law, self._steps = law, steps(law)
        self._solvers: dict[Step, _Solver] = {}

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
            shift[missed], error[missed] = self._solvers[self._steps[-1]].around(different[missed])
        return shift[where], (error + _ROUNDING * np.where(different < 1, shift, 0.0))[where]


class _Solver:
    """Shifts by one pair of quadratures, and what the two differ by."""

    def __init__(self, law: Law, step: Step) -> None:
        self._law = law
        self._mass = SphericalMasses(law, step)
        self._middle = law.log_quantile(np.linspace(-WIDEST, WIDEST, 43))
        self._log_e, self._log_tau, self._log_z = self._tabulate(float(self._middle[21]))

    def __call__(self, rho: Array) -> tuple[Array, Array]:
        """(e, bound on the error of quadrature) for different ρ in (1/2, 1); the bound is inf where e is not found."""
        if len(self._log_z) < 2:  # a law beyond the range of floats
            return np.zeros(rho.shape), np.full(rho.shape, np.inf)
        parts = [self._solve(rho[start : start + _BLOCK]) for start in range(0, len(rho), _BLOCK)]
        shift, error = (np.concatenate(values) for values in zip(*parts, strict=True))
        return shift, error

    def around(self, rho: Array) -> tuple[Array, Array]:
        """The table's next longer shift but one, and how far it is beyond the next shorter one but one (or 0)."""
        if len(self._log_z) < 2:
            return np.zeros(rho.shape), np.zeros(rho.shape)
        e = np.exp(np.concatenate([[-np.inf], self._log_e, [self._log_e[-1] + 1]]))
        place = np.searchsorted(self._log_z, np.log(normal_quantile(rho)))
        longer = e[np.minimum(place + 2, len(e) - 1)]
        return longer, longer - e[np.maximum(place - 1, 0)]

    def _solve(self, rho: Array) -> tuple[Array, Array]:
        target = np.log(normal_quantile(rho))
        x = _interpolate(target, self._log_z, self._log_e)
        y = _interpolate(x, self._log_e, self._log_tau)
        place = np.searchsorted(self._log_z, target)
        bounds = np.concatenate([[self._log_e[0] - 250], self._log_e, [self._log_e[-1] + 9]])
        low, high = bounds[np.maximum(place - 1, 0)], bounds[np.minimum(place + 2, len(bounds) - 1)]
        last = np.full(rho.shape, np.inf)
        active = np.arange(len(rho))
        for _ in range(_MOST_STEPS):
            now = x[active]
            at = self._halve(now, y[active])
            value, slope, lean, _ = self._needed(now, at, target[active], 0)
            low[active] = np.where(value < 0, now, low[active])
            high[active] = np.where(value > 0, now, high[active])
            with np.errstate(all="ignore"):
                step = value / slope
                x[active] = now - step
                inside = (x[active] > low[active]) & (x[active] < high[active]) | (np.abs(step) < 1e-8)
                x[active] = np.where(inside, x[active], 0.5 * (low[active] + high[active]))
                tilt = lean * (x[active] - now)
                y[active] = at + np.where(np.abs(tilt) < 50, tilt, 0.0)
            # quadratic convergence: a step of 1e-8 leaves 1e-15; what stagnates at rounding is also done
            size = np.abs(x[active] - now)
            done = (size < 1e-8) & ((size < 1e-14) | (size > 0.1 * last[active]) | (last[active] < 1e-4))
            last[active] = size
            active = active[~done]
            if not len(active):
                break
        y = self._halve(x, y)
        value, slope, _, _ = self._needed(x, y, target, 0)
        with np.errstate(all="ignore"):
            step = value / slope
            x = np.where(np.abs(step) < 1e-4, x - step, x)
            value, slope, _, loss = self._needed(x, y, target, 0)
            other, _, _, _ = self._needed(x, y, target, 1)
            error = (np.abs(value) + 2 * np.abs(other - value) + loss) / slope
        found = (error < _USELESS) & (np.abs(value) < _USELESS)
        return np.exp(x), np.where(found, np.exp(x) * error, np.inf)

    def _needed(self, x: Array, y: Array, target: Array, rule: int) -> tuple[Array, Array, Array, Array]:
        """log Φ_N⁻¹(ρ) - target at log e = x, for the bound on ρ that log τ = y gives.

        Also its slope in x; that of the log τ with a(τ) = 1/2; and by how much the least bound may be lower.
        """
        e, tied = np.exp(x), y <= math.log(_LEAST)
        tau = np.where(tied, 0.0, np.exp(y))
        tail = target > math.log(0.67)
        sign = np.where(tail, -1.0, 1.0)
        half, (half_by_x, half_by_t) = self._mass(e, tau, rule, np.zeros(len(e), dtype=bool))
        mass, (by_x, _) = self._mass(e, -tau, rule, tail)
        with np.errstate(all="ignore"):
            weight = sign * np.exp(-tau)
            mass, by_x = np.clip(mass + weight * half, 0, 0.5), by_x + weight * half_by_x
            z = np.where(tail, -sp.ndtri(mass), np.sqrt(2) * sp.erfinv(2 * mass))
            rate = np.exp(0.5 * z * z) * math.sqrt(2 * math.pi) / z
            # by convexity at most |half| times the distance in exp(-τ), which a Newton step tells
            away = np.where(tied, _LEAST, np.abs(half / half_by_t))
            loss = rate * np.abs(weight * half) * away
            return np.log(z) - target, sign * rate * by_x, -half_by_x / (half_by_t * tau), loss

    def _halve(self, x: Array, y: Array) -> Array:
        """log τ with a(τ) = 1/2 at log e = x, by Newton's method from y, kept in a bracket.

        At a given r the cosine is 0 where τ is the rise from r to sqrt(r² + e²): τ lies between these rises. The least
        value stands for all that are smaller.
        """
        e, r = np.exp(x), np.exp(self._middle)
        floor = math.log(_LEAST)
        with np.errstate(all="ignore"):
            rise = np.log(self._law.rise(r, 0.5 * np.log1p((e[:, None] / r) ** 2)))
        rise = np.clip(rise, floor, math.log(_MOST))
        low, high = rise.min(axis=1) - 1e-6, rise.max(axis=1) + 1e-6
        y = np.where((y > low) & (y < high), y, rise[:, len(r) // 2])
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
            goal = np.maximum(now - step, floor)
            inside = (goal > least) & (goal < most) | (np.abs(step) < 1e-8)
            below = (now == floor) & (value < 0)
            y[active] = np.where(below, floor, np.where(inside, goal, 0.5 * (least + most)))
            active = active[~below & (np.minimum(np.abs(step), most - least) > 1e-7)]
            if not len(active):
                break
        return y

    def _tabulate(self, log_median: float) -> tuple[Array, Array, Array]:
        """log τ and log Φ_N⁻¹(ρ) on a grid of log e, for first guesses."""
        x, y, z = self._row(log_median - 0.5 * math.log(self._law.dim) + _OFFSETS)
        for _ in range(_REFINED):  # where a wall makes ρ jump
            with np.errstate(all="ignore"):
                jump = np.diff(np.maximum(z, -40)) > 1 + np.diff(x)
            jump = jump & (z[:-1] < math.log(9))
            if not jump.any():
                break
            left, right = x[:-1][jump], x[1:][jump]
            more = self._row((left[:, None] + (right - left)[:, None] * np.array([0.25, 0.5, 0.75])).ravel())
            order = np.argsort(np.concatenate([x, more[0]]))
            x, y, z = (np.concatenate(pair)[order] for pair in zip((x, y, z), more, strict=True))
        keep = np.isfinite(z) & np.isfinite(y) & (z > -40)
        keep &= np.concatenate([[True], np.diff(np.maximum.accumulate(np.where(keep, z, -np.inf))) > 0])
        return x[keep], y[keep], z[keep]

    def _row(self, x: Array) -> tuple[Array, Array, Array]:
        """(log e, log τ, log Φ_N⁻¹(ρ)) where there is a τ."""
        y = self._halve(x, np.full(x.shape, np.nan))
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
        z = self._needed(x, y, np.zeros(len(x)), 0)[0]
        small = self._needed(x, y, np.full(len(x), -1.0), 0)[0] - 1.0
        return x, y, np.where(z > math.log(0.67), z, small)


def _interpolate(at: Array, x: Array, y: Array) -> Array:
    """Monotone cubic between the table's points, straight lines beyond."""
    from scipy.interpolate import PchipInterpolator

    inner = PchipInterpolator(x, y)(np.clip(at, x[0], x[-1]))
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    return np.asarray(inner + first * np.minimum(at - x[0], 0) + last * np.maximum(at - x[-1], 0))
