"""A sum of d scores that keep close to ±c, as exp-power noise has it for p next to 1: by the number of minus signs.

With m of them the sum is c (d - 2m) plus A_m = a₁ + … + a_{d-m} - a_{d-m+1} - … - a_d, a = |s| - c. For ψ = r e^{iθ}
the characteristic function of a, that of A_m is r^d e^{iθ(d-2m)}: falling and smooth, and as large for every m. So

    P(S > s) = Σ_m C(d, m) 2^-d P(A_m > s - c (d - 2m)),
    P(A > x) = 1/2 + (H/π) Σ_j Im(e^{-i t_j x} E e^{i t_j A}) / t_j,   t_j = (j + 1/2) H,

the second one exact up to the mass of |A - x| > 2π/H. Of the many lobes that the transform of S itself has at t near
π/c, 2π/c, … none is left: the closer the scores are to ±c, the better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from smoothing.methods.signs import sum_of_signs
from smoothing.methods.tail_tables import NODES, TO_CHEBYSHEV, Tail, Unresolved, panels
from smoothing.methods.tail_upper import UpperOfTail

Array = NDArray[np.float64]

_SILENT = 42.0  # -log of the masses that are neglected
_FADED = 36.5  # -log of the transform where it is
_CORE, _WIDTH = 9.0, 1.0  # standard deviations to either side that get panels of this width, in the same unit
_GROWTH = 1.6  # of panels beyond them, where tails are powers
_DEEP = 1e-19  # of all mass: where tables end
_CLEAR = 1e5  # times rounding, where tables end, too
_BLOCK, _MOST_BLOCKS, _TRIED = 64, 200, 20
_ELEMENTS = 1 << 20
_FINER = 1.3
_CHECKS = np.array([-0.95, -0.57, 0.03, 0.81])
_AT_CHECKS = chebyshev.chebvander(_CHECKS, len(NODES) - 1).T
_TOLERANCE, _MOST_HALVINGS = 1e-14, 8
_EPSILON = 1e-16  # for each power of the transform


@dataclass(frozen=True, eq=False)
class Sizes:
    """The law of |s|: a quadrature of real levels, and its characteristic function."""

    values: Array
    masses: Array
    """They add up to 1."""
    change: Callable[[Array], NDArray[np.complex128]]
    """t to E e^{it(|s| - c)} - 1, vectorised; c = ``mean``."""
    mean: float

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of |s|."""
        return float(np.sqrt(self.masses @ (self.values - self.mean) ** 2))

    def reach(self, n: int) -> float:
        """x beyond which ±a₁ ± … ± a_n have no mass to speak of, by Chernoff's bound of the larger side."""
        a = (self.values - self.mean)[self.masses > np.exp(-_SILENT)]
        masses = self.masses[self.masses > np.exp(-_SILENT)]
        c = np.geomspace(0.03, 100, 100)[:, None] / (self.deviation * np.sqrt(n))
        c = c[c[:, 0] * np.abs(a).max() < 600]
        log_m = np.log1p(np.maximum(np.expm1(c * a) @ masses, np.expm1(-c * a) @ masses))
        return float(np.min((n * log_m + _SILENT) / c[:, 0]))


@dataclass(frozen=True, eq=False)
class _Sites:
    """What the sum is near to: c (d - 2m), one entry for each m that counts, from the largest sum on."""

    minus: Array
    """m"""
    value: Array
    mass: Array

    @classmethod
    def of(cls, n: int, mean: float) -> _Sites:
        value, mass = (part[::-1] for part in sum_of_signs(n))
        middle = [1 - 2 * mass.sum()] if n % 2 == 0 else []
        zero = [0.0] * len(middle)
        value, mass = np.concatenate([value, zero, -value[::-1]]), np.concatenate([mass, middle, mass[::-1]])
        keep = mass > _DEEP * 1e-6
        value, mass = value[keep], mass[keep]
        return cls(0.5 * (n - value), mean * value, mass)

    def extended(self, count: int, gap: float) -> _Sites:
        """With so many sites without mass before the largest: what lies near those is near a site, too."""
        steps = np.arange(count, 0, -1.0)
        return _Sites(
            np.concatenate([self.minus[0] - steps, self.minus]),
            np.concatenate([self.value[0] + steps * gap, self.value]),
            np.concatenate([np.zeros(count), self.mass]),
        )


