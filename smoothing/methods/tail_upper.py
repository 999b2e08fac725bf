"""T(q) of a symmetric score from the table of its tail: T(q) = 2 Φ(q/2) = min over s of 2 E[(S-s)₊] + s q.

Every s bounds T from above, and the least bound is had where P(S > s) = q/2: a level that is found to half of the
digits gives T to all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.tail_tables import NODES, WEIGHTS, Tail

Array = NDArray[np.float64]

_SHARES = (np.arange(4)[:, None] + 0.5 * (1 + NODES)).ravel() / 4
_SHARE_WEIGHTS = np.tile(WEIGHTS, 4) / 8


@dataclass(frozen=True, eq=False)
class UpperOfTail:
    """T for the law with this table.

    ``beyond`` is what E[(S-s)₊] is at its end, raised by ``blur``, the bound of its error there.
    """

    law: Tail
    beyond: float
    blur: float = 0.0

    @classmethod
    def of(cls, law: Tail) -> UpperOfTail:
        """Of a law that is a power beyond its table, or ends there."""
        last = law.edges[-1]
        power = (
            float(np.exp(last + law(law.edges[-1:])[0])) / (-law.slope - 1) if law.slope > -np.inf else 0.0
        )
        return cls(law, power)

    @cached_property
    def log_tails(self) -> Array:
        """log P(S > s) at every edge of the table."""
        return np.minimum.accumulate(self.law(self.law.edges))

    @cached_property
    def excess(self) -> Array:
        """E[(S-s)₊] at every edge."""
        pieces = _area(self.law, self.law.edges[:-1], self.law.edges[1:])
        return self.beyond + np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]])

    def __call__(self, w: Array, ends: Array) -> Array:
        """T(Φ_N(-w)); ``ends`` bounds it where the table has ended."""
        law, q = self.law, sp.ndtr(-w)
        goal = sp.log_ndtr(-w) - np.log(2)
        panel = np.clip(np.searchsorted(-self.log_tails, -goal) - 1, 0, len(law.coefficients) - 1)
        low, high = law.edges[panel], law.edges[panel + 1]
        for _ in range(30):
            middle = 0.5 * (low + high)
            above = law(middle) > goal
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        tau = 0.5 * (low + high)
        excess = self.excess[panel + 1] + _area(law, tau, law.edges[panel + 1])
        value = np.minimum(2 * excess + np.exp(tau) * q, ends)
        return np.where(goal > self.log_tails[-1], value, ends)


def _area(law: Tail, left: Array, right: Array) -> Array:
    """∫ P(S > s) ds for log s in [left, right], inside one panel each; in four parts, as it may fall by e^-60."""
    tau = left[..., None] + (right - left)[..., None] * _SHARES
    return (right - left) * (np.exp(tau + law(tau)) * _SHARE_WEIGHTS).sum(axis=-1)
