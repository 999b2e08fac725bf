"""The tail of a sum of n light-tailed symmetric scores from their moment generating function M, for large n.

    P(S > s) = (1/2πi) ∫ M(z)^n e^{-zs} dz/z   on the vertical line through the saddlepoint c, n M'(c)/M(c) = s.

The tilt by c makes the integral as accurate, relatively, at 1e-30 as at 1/2. The integrand is analytic and the
trapezoidal rule converges exponentially: its error is the tail at s + 2πk/h, weighted by e^{2πkc/h}.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothing.methods.tail_tables import Tail

Array = NDArray[np.float64]

_LINES = np.linspace(0.8, 13.0, 25)  # normal scores of the tails for which the lines are the best
_DIGITS = 42.0  # -log of the errors aimed at
_CUT = 1e-32  # of a power tail; sums are not asked for tails below 1e-18
_BLOCK, _MOST_BLOCKS = 64, 128
_SCAN = 40.0  # how far M is searched for returns, in units of the inverse root mean square score


@dataclass(frozen=True, eq=False)
class Contours:
    """Vertical lines, each with the s it is the best for, its nodes z, and the weighted M(z)^n e^{-K(c)} / z."""

    best: Array
    start: Array  # K(c) = n log M(c)
    nodes: tuple[Array, ...]
    values: tuple[Array, ...]

    def log_tail(self, tau: Array, shift: int = 0) -> Array:
        """log P(S > e^τ), from the best line or one ``shift`` lines further."""
        s = np.exp(tau)
        middles = 0.5 * (self.best[1:] + self.best[:-1])
        line = np.clip(np.searchsorted(middles, s) + shift, 0, len(self.best) - 1)
        out = np.empty_like(s)
        for k in np.unique(line):
            at = line == k
            z, value = self.nodes[k], self.values[k]
            total = (np.exp(-1j * s[at][:, None] * z.imag) @ value).real
            with np.errstate(divide="ignore"):
                out[at] = np.log(np.maximum(total, 0)) + self.start[k] - z.real[0] * s[at]
        return out


def contours(one: Tail, n: int) -> Contours | None:
    """The lines for n scores, or None where M(z)^n falls too slowly along them (n small, or scores near ±1)."""
    y, mass, _ = one.sources(4)
    y, mass = y.ravel(), 2 * mass.ravel()
    near = np.cumsum(mass[::-1])[::-1] > (0.0 if np.isinf(one.slope) else _CUT)
    y, mass = y[near], mass[near]
    tilts = np.array([_tilt(y, mass, n, target) for target in _LINES])
    returns = _last_return(y, mass, n, tilts)
    best, start, nodes, values = [], [], [], []
    for target, c, least in zip(_LINES, tilts, returns, strict=True):
        log_m, slope, curvature = _cumulants(y, mass, c)
        if not np.isfinite(log_m):
            break
        step = 2 * np.pi / max((_DIGITS + target**2 / 2) / c, 12 * np.sqrt(n * curvature))
        if least > step * _BLOCK * _MOST_BLOCKS:
            return None
        up, down = _tilted(y, mass, c, log_m)
        parts: list[Array] = []
        for block in range(_MOST_BLOCKS):
            t = step * (_BLOCK * block + np.arange(_BLOCK))
            phase = t[:, None] * y
            # M(c+it) / M(c) - 1: small where n is large, and then wanted with relative accuracy
            change = -2 * np.sin(phase / 2) ** 2 @ (up + down) + 1j * (np.sin(phase) @ (up - down))
            with np.errstate(all="ignore"):
                power = np.where(abs(1 + change) > 1e-30, np.exp(n * np.log1p(change)), 0)
            parts.append(power / (c + 1j * t))
            small = np.abs(parts[-1][-_BLOCK // 2 :]).max() < 1e-16 / c
            if small and t[-1] > least:
                break
        else:
            return None
        value = np.concatenate(parts) * step / np.pi
        value[0] /= 2
        best.append(n * slope)
        start.append(n * log_m)
        nodes.append(c + 1j * step * np.arange(len(value)))
        values.append(value)
    return Contours(np.array(best), np.array(start), tuple(nodes), tuple(values))


def _tilted(y: Array, mass: Array, c: float | Array, log_m: float | Array) -> tuple[Array, Array]:
    """The masses at y and at -y under the law tilted by c."""
    return 0.5 * mass * np.exp(c * y - log_m), 0.5 * mass * np.exp(-c * y - log_m)


def _last_return(y: Array, mass: Array, n: int, tilts: Array) -> Array:
    """For each tilt the largest t, up to a dozen periods of scores near ±1, at which |M(c+it)/M(c)|^n still counts.

    Scores that keep close to ±y₀ have a characteristic function that comes back near t = π/y₀, 2π/y₀, …
    """
    t = np.arange(0, _SCAN, 0.02) / np.sqrt((mass * y * y).sum())
    phase = t[:, None] * y
    log_m = np.array([_cumulants(y, mass, c)[0] for c in tilts])
    known = np.isfinite(log_m)
    up, down = _tilted(y[:, None], mass[:, None], tilts[known], log_m[known])
    size = np.hypot(
        np.cos(phase) @ (up + down) + (1 - mass.sum()) * np.exp(-log_m[known]), np.sin(phase) @ (up - down)
    )
    counts = n * np.log(size + 1e-4) > -38
    last = np.zeros_like(tilts)
    last[known] = np.where(counts[-200:].any(axis=0), np.inf, (t[:, None] * counts).max(axis=0))
    return last


def _cumulants(y: Array, mass: Array, c: float) -> tuple[float, float, float]:
    """(log M, its first and second derivative) at c > 0; log M from M - 1 = Σ mass · 2 sinh²(cy/2)."""
    if c * y[-1] > 600:
        return np.inf, np.inf, np.inf
    m = 1 + float((mass * np.cosh(c * y)).sum() - mass.sum())
    first = float((mass * y * np.sinh(c * y)).sum()) / m
    second = float((mass * y * y * np.cosh(c * y)).sum()) / m
    log_m = float(np.log1p((mass * 2 * np.sinh(c * y / 2) ** 2).sum()))
    return log_m, first, max(second - first * first, 1e-300)


def _tilt(y: Array, mass: Array, n: int, target: float) -> float:
    """c with n (c K' - K) = target²/2: the tail beyond n K'(c) is about that of the normal score ``target``."""
    low, high = -700.0, 700.0 - 100
    for _ in range(60):
        middle = 0.5 * (low + high)
        c = np.exp(middle / 20)
        log_m, slope, _ = _cumulants(y, mass, c)
        deep = not np.isfinite(log_m) or n * (c * slope - log_m) > target**2 / 2
        low, high = (low, middle) if deep else (middle, high)
    return float(np.exp(low / 20))
