"""A sum of scores that all keep close to ±c: by its signs where these stand apart, else as any other sum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smoothing.methods.score_laws import ScoreLaw, normal_score, panel_ends
from smoothing.methods.score_sums import ScoreSum
from smoothing.methods.sums_by_signs import Sizes, tabulate_by_signs
from smoothing.methods.tail_tables import Unresolved
from smoothing.methods.tail_upper import UpperOfTail

Array = NDArray[np.float64]

_APART = 3.0  # deviations of the rest, in units of c, from which on transforms have no lobes anyway
_LEAST = 2e-9  # masses q down to which T is wanted to
_GOOD, _BLUR = 1e-10, 1.2e-8  # of T, and of T where q is least: a radius has a twentieth of that


@dataclass(frozen=True, eq=False)
class NearSigns(ScoreLaw):
    """S = s₁ + … + s_d by Fourier sums for each number of minus signs, where those see enough of its tail."""

    sizes: Sizes
    dim: int
    alone: ScoreLaw
    """The law of one score: T(q) ≤ d T_1(q), used where the table has ended."""
    plain: ScoreSum
    """The same law from its own table."""

    @cached_property
    def table(self) -> UpperOfTail | None:
        """By signs; None where the plain table serves better."""
        spread = self.sizes.deviation * np.sqrt(self.dim)
        if spread > _APART * self.sizes.mean:
            return None
        try:
            table = tabulate_by_signs(self.sizes, self.dim)
        except Unresolved:
            return None
        blur = table.blur / (self.dim * self.sizes.mean * _LEAST)
        if table.law.error < _GOOD and blur < _BLUR:
            return table
        plain = self.plain.table
        return None if plain.resolved and plain.accuracy < max(table.law.error, blur / 20) else table

    def upper(self, w: Array) -> Array:
        if self.table is None:
            return self.plain.upper(w)
        w = np.asarray(w, dtype=np.float64)
        return self.table(w, self.dim * self.alone.upper(w)) * (1 + self.noise)

    @property
    def edges(self) -> Array | None:
        """A table by signs has an edge wherever T bends."""
        if self.table is None:
            return self.plain.edges
        return panel_ends(normal_score(2 * np.exp(self.table.log_tails)))

    @property
    def noise(self) -> float:
        return self.plain.noise if self.table is None else 1e-12 + 2 * self.table.law.error

    @property
    def is_bounded(self) -> bool:
        return self.plain.is_bounded
