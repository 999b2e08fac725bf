"""Masses of the sets that gain most from a shift of spherical noise, by quadrature over its radial law.

X has the density exp(-ψ(‖x‖)), ψ increasing, and v the length e. Given ‖x‖ = r, x lies in
U_t = {x : ψ(‖x-v‖) ≤ ψ(‖x‖) + t} where the cosine of the angle between x and v is at least

    c(r) = (e/r - (r/e) (exp(2δ) - 1)) / 2,    ψ(r exp δ) = ψ(r) + t,

so that a(t) = P(X ∈ U_t) is one integral over the law of r of a tail of the cosine, whose square is
Beta(1/2, (d-1)/2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

from smoothing.methods.spherical_panels import WIDEST, Panels

Array = NDArray[np.float64]
Step = float | Literal["panels", "graded"]

# Steps of trapezoidal rules in w, and the d log r / dw up to which one is worth trying.
_STEPS = ((0.25, 1.5), (0.0625, 16.0), (0.015625, 64.0))
_SMOOTH = 64  # dimensions from which on the cosine's law has no corners at ±1 to speak of
_LEAST, _MOST = 1e-140, 1e140
_LEAST_WALL, _WALL = (
    20,
    4,
)  # above the first, and so many times the dimension, only graded panels follow the turn of ψ


@dataclass(frozen=True)
class Law:
    """The radial law and its potential ψ."""

    dim: int
    quantile: Callable[[Array], Array]
    """The radius whose upper tail has mass Φ_N(-w)."""
    cdf: Callable[[Array], Array]
    log_density: Callable[[Array], Array]
    """The log-density of log r."""
    rise: Callable[[Array, Array], Array]
    """(r, δ) to ψ(r exp δ) - ψ(r)."""
    reach: Callable[[Array, Array], Array]
    """(r, t) to the δ of that rise, -inf where there is none."""
    slope: Callable[[Array], Array]
    """r ψ'(r)."""
    bend: Callable[[Array], Array]
    """t to log r where ψ, less its part in log r, has risen by t."""
    knees: Callable[[Array], Array]
    """t > 0, of shape (n,), to log r, (n, m), where the density or ``reach`` turns from one power of r to another."""
    turn: float
    """One over the width of a knee in log r: beyond some such widths what is left of it falls exponentially."""

    def log_quantile(self, w: Array) -> Array:
        return np.log(np.clip(self.quantile(w), _LEAST, _MOST))


def steps(law: Law) -> list[Step]:
    """Steps in w of the rules that are to be tried for one law, the cheapest first, and then panels.

    Under heavy tails U_t's boundary crosses the window of width 1/√d within a part of a step in w, the sooner the
    larger the shift. A trapezoidal rule that is too coarse for that differs from the same rule moved by half a step.
    """
    w = np.linspace(-8, 8, 33)
    steepest = np.diff(law.log_quantile(w)).max() / (w[1] - w[0])
    if law.turn > max(_LEAST_WALL, _WALL * law.dim):
        return ["graded"]
    if law.dim < _SMOOTH:
        return ["panels", "graded"]
    return [*(step for step, most in _STEPS if steepest <= most), "panels", "graded"]


class SphericalMasses:
    """a(t) for one law, by either of two rules, trapezoidal in w or of panels; their difference bounds the error."""

    def __init__(self, law: Law, step: Step) -> None:
        self.law = law
        self._half = 0.5 * (law.dim - 1)
        self._log_norm = float(sp.betaln(0.5, self._half))
        with np.errstate(all="ignore"):
            self._lost = float(law.cdf(np.array(_LEAST))), float(1 - law.cdf(np.array(_MOST)))
        if isinstance(step, str):
            self._panels, self._shared = Panels(law, graded=step == "graded"), []
        else:
            self._shared = [self._score_rule(step, start) for start in (0.0, 0.5)]

    def __call__(
        self, e: Array, t: Array, rule: int, tail: NDArray[np.bool_]
    ) -> tuple[Array, tuple[Array, Array]]:
        """a(t) where ``tail``, elsewhere 1/2 - a(t), and its derivatives in log e and in t."""
        with np.errstate(all="ignore"):
            if self._shared:
                r, weight = self._shared[rule]
                delta = self.law.reach(r, t[:, None])
            else:
                r, delta, weight = self._panels(e, t, rule)
            e = e[:, None]
            near, far = 0.5 * e / r, 0.5 * (r / e) * np.expm1(2 * delta)
            cosine, s = near - far, r * np.exp(delta)
            # 1 - c² as a product, exact where c is near ±1
            rise = r * np.expm1(delta)
            gap = np.where(r < 2 * e, s - (r - e), rise + e)
            rest = (gap / (2 * r)) * ((s + (r - e)) / (2 * r)) * ((e - rise) / e) * ((r + e + s) / e)
            inner = rest > 0
            used = inner & (weight > 1e-30)
            square, rest = np.where(used, cosine * cosine, 0.5), np.where(used, np.minimum(rest, 1.0), 0.5)
            density = np.where(used, np.exp((self._half - 1) * np.log(rest) - self._log_norm), 0.0)
            density = density * weight
            to_e = (density * np.where(used, near + far, 0.0)).sum(axis=1)
            speed = (r / e) * np.exp(2 * delta) / self.law.slope(s)
            to_t = -(density * np.where(used, speed, 0.0)).sum(axis=1)
        full = used & tail[:, None]
        part = np.where(cosine > 0, 0.5, -0.5)
        middle = used & ~full & (square < 0.75)
        part[middle] *= sp.betainc(0.5, self._half, square[middle])
        middle = used & ~full & (square >= 0.75)
        part[middle] *= sp.betaincc(self._half, 0.5, rest[middle])
        above = sp.betainc(self._half, 0.5, rest[full]) * 0.5
        part[full] = np.where(cosine[full] > 0, above, 1 - above)
        outside = ~used & tail[:, None]
        part[outside] = np.where(cosine[outside] > 0, 0.0, 1.0)
        sign = np.where(tail, -1.0, 1.0)
        return (part * weight).sum(axis=1) + np.where(tail, 0.0, self._dropped(e[:, 0], t)), (
            sign * to_e,
            sign * to_t,
        )

    def _dropped(self, e: Array, t: Array) -> Array:
        """What radii beyond the range of floats add to 1/2 - a(t): there |cosine| > 1."""
        with np.errstate(all="ignore"):
            inner = _LEAST * np.exp(self.law.reach(np.full_like(t, _LEAST), t)) < e
        below, above = self._lost
        return 0.5 * below * np.where(inner, 1.0, -1.0) - 0.5 * above * np.sign(t)

    def _score_rule(self, step: float, start: float) -> tuple[Array, Array]:
        """The trapezoidal rule in the normal score of r: the law's window of width 1/√d has width 1 there."""
        count = math.ceil(WIDEST / step)
        w = (np.arange(-count, count, dtype=np.float64) + start) * step
        weight = step / math.sqrt(2 * math.pi) * np.exp(-0.5 * w * w)
        return np.exp(self.law.log_quantile(w))[None, :], weight[None, :]
