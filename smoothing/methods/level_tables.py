"""The law of a radial score as a table: what costs four incomplete beta functions a level, for some hundred flops.

Where cross-polytope noise meets ℓ∞ its radial law is asked for at ten million levels, which differ by the values of a
sum of signs. In u, a coordinate in which a maximum or minimum of the score inside is no corner, log P(R > ℓ) and the
log of the mean excess E[R - ℓ | R > ℓ] are smooth on panels of half a normal score: polynomials of degree 15 meet them
to the last digits that the incomplete functions have. A panel that is not met, and every level outside, is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from smoothing.methods.score_mixtures import RadialScore

Array = NDArray[np.float64]

_ORDER = 16
_NODES = np.cos(np.pi * (np.arange(_ORDER) + 0.5) / _ORDER)
_TO_CHEBYSHEV = np.linalg.inv(chebyshev.chebvander(_NODES, _ORDER - 1))
_PLACES = np.array([-0.97, -0.5, 0.1, 0.6, 0.95])  # where a panel is compared
_SCORES = np.arange(-11.5, 11.51, 0.5)
_MET = 3e-12  # relative, of masses; of excesses times what is lost when they are subtracted
_LOST = 30.0
_BLOCK = 1 << 15  # levels at once: their polynomials stay in cache


def tabulated(radial: RadialScore, dim: int) -> RadialScore:
    """The same law with ``above`` from a table, where it can be one. Levels spread by 1/√dim, about."""
    if radial.scores is None:
        return radial
    coordinate = _coordinate(radial)
    with np.errstate(all="ignore"):
        ends = coordinate.of(np.asarray(radial.scores(_SCORES)))
    edges = np.unique(np.append(ends[np.isfinite(ends)], [0.0] if coordinate.turns else []))
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-9])]
    if len(edges) < 2:
        return radial
    table = _Table(radial.above, coordinate, edges, *_fit(radial, coordinate, edges, max(_LOST, float(dim))))
    return replace(radial, above=table)


@dataclass(frozen=True)
class _Coordinate:
    """u of a level: its logarithm, or the root of its logarithmic distance to an extremum of the score inside."""

    end: float
    """The extremum, or 1."""
    sign: float
    """1 above a minimum, -1 below a maximum, 0 where there is none."""

    @property
    def turns(self) -> bool:
        return self.sign != 0

    @property
    def at_maximum(self) -> bool:
        """Where u goes to 0 and the mass above with it, as fast; the mean excess as u²."""
        return self.sign < 0

    def of(self, level: Array) -> Array:
        log = np.log(level / self.end)
        return np.sqrt(np.maximum(self.sign * log, 0.0)) if self.turns else log

    def level(self, u: Array) -> Array:
        return self.end * np.exp(self.sign * u * u if self.turns else u)


def _coordinate(radial: RadialScore) -> _Coordinate:
    if np.isfinite(radial.top):
        return _Coordinate(radial.top, -1.0)
    return _Coordinate(radial.bottom, 1.0) if radial.bottom > 0 else _Coordinate(1.0, 0.0)


def _logs(radial: RadialScore, coordinate: _Coordinate, u: Array) -> tuple[Array, Array, Array]:
    """(log of the mass above, log of the mean excess over the level, what the latter loses), smooth in u."""
    level = coordinate.level(u)
    flat = level.ravel()
    mass, partial = (np.reshape(part, u.shape) for part in radial.above(flat, True))
    excess = (partial - level * mass) / mass
    log_u = np.log(u) if coordinate.at_maximum else 0.0
    return np.log(mass) - log_u, np.log(excess / level) - 2 * log_u, 1 + level / excess


def _fit(
    radial: RadialScore, coordinate: _Coordinate, edges: Array, most: float
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Chebyshev coefficients of both logarithms, one row a panel, and which panels they meet.

    An excess over a level is a difference, which loses digits where it is small: of as many as ``most`` times a digit
    the panel is not held against the polynomial, so that next to a maximum levels are computed.
    """
    middle, half = 0.5 * (edges[1:] + edges[:-1])[:, None], 0.5 * np.diff(edges)[:, None]
    with np.errstate(all="ignore"):
        log_mass, log_excess, _ = _logs(radial, coordinate, middle + half * _NODES)
        true_mass, true_excess, lost = _logs(radial, coordinate, middle + half * _PLACES)
        masses, excesses = log_mass @ _TO_CHEBYSHEV.T, log_excess @ _TO_CHEBYSHEV.T
        there = chebyshev.chebvander(_PLACES, _ORDER - 1).T
        met = (np.abs(masses @ there - true_mass) <= _MET) & (
            np.abs(excesses @ there - true_excess) <= _MET * np.minimum(lost, most)
        )
    return masses, excesses, np.asarray(met.all(axis=1))


@dataclass(frozen=True, eq=False)
class _Table:
    """ℓ to (P(R > ℓ), E[R; R > ℓ])."""

    direct: Callable[[Array, bool], tuple[Array, Array]]
    coordinate: _Coordinate
    edges: Array
    masses: Array
    excesses: Array
    met: NDArray[np.bool_]

    def __call__(self, level: Array, mean: bool) -> tuple[Array, Array]:
        mass, partial = np.empty(np.shape(level)), np.zeros(np.shape(level))
        for start in range(0, len(level), _BLOCK):
            part = slice(start, start + _BLOCK)
            mass[part], partial[part] = self._block(level[part], mean)
        return mass, partial

    def _block(self, level: Array, mean: bool) -> tuple[Array, Array]:
        u = self.coordinate.of(level)
        panel = np.searchsorted(self.edges, u, side="right") - 1
        known = (panel >= 0) & (panel < len(self.met))
        panel = np.clip(panel, 0, len(self.met) - 1)
        known &= self.met[panel] & (self.coordinate.sign * (level - self.coordinate.end) >= 0)
        left, right = self.edges[panel], self.edges[panel + 1]
        x = np.clip((2 * u - left - right) / (right - left), -1, 1)
        scale = u if self.coordinate.at_maximum else 1.0
        mass = np.exp(_clenshaw(self.masses, panel, x)) * scale
        partial = np.zeros_like(mass)
        if mean:
            excess = np.exp(_clenshaw(self.excesses, panel, x)) * scale * scale
            partial = level * mass * (1 + excess)
        if not known.all():
            other = ~known
            mass[other], partial[other] = self.direct(level[other], mean)
        return mass, partial


def _clenshaw(coefficients: Array, panel: NDArray[np.intp], x: Array) -> Array:
    """Σ c_k T_k(x), the coefficients those of each x's panel."""
    one, two = np.zeros_like(x), np.zeros_like(x)
    double = 2 * x
    for k in range(_ORDER - 1, 0, -1):
        one, two = coefficients[panel, k] + double * one - two, one
    return np.asarray(coefficients[panel, 0] + x * one - two)