@dataclass(frozen=True, eq=False)
class _Bumps:
    """P(S > s) from Fourier sums over the sites in reach, those beyond it being certain."""

    n: int
    sites: _Sites
    gap: float
    reach: float
    window: int
    """Sites to either side whose mass reaches half-way to here."""
    t: Array
    values: NDArray[np.complex128]
    """One row a site: the transform of its neighbourhood about it, over t, with the weights of the rule."""
    step: float

    @classmethod
    def of(cls, sizes: Sizes, n: int, finer: float = 1.0) -> _Bumps:
        """Where |A_m| ≤ ``reach`` it is at most 2π / ``step`` from where it is asked for; ``finer``: the more so."""
        gap, reach = 2 * sizes.mean, sizes.reach(n)
        window = max(0, math.ceil(reach / gap - 0.5))
        sites = _Sites.of(n, sizes.mean).extended(window, gap)
        widest = (window + 0.5) * gap if window else reach
        step = 2 * math.pi / ((reach + widest) * finer)
        t, change = _nodes(sizes, n, step)
        with np.errstate(divide="ignore"):  # ψ may underflow
            log_psi = np.log1p(change)
        around = np.arange(-window, window + 1)
        padded = np.pad(sites.mass, window)
        shift = n - 2 * sites.minus[:, None]
        # e^{iθ(d - 2m)} of the site itself; a neighbour's is turned by e^{2i(θ + ct)} for each site between.
        turn = np.exp(2j * around[:, None] * (-log_psi.imag - sizes.mean * t))
        masses = np.lib.stride_tricks.sliding_window_view(padded, 2 * window + 1)
        values = (masses @ turn) * np.exp(n * log_psi.real + 1j * shift * log_psi.imag)
        return cls(n, sites, gap, reach, window, t, values * (step / np.pi) / t, step)

    def log_tail(self, tau: Array) -> Array:
        """log P(S > e^τ)."""
        s = np.exp(tau.ravel())
        out = np.empty_like(s)
        rows = max(1, _ELEMENTS // len(self.t))
        for start in range(0, len(s), rows):
            part = slice(start, start + rows)
            site, x, certain, half = self._place(s[part])
            waves = np.exp(-1j * x[:, None] * self.t)
            out[part] = certain + half + np.einsum("ij,ij->i", waves, self.values[site]).imag
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(out, 0)).reshape(tau.shape)

    def rounding(self, tau: Array) -> Array:
        """What P(S > e^τ) may be off by: that much of the mass in reach."""
        return _EPSILON * (3 + self.n) * 2 * self._place(np.exp(tau))[3]

    def excess(self, s: float) -> float:
        """E[(S - s)₊], to rounding of the mass in reach: E|A - x| from its own series."""
        site, x, _, half = self._place(np.array([s]))
        k = int(site[0])
        low, high = max(k - self.window, 0), k + self.window + 1
        far = self.sites.mass[:low] @ (self.sites.value[:low] - s)
        near = self.sites.mass[low:high] @ (self.sites.value[low:high] - s)
        series = (np.exp(-1j * x[0] * self.t) * self.values[k] / self.t).real.sum() * 2
        size = 2 * half[0] * np.pi / self.step - series
        return float(far + max(0.5 * (near + size), 0.0))

    def _place(self, s: Array) -> tuple[NDArray[np.intp], Array, Array, Array]:
        """The nearest site, the distance from it, the mass that is certainly above, and half of that in reach."""
        value, mass = self.sites.value, self.sites.mass
        site = np.clip(np.rint((value[0] - s) / self.gap).astype(np.intp), 0, len(value) - 1)
        x = s - value[site]
        if not self.window:
            x = np.clip(x, -self.reach, self.reach)
        sums = np.concatenate([[0.0], np.cumsum(mass)])
        first, last = np.maximum(site - self.window, 0), np.minimum(site + self.window + 1, len(mass))
        return site, x, sums[first], 0.5 * (sums[last] - sums[first])


