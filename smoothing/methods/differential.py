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
_SETTLED, _BETTER = 3e-12, 0.1
_MANY, _RESOLVED_OF_MANY = 100, 1e-10
_BEND = 3.0, 3.0
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
        self._upper = _concave(upper)
        # Many panels are narrow, and fewer nodes a panel serve; an error in one of them counts for little.
        many = edges is not None and len(edges) >= _MANY
        self._resolved = max(noise, _RESOLVED_OF_MANY) if many else noise
        self._has_corners = edges is not None
        edges = EDGES if edges is None else edges
        self._rule = _rule(32 if len(edges) < 200 else 20 if len(edges) < 1500 else 16)
        self._halvings = 1 if many else _MOST_HALVINGS
        self._edges, self._bent, self._coefficients = self._expand(edges)
        left, right = self._edges[:-1], self._edges[1:]
        h = self._coefficients @ self._rule.values
        w, rate = _places(self._rule.nodes, left, right, self._bent)
        panels = self._rule.integral(h * _hazard(w) * rate, -1.0, np.ones_like(left))
        self._below = np.concatenate([[0.0], np.cumsum(panels)])
        self._relative = _unresolved(self._coefficients)
        self._error_below = np.concatenate([[0.0], np.cumsum(panels * self._relative)])

    def _expand(self, edges: Array) -> tuple[Array, NDArray[np.bool_], Array]:
        """Panel edges, which of the panels are bent, and Legendre coefficients of h.

        A panel that ends in corners and is not resolved is bent, if that helps; what is not resolved then is halved.
        Where halving does not help, what is left is rounding: incomplete gamma functions have 1e-12 in high dimension.
        """
        left, right = edges[:-1], edges[1:]
        before = np.full(len(left), np.inf)
        done: list[tuple[Array, NDArray[np.bool_], Array]] = []
        for step in range(self._halvings + 1):
            bent, coefficients = self._panels(left, right)
            off = _unresolved(coefficients)
            rough = (off > self._resolved) & ((off > _SETTLED) | (off < _BETTER * before))
            if step == self._halvings:
                rough[:] = False
            done.append((left[~rough], bent[~rough], coefficients[~rough]))
            if not rough.any():
                break
            middle, before = 0.5 * (left[rough] + right[rough]), np.tile(off[rough], 2)
            left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
        starts, every, table = (np.concatenate(parts) for parts in zip(*done, strict=True))
        order = np.argsort(starts)
        return np.append(starts[order], edges[-1]), every[order], table[order]

    def _panels(self, left: Array, right: Array) -> tuple[NDArray[np.bool_], Array]:
        bent = np.zeros(len(left), dtype=bool)
        coefficients = self._coefficients_on(left, right, bent)
        off = _unresolved(coefficients)
        tried = np.flatnonzero(self._has_corners & (off > self._resolved))
        if len(tried):
            other = self._coefficients_on(left[tried], right[tried], np.ones(len(tried), dtype=bool))
            better = _unresolved(other) < off[tried]
            bent[tried], coefficients[tried[better]] = better, other[better]
        return bent, coefficients

    def _coefficients_on(self, left: Array, right: Array, bent: NDArray[np.bool_]) -> Array:
        w, _ = _places(self._rule.nodes, left, right, bent)
        return (sp.ndtr(-w) / self._upper(w)) @ self._rule.matrix.T

    def __call__(self, q0: Array, complement: Array) -> tuple[Array, Array]:
        """(J(q₀), bound on its error); ``complement`` = 1 - q₀ is given apart so that both are exact."""
        edges = self._edges
        w0 = np.where(q0 < 0.5, -sp.ndtri(q0), sp.ndtri(complement))
        inside = np.clip(w0, edges[0], edges[-1])
        panel = np.clip(np.searchsorted(edges, inside) - 1, 0, len(edges) - 2)
        left, right, bent = edges[panel], edges[panel + 1], self._bent[panel]
        share = np.clip((inside - left) / (right - left), 0, 1)
        share[bent] = sp.betaincinv(*_BEND, share[bent])
        end = 2 * share - 1
        local = self._rule.on(np.full_like(end, -1.0), end)
        h = legendre.legval(local, np.moveaxis(self._coefficients[panel], -1, 0)[..., None], tensor=False)
        w, rate = _places(local, left, right, bent)
        part = self._rule.integral(h * _hazard(w) * rate, -1.0, end)
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


def _places(local: Array, left: Array, right: Array, bent: NDArray[np.bool_]) -> tuple[Array, Array]:
    """(w, dw/dx) at x = ``local`` in [-1, 1] of panels, along a new last axis.

    On a bent panel the share of its width is I_t(3, 3) = t³ (10 - 15 t + 6 t²), t = (1+x)/2. Between two values of a
    lattice T is u √log(1/u) off a line, at the distance u from either corner: u ~ t³ makes that smooth.
    """
    width = (right - left)[..., None]
    share = np.broadcast_to(0.5 * (1 + local), (*bent.shape, local.shape[-1])).copy()
    rate = np.ones(share.shape)
    t = share[bent]
    share[bent], rate[bent] = t**3 * (10 + t * (6 * t - 15)), 30 * (t * (1 - t)) ** 2
    return left[..., None] + width * share, 0.5 * width * rate


def _unresolved(coefficients: Array) -> Array:
    """What the last coefficients say of those left out, relative to the function."""
    return np.abs(coefficients[:, -4:]).max(axis=1) / np.abs(coefficients[:, 0])


def _hazard(w: Array) -> Array:
    """φ_N(w) / Φ_N(-w), to full accuracy far into the tail."""
    return np.sqrt(2 / np.pi) / sp.erfcx(w / np.sqrt(2))
