"""The differential method: from the upper partial expectation of a score to a radius.

For a symmetric score S with Φ(p) = sup {E[S; U] : q(U) = p}, write q = 2p and T(q) = 2 Φ(q/2). Then

    R(ρ) = ∫ from 1-ρ to 1/2 of dp / Φ(p) = J(2(1-ρ)),   J(q₀) = ∫ from q₀ to 1 of dq / T(q),

which is sound wherever the density is weakly differentiable with an integrable score
(Yang et al. 2020, Theorem 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.special import gauss_legendre

Array = NDArray[np.float64]

EDGES = np.linspace(-12.5, 8.5, 15)
_MOST_HALVINGS = 5
_RESOLVED = 1e-14
_LAST = 37.0  # Φ_N(-37) ~ 1e-300: smaller masses are not represented


@dataclass(frozen=True)
class _Rule:
    """Gauss-Legendre on [-1, 1]; ``matrix`` takes values at the nodes to Legendre coefficients.

    c_k = (k + 1/2) Σ w_i P_k(x_i) f(x_i).
    """

    nodes: Array
    weights: Array
    matrix: Array
    values: Array

    def on(self, left: Array, right: Array) -> Array:
        """The nodes on every [left, right], along a new last axis."""
        return left[..., None] + 0.5 * (right - left)[..., None] * (1 + self.nodes)

    def integral(self, values: Array, left: Array | float, right: Array) -> Array:
        """The integral over [left, right] from values at the nodes."""
        return 0.5 * (right - left) * (values * self.weights).sum(axis=-1)


@lru_cache(maxsize=8)
def _rule(order: int) -> _Rule:
    nodes, weights = gauss_legendre(order)
    values = legendre.legvander(nodes, order - 1).T
    matrix = (np.arange(order)[:, None] + 0.5) * (values * weights)
    return _Rule(nodes, weights, matrix, np.asarray(values, dtype=np.float64))


class ReciprocalIntegral:
    """J(q₀) for one score, tabulated once and then answered for any number of q₀ at the cost of a polynomial.

    The mass is carried as a normal score w, q = Φ_N(-w). There the score's mean on its best set, T(q)/q, is
    smooth and slowly varying from q = 1 down to 1e-300, whatever the dimension: the radial law's window of width
    1/√d has width 1 here. Its reciprocal h is expanded in Legendre polynomials on panels, and
    J = ∫ h(w) φ_N(w)/Φ_N(-w) dw is a Gauss rule. The part left of w = -12.5 is positive and dropped, which is
    the sound side; the last Legendre coefficients bound the error.
    """

    def __init__(
        self, upper: Callable[[Array], Array], edges: Array | None = None, noise: float = _RESOLVED
    ) -> None:
        """``upper(w)`` is T(Φ_N(-w)), vectorised over w, smooth between the ``edges`` but for relative ``noise``."""
        self._resolved = noise
        self._upper = _concave(upper)
        edges = EDGES if edges is None else edges
        # Many panels are narrow, and fewer nodes a panel serve.
        self._rule = _rule(32 if len(edges) < 100 else 20 if len(edges) < 1500 else 8)
        self._halvings = (2 if noise > _RESOLVED else _MOST_HALVINGS) if len(edges) < 100 else 1
        self._edges, self._coefficients = self._expand(edges)
        left, right = self._edges[:-1], self._edges[1:]
        h = self._coefficients @ self._rule.values
        panels = self._rule.integral(h * _hazard(self._rule.on(left, right)), left, right)
        self._below = np.concatenate([[0.0], np.cumsum(panels)])
        self._relative = _unresolved(self._coefficients)
        self._error_below = np.concatenate([[0.0], np.cumsum(panels * self._relative)])

    def _expand(self, edges: Array) -> tuple[Array, Array]:
        """Panel edges and Legendre coefficients of h; panels that are not resolved are halved."""
        left, right = edges[:-1], edges[1:]
        done: list[tuple[Array, Array]] = []
        for _ in range(self._halvings):
            coefficients = self._coefficients_on(left, right)
            rough = _unresolved(coefficients) > self._resolved
            done.append((left[~rough], coefficients[~rough]))
            if not rough.any():
                break
            middle = 0.5 * (left[rough] + right[rough])
            left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
        else:
            done.append((left, self._coefficients_on(left, right)))
        starts = np.concatenate([part for part, _ in done])
        order = np.argsort(starts)
        return np.append(starts[order], edges[-1]), np.concatenate([part for _, part in done])[order]

    def _coefficients_on(self, left: Array, right: Array) -> Array:
        w = self._rule.on(left, right)
        return (sp.ndtr(-w) / self._upper(w)) @ self._rule.matrix.T

    def __call__(self, q0: Array, complement: Array) -> tuple[Array, Array]:
        """(J(q₀), bound on its error); ``complement`` = 1 - q₀ is given apart so that both are exact."""
        edges = self._edges
        w0 = np.where(q0 < 0.5, -sp.ndtri(q0), sp.ndtri(complement))
        inside = np.clip(w0, edges[0], edges[-1])
        panel = np.clip(np.searchsorted(edges, inside) - 1, 0, len(edges) - 2)
        left, right = edges[panel], edges[panel + 1]
        w = self._rule.on(left, inside)
        local = (2 * w - (left + right)[..., None]) / (right - left)[..., None]
        h = legendre.legval(local, np.moveaxis(self._coefficients[panel], -1, 0)[..., None], tensor=False)
        part = self._rule.integral(h * _hazard(w), left, inside)
        value = self._below[panel] + part
        error = self._error_below[panel] + part * self._relative[panel]
        if (w0 > edges[-1]).any():
            value = value + self._beyond(np.minimum(w0, _LAST))
        return value, error

    def _beyond(self, w0: Array) -> Array:
        """The part of J from the last panel on, wanted at ρ = 1 only; what underflows is dropped, which is sound."""
        last = self._edges[-1]
        right = np.maximum(w0, last)
        w = self._rule.on(np.full_like(right, last), right)
        with np.errstate(all="ignore"):
            integrand = sp.ndtr(-w) / self._upper(w) * _hazard(w)
        return self._rule.integral(np.where(np.isfinite(integrand), integrand, 0.0), last, right)


def _concave(upper: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """T, with T(1) in its place from the first mass on at which it contradicts being concave and increasing.

    T(q)/q can only grow as q falls. Where a computed one falls, numbers have underflowed and T may be too small,
    which would make the radius too large: T(q) ≤ T(1) is always true, and gives up no more than what lies beyond.
    """
    w = np.linspace(EDGES[0], EDGES[-1], 225)
    whole = upper(EDGES[:1])[0]
    with np.errstate(all="ignore"):
        mean = upper(w) / sp.ndtr(-w)
        best = np.maximum.accumulate(mean)
    wrong = ~(mean >= best * (1 - 1e-9)) | ~np.isfinite(mean)
    limit = (
        w[max(wrong.argmax() - 1, 0)] if wrong.any() else np.inf
    )  # the last place that is known to be good

    def guarded(w: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.where(w < limit, upper(w), whole)

    return guarded


def _unresolved(coefficients: Array) -> Array:
    """What the last coefficients say of those left out, relative to the function."""
    return np.abs(coefficients[:, -4:]).max(axis=1) / np.abs(coefficients[:, 0])


def _hazard(w: Array) -> Array:
    """φ_N(w) / Φ_N(-w), to full accuracy far into the tail."""
    return np.sqrt(2 / np.pi) / sp.erfcx(w / np.sqrt(2))
