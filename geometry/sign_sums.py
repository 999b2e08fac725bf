"""The law of X = Σ v_j S_j, S_j a sum of n_j random signs: its atoms, and E|X| from the atoms of two halves.

Meet in the middle: X = A + B, the atoms of B are sorted, and E|a + B| follows for every atom a from prefix sums, and
so does E sgn(a + B). Groups of equal magnitudes have n+1 atoms and not 2^n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geometry.cosine_series import REACH, UNIT

Array = NDArray[np.float64]
# (h, error, ∇h for each group of magnitudes if asked for)
Row = tuple[float, float, Array | None]

MOST = 20  # log2 of the atoms in a half


def split(counts: NDArray[np.intp]) -> tuple[list[list[int]], float]:
    """The groups in two halves with about as many atoms each, and log2 of the larger number of atoms."""
    if len(counts) > 4 * MOST:
        return [[], []], math.inf
    sizes = [math.log2(min(n + 1, 2 * _spread(n) + 1)) for n in counts.tolist()]
    halves: list[list[int]] = [[], []]
    total = [0.0, 0.0]
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        side = int(total[1] < total[0])
        halves[side].append(i)
        total[side] += sizes[i]
    return halves, max(total)


def _spread(n: int) -> int:
    """The sum of n signs is beyond this with a probability that rounding hides."""
    return math.ceil((REACH + 1) * math.sqrt(n)) + 2


def _binomial(n: int) -> tuple[Array, Array]:
    """The values of a sum of n signs and their probabilities, by ratios from the middle."""
    top = np.arange(n % 2, min(n, _spread(n)) + 1, 2.0)
    weights = np.cumprod(np.concatenate([[1.0], (n - top[:-1]) / (n + top[:-1] + 2)]))
    lower = slice(None, 0, -1) if n % 2 == 0 else slice(None, None, -1)
    weights = np.concatenate([weights[lower], weights])
    return np.concatenate([-top[lower], top]), weights / weights.sum()


class Atoms:
    """The law of Σ v_j S_j, S_j a sum of n_j signs, as a grid with one axis for each group."""

    def __init__(self, values: Array, counts: NDArray[np.intp], groups: Sequence[int]) -> None:
        self.groups, self.counts = groups, counts
        self.sums = [_binomial(int(counts[j])) for j in groups]
        self.x, self.weights = np.zeros(1), np.ones(1)
        for j, (sums, weights) in zip(groups, self.sums, strict=True):
            self.x = np.add.outer(self.x, values[j] * sums).ravel()
            self.weights = np.multiply.outer(self.weights, weights).ravel()

    def mean_signs(self, f: Array, out: Array) -> None:
        """out_j = Σ P(atom) f(atom) S_j/n_j: the mean of f times one sign of the group."""
        grid = (self.weights * f).reshape([len(sums) for sums, _ in self.sums])
        for axis, (j, (sums, _)) in enumerate(zip(self.groups, self.sums, strict=True)):
            others = tuple(a for a in range(grid.ndim) if a != axis)
            out[j] = grid.sum(axis=others) @ sums / self.counts[j]


def meet(values: Array, counts: NDArray[np.intp], halves: list[list[int]], slope: bool) -> Row:
    """Exactly, but for rounding; prefix sums in extended precision where the machine has it."""
    a, b = (Atoms(values, counts, half) for half in halves)
    size = float(values @ counts)
    tie = 4 * UNIT * (len(counts) + 4) * size
    order = np.argsort(b.x)
    x, weights = b.x[order], b.weights[order].astype(np.longdouble)
    mass = np.concatenate([[0.0], np.cumsum(weights)]).astype(np.float64)
    moment = np.concatenate([[0.0], np.cumsum(weights * x)]).astype(np.float64)
    order = np.argsort(a.x)  # sorted questions are answered faster
    length, below = np.abs(a.x[order]), np.searchsorted(x, -np.abs(a.x[order]))
    # E|a + B| = |a| (1 - 2 P(B < -|a|)) - 2 E[B; B < -|a|], both positive
    value = float(a.weights[order] @ (length * (1 - 2 * mass[below]) - 2 * moment[below]))
    units = 2 * len(counts) + 40 + sum(len(s) for s, _ in a.sums + b.sums if len(s) > 2)
    error = value * units * UNIT + tie / 2 + len(x) * float(np.finfo(np.longdouble).eps) * size
    if not slope:
        return value, error, None
    gradient = np.zeros(len(values))
    for one, other in ((a, b), (b, a)):
        order, back = np.argsort(other.x), np.argsort(one.x)
        x, mass = other.x[order], np.concatenate([[0.0], np.cumsum(other.weights[order])])
        sought, signs = -one.x[back], np.empty(len(one.x))
        less, more = np.searchsorted(x, sought - tie), np.searchsorted(x, sought + tie, side="right")
        signs[back] = mass[-1] - mass[more] - mass[less]
        one.mean_signs(signs, gradient)
    return value, error, gradient
