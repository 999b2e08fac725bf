"""The worst-case classifier as a linear program: the growth function on finitely many cells, with side information.

Cut space into cells, with masses q_i under the noise and r_i under the shifted noise. A (randomised) region of the
wrong class with probability h_i on cell i has mass q·h before the shift and r·h after it, so

    G = max r·h   subject to   q·h = p,  0 ≤ h ≤ 1,  A h ≤ b.

Without (A, b) this is the Neyman-Pearson problem: the best h is a threshold on r_i/q_i, and the multiplier of q·h = p
is that threshold. What is known beyond ρ, such as the vote at another noise level, are rows of (A, b); they can only
lower G.

A classifier that is constant on cells is a classifier, so the program bounds the true growth function from below and
the radius from above: coarser cells only restrict the adversary. It is exact where the best classifier is constant on
cells: without side information, where the cells' edges contain the ends of the best likelihood-ratio region.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError

Array = NDArray[np.float64]
# The masses left and right of x under the noise: (P(X ≤ x), P(X > x)), both to full relative accuracy.
Tails = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True)
class SideInformation:
    """A h ≤ b, and C h = e: what is known of the wrong class's region besides its probability."""

    at_most: tuple[Array, Array] | None = None
    """(A, b)."""
    equal: tuple[Array, Array] | None = None
    """(C, e)."""


@dataclass(frozen=True)
class WorstCase:
    """The optimum of the program."""

    value: float
    """G, the largest mass of the wrong class after the shift."""
    classifier: Array
    """h, the probability of the wrong class on each cell."""
    threshold: float
    """The multiplier of q·h = p: without side information the likelihood ratio r/q that h thresholds."""


def worst_case(q: ArrayLike, r: ArrayLike, p: float, known: SideInformation | None = None) -> WorstCase:
    """Solve the program; ``q`` and ``r`` of shape (cells,), p = 1 - ρ in [0, 1].

    InputError for masses that are negative or of different shape, p outside [0, sum of q], and side information that
    contradicts p. The solver's feasibility tolerance is 1e-10, absolute.
    """
    q, r = np.asarray(q, dtype=np.float64), np.asarray(r, dtype=np.float64)
    if q.ndim != 1 or q.shape != r.shape or not ((q >= 0).all() and (r >= 0).all()):
        raise InputError(
            f"q and r are the masses of the same cells, nonnegative vectors; got shapes {q.shape}, {r.shape}"
        )
    if not 0 <= p <= q.sum() * (1 + 1e-12):
        raise InputError(f"p is the mass of the wrong class, in [0, {q.sum():g}]; got {p:g}")
    h = cp.Variable(len(q), bounds=[0, 1])
    mass = q @ h == p
    constraints = [mass]
    if known is not None and known.at_most is not None:
        matrix, limit = known.at_most
        constraints.append(matrix @ h <= limit)
    if known is not None and known.equal is not None:
        matrix, value = known.equal
        constraints.append(matrix @ h == value)
    problem = cp.Problem(cp.Maximize(r @ h), constraints)
    # HiGHS as SciPy carries it: called directly, it writes a banner to standard output
    tolerances = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    problem.solve(solver=cp.SCIPY, scipy_options={"method": "highs-ds", **tolerances})
    if problem.status in (cp.INFEASIBLE, cp.settings.INFEASIBLE_OR_UNBOUNDED):
        raise InputError(
            f"no classifier that is constant on the {len(q)} cells agrees with p = {p:g} and the side information: "
            "the observations contradict each other, or the cells are too coarse"
        )
    if problem.status != cp.OPTIMAL:
        raise ArithmeticError(f"the linear program ended as {problem.status}")
    return WorstCase(float(problem.value), np.asarray(h.value), float(mass.dual_value))


def cell_masses(tails: Tails, edges: Array, shift: float) -> Array:
    """Masses under the noise shifted by ``shift`` of the cells that ``edges`` cut the line into, ends included."""
    below, above = tails(edges - shift)
    below, above = np.concatenate([[0], below, [1]]), np.concatenate([[1], above, [0]])
    # of the two differences the one whose terms are small is accurate
    return np.maximum(np.where(below[1:] < 0.5, np.diff(below), -np.diff(above)), 0.0)


def radius_by_program(
    tails: Tails,
    p: float,
    *,
    edges: Callable[[float], Array],
    known: Callable[[Array, float], SideInformation] | None = None,
    largest: float,
    tolerance: float = 1e-9,
) -> float:
    """The largest shift along a line with G ≤ 1/2, by bisection on [0, largest]; ``largest`` if G stays below.

    ``tails``: of one coordinate of product noise (or of any one-dimensional marginal that the shift acts on).
    ``edges(shift)``: the cuts between cells, increasing; the finer the closer from above, and exact if they contain the
    ends of the best region. ``known(edges, shift)``: side information about those cells. G is taken to increase with
    the shift.
    """
    if not 0 < largest < np.inf:
        raise InputError(f"largest is the end of the search, a positive number; got {largest:g}")

    def overturned(shift: float) -> bool:
        cuts = edges(shift)
        facts = known(cuts, shift) if known is not None else None
        q, r = cell_masses(tails, cuts, 0.0), cell_masses(tails, cuts, shift)
        return worst_case(q, r, p, facts).value > 0.5

    if p >= 0.5:
        return 0.0
    if not overturned(largest):
        return largest
    low, high = 0.0, largest
    while high - low > tolerance * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if overturned(middle) else (middle, high)
    return high