def _nodes(sizes: Sizes, n: int, step: float) -> tuple[Array, NDArray[np.complex128]]:
    """t_j, as far as the transform counts, and ψ - 1 there."""
    nodes: list[Array] = []
    changes: list[NDArray[np.complex128]] = []

    for block in range(_MOST_BLOCKS):
        nodes.append(step * np.arange(_BLOCK * block + 0.5, _BLOCK * (block + 1)))
        changes.append(sizes.change(nodes[-1]))
        with np.errstate(divide="ignore"):
            size = n * np.log(np.abs(1 + changes[-1][-_BLOCK // 4 :]))
            if (size < -_FADED).all():
                return np.concatenate(nodes), np.concatenate(changes)
            if block == _TRIED:  # a power of t: is it enough at the end?
                before = n * np.log(np.abs(1 + changes[block // 2][-1]))
                if size[-1] - (before - size[-1]) / math.log(2) * math.log(_MOST_BLOCKS / block) > -_FADED:
                    break
    raise Unresolved


def tabulate_by_signs(sizes: Sizes, n: int) -> UpperOfTail:
    """The law of s₁ + … + s_n; Unresolved where its transform falls too slowly."""
    bumps, finer = _Bumps.of(sizes, n), _Bumps.of(sizes, n, _FINER)
    edges = _edges(bumps, sizes.deviation * math.sqrt(n))
    left, right = edges[:-1], edges[1:]
    done: list[tuple[Array, Array, Array]] = []
    for halving in range(_MOST_HALVINGS + 1):
        middle, half = 0.5 * (right + left)[:, None], 0.5 * (right - left)[:, None]
        coefficients = bumps.log_tail(middle + half * NODES) @ TO_CHEBYSHEV.T
        # Off the nodes and by a finer rule. What counts is P times the width next to the excess and s P.
        exact = finer.log_tail(middle + half * _CHECKS)
        off = np.abs(np.expm1(coefficients @ _AT_CHECKS - exact)).max(axis=1) * (right - left)
        silent = 2 * np.maximum(finer.rounding(left), finer.rounding(right)) / np.exp(exact[:, -1])
        silent *= right - left
        rough = off > np.maximum(_TOLERANCE, silent)
        if halving == _MOST_HALVINGS:
            rough[:] = False
        done.append((left[~rough], coefficients[~rough], np.maximum(off - silent, 0)[~rough]))
        if not rough.any():
            break
        cut = middle[rough, 0]
        left, right = np.concatenate([left[rough], cut]), np.concatenate([cut, right[rough]])
    starts, table, lost = (np.concatenate(parts) for parts in zip(*done, strict=True))
    order = np.argsort(starts)
    law = Tail(np.append(starts[order], edges[-1]), table[order])
    end = float(np.exp(law.edges[-1]))
    blur = float(finer.rounding(law.edges[-1:])[0]) * bumps.reach
    upper = UpperOfTail(law, bumps.excess(end) + blur, blur)
    # Errors of panels add up in the excess over a level.
    level = np.exp(law.edges + upper.log_tails)[:-1]
    error = np.cumsum((lost[order] * level)[::-1])[::-1] / (upper.excess[:-1] + level)
    return replace(upper, law=replace(law, error=float(error.max()) + 4 * _EPSILON * n))


def _edges(bumps: _Bumps, deviation: float) -> Array:
    """Panel ends in τ = log s: a few for each deviation about each site, wider ones beyond, and as log s next to 0."""
    half = 0.5 * bumps.gap
    out = np.arange(0, _CORE + 0.1, _WIDTH) * deviation
    if bumps.reach > out[-1]:
        more = math.ceil(math.log(bumps.reach / out[-1], _GROWTH))
        out = np.append(out, out[-1] * _GROWTH ** np.arange(1, more + 1))
    offsets = np.concatenate([-out[:0:-1], out])
    inside = np.concatenate([[-half], offsets[np.abs(offsets) < half * (1 - 1e-9)]])
    there = bumps.sites.mass > 0
    value = bumps.sites.value[there & (bumps.sites.value > -0.5 * half)]
    s = np.concatenate([(value[:, None] + inside).ravel(), value[0] + out])
    s = np.sort(s[s > 1e-3 * deviation])
    tau = np.log(s[np.append(True, np.diff(s) > 1e-6 * deviation)])
    tau = np.concatenate([panels(tau[0] - 40, tau[0], tau[0])[:-1], tau])

    # The end: as far as rounding leaves digits of what the rest of the excess comes to.
    def seen(tau: Array) -> NDArray[np.bool_]:
        return np.exp(bumps.log_tail(tau)) > np.maximum(_DEEP, _CLEAR * bumps.rounding(tau))

    there = seen(tau)
    if there.all():
        return tau
    low, high = tau[there.argmin() - 1], tau[there.argmin()]
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if seen(np.array([middle]))[0] else (low, middle)
    return np.append(tau[: there.argmin()], low)
