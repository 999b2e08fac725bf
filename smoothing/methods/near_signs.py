"""A sum of scores that all keep close to ±1, as exp-power noise has it for p next to 1: bounded by two sums.

With a constant c each score is c σ + (s - c σ), σ its sign, and what a set collects of a sum is at most what it
collects of either part:

    T(q) ≤ c T_signs(q) + T_rest(q).

The signs' part is known in closed form, corners and all; the rest, whose scores are small but not nearly equal, has
a smooth table. At |p - 1| = 0.01 a radius loses up to 2 % by that, at 0.001 ten times less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.score_laws import graded, panel_ends
from smoothing.methods.score_sums import Score, ScoreSum
from smoothing.methods.signs import sum_of_signs

Array = NDArray[np.float64]

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class NearSigns(ScoreSum):
    """S = s₁ + … + s_d by its own table where that is fine enough, else by its two parts."""

    centre: float
    """c."""
    rest: Score
    """The law of s - c σ."""

    @cached_property
    def _apart(self) -> ScoreSum:
        return ScoreSum(self.rest, self.dim)

    @cached_property
    def _corners(self) -> tuple[Array, Array]:
        """(q, T_signs(q)) at q = 2 P(W ≥ w), W = σ₁ + … + σ_d, and at both ends; linear between them."""
        value, mass = (part[::-1] for part in sum_of_signs(self.dim))
        q, height = 2 * np.cumsum(mass), 2 * np.cumsum(mass * value)
        inside = q < 1 - 1e-12
        return np.concatenate([[0.0], q[inside], [1.0]]), np.concatenate([[0.0], height[inside], height[-1:]])

    def upper(self, w: Array) -> Array:
        bound = super().upper(w)
        if self.table.resolved:
            return bound
        signs = np.interp(sp.ndtr(-np.asarray(w)), *self._corners) * (1 + _ROUNDING)
        return np.minimum(bound, self.centre * signs + self._apart.upper(w))

    @property
    def edges(self) -> Array | None:
        if self.table.resolved:
            return super().edges
        corners = -sp.ndtri(self._corners[0][1:-1])
        return panel_ends(corners, graded(float(corners[-1])))

    @property
    def noise(self) -> float:
        return super().noise if self.table.resolved else max(1e-12, self._apart.table.accuracy)
