"""The gauge of the ℓ∞ Wulff crystal W: ‖x‖_W = max <x,u> / h(u), h(u) = E|<σ,u>|, between two proven bounds.

Every u bounds it from below. From above: h(e_i) = 1 and h(u) ≥ ‖u‖₂/√2 (Szarek 1976), so ‖r‖_W ≤ min(‖r‖₁, √2 ‖r‖₂),
and x = γz + r with z ∈ W gives ‖x‖_W ≤ γ + ‖r‖_W. Points z of W are ∇h(u) and all Σ c_v v with |c_v| ≤ 2^{1-d}, v
running over the pairs of sign vectors.

u minimises ½h(u)² - <x,u>, where h∇h = x: smooth in high dimension, and r is small there. In low dimension u sits
on a corner of h, where <v,u> = 0 for some v, and the c_v of these are free: a linear program with the few thousand v
of least |<v,u>|, all of them for d ≤ 12, is exact where those were enough; its dual is the next u.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

from geometry.cosine_series import Proof
from geometry.rademacher import average_and_gradient, rademacher_average

Array = NDArray[np.float64]

LISTED = 22  # dimensions in which all <v,u> are computed
_FREE = 1 << 11
_ROUNDS = 4
_ITERATIONS = 60  # where h has many corners, more do not help
_EXACT = 1e-12
# What rounding may do to Σ c_v v, and rounding and the end of the series to ∇h(u), in ‖·‖_W.
_ROUNDING, _GRADIENT = 1e-13, 1e-10


class Gauge(NamedTuple):
    """``lower`` ≤ ‖x‖_W ≤ ``upper``, and the u with h(u) ≤ 1 and <x,u> = lower."""

    lower: float
    upper: float
    u: Array


def crystal_gauge(x: Array) -> Gauge:
    """Of one vector x ≠ 0, shape (d,), any signs and scale. Zeros do not count: W's sections with zero coordinates are
    its shadows, the crystals of lower dimension."""
    place, scale = np.flatnonzero(x), float(np.abs(x).max())
    y = np.abs(x[place]) / scale
    found = _positive(y)
    u = np.zeros(len(x))
    u[place] = np.copysign(found.u, x[place])
    return Gauge(scale * found.lower, scale * found.upper, u)


def _positive(x: Array) -> Gauge:
    if x.min() == x.max():  # all ones: by symmetry u is, too
        average = rademacher_average(np.ones(len(x)))
        return Gauge(
            len(x) / float(average.upper),
            len(x) / float(average.lower),
            np.ones(len(x)) / float(average.upper),
        )
    u = _smooth(x)
    best = _bounds(x, u)
    if len(x) > LISTED:
        return best
    for _ in range(_ROUNDS):
        if best.upper - best.lower <= _EXACT * best.lower:
            break
        upper, u = _program(x, u, best.lower)
        found = _bounds(x, np.abs(u))
        better = found if found.lower > best.lower else best
        best = Gauge(better.lower, min(best.upper, max(upper, better.lower)), better.u)
    return best


def inside(x: Array) -> bool:
    """Whether x ≠ 0 is in W: by the cheapest bounds that tell."""
    y = np.abs(x)
    for u in (lambda: y, lambda: _smooth(y)):
        found = _bounds(y, u())
        if found.lower > 1 or found.upper <= 1:
            return found.upper <= 1
    found = crystal_gauge(x)
    return found.lower + found.upper <= 2


def quick_gauge(x: Array, tolerance: float = 1e-6) -> float:
    """The gauge at x without proof, from below, by h alone: in d > 22 good to about the tolerance."""
    u = _smooth(np.abs(x), tolerance)
    average = rademacher_average(u, proof=Proof.NONE)
    return float(np.abs(x) @ u / average.value)


def _smooth(x: Array, tolerance: float = 1e-11) -> Array:
    """The u ≥ 0 that minimises ½h(u)² - <x,u>, as far as a quasi-Newton method gets."""

    def objective(u: Array) -> tuple[float, Array]:
        average, slope = average_and_gradient(u, proof=Proof.NONE)
        h = float(average.value)
        return 0.5 * h * h - float(x @ u), h * slope - x

    answer = minimize(
        objective,
        0.5 * np.pi * x,
        jac=True,
        method="L-BFGS-B",
        options={"gtol": tolerance, "ftol": 1e-4 * tolerance, "maxiter": _ITERATIONS},
    )
    return np.abs(answer.x)


def _bounds(x: Array, u: Array) -> Gauge:
    """Both bounds by one u: the upper one with z = ∇h(u)."""
    average, z = average_and_gradient(u)
    u = u / float(average.upper)
    lower = float(x @ u)
    return Gauge(lower, lower + _stray(x - lower * z) + _GRADIENT * lower, u)


def _stray(r: Array) -> float:
    return float(min(np.abs(r).sum(), np.sqrt(2) * np.linalg.norm(r)))


def _program(x: Array, u: Array, gauge: float) -> tuple[float, Array]:
    """(upper bound, next u): the largest λ with λx = Σ c_v v, where all but _FREE of the c_v are at their bounds.

    Written for μ = 2^{d-1} (λ - 1/gauge) and b = 2^{d-1} c, which are of moderate size.
    """
    dim = len(x)
    products = np.full(1, u[0])
    for entry in u[1:]:
        products = np.add.outer(products, [entry, -entry]).ravel()
    free = np.arange(len(products))
    if len(free) > _FREE:
        free = np.argpartition(np.abs(products), _FREE)[:_FREE]
    signs = 1.0 - 2 * (free[:, None] >> np.arange(dim - 1, -1, -1) & 1)
    _, z = average_and_gradient(u)
    tie = 1e-13 * float(u.sum())
    chosen = np.where(np.abs(products[free]) <= tie, 0.0, np.sign(products[free]))
    fixed = len(products) * z - chosen @ signs if len(free) < len(products) else np.zeros(dim)
    answer = linprog(
        np.concatenate([[-1.0], np.zeros(len(free))]),
        A_eq=np.column_stack([x, -signs.T]),
        b_eq=fixed - len(products) / gauge * x,
        bounds=[(None, None)] + [(-1.0, 1.0)] * len(free),
        method="highs",
    )
    if answer.status != 0:
        return np.inf, u
    inverse = 1 / gauge + float(answer.x[0]) / len(products)
    point = (fixed + np.clip(answer.x[1:], -1, 1) @ signs) / len(products)
    return 1 / inverse + _stray(x - point / inverse) + _ROUNDING / inverse, np.asarray(answer.eqlin.marginals)
