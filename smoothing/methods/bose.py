"""The incomplete Bose-Einstein integral, which the differential method meets for log-convex tails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special as sp

Array = NDArray[np.float64]

_TERMS = 48  # exp(-48) < 1e-20 from u = 1 on
# B_{2k} / (2k)! for k = 1…14: the expansion of 1/(e^u - 1) - 1/u + 1/2, whose terms fall like (2π)^-2k.
_BERNOULLI = sp.bernoulli(28)[2::2] / sp.factorial(np.arange(2, 29, 2))


def bose_integral(s: float, u0: Array, tail: Array) -> Array:
    """∫ from u₀ to ∞ of u^{s-1} / (e^u - 1) du for s > 1, u₀ ≥ 0; ``tail`` = Q(s, u₀), known to the caller.

    From 1 on, the geometric series in e^-u: a sum of incomplete gammas. Below 1, Bernoulli's expansion of
    1/(e^u - 1), integrated term by term from u₀ to 1 and never as a difference of large values. Relative
    accuracy holds from u₀ = 0 to the far tail.
    """
    n = np.arange(2, _TERMS + 1)
    start = np.maximum(u0, 1.0)
    first = np.where(u0 >= 1, tail, sp.gammaincc(s, start))
    series = first + (sp.gammaincc(s, n * start[..., None]) * n**-s).sum(axis=-1)
    with np.errstate(over="ignore"):
        far = np.exp(sp.gammaln(s)) * series if s > 170 else sp.gamma(s) * series

    low = np.minimum(u0, 1.0)
    with np.errstate(divide="ignore"):
        log_low = np.log(low)
    near = -np.expm1((s - 1) * log_low) / (s - 1) + 0.5 * np.expm1(s * log_low) / s
    for k, coefficient in enumerate(_BERNOULLI, start=1):
        power = s + 2 * k - 1
        near = near - coefficient * np.expm1(power * log_low) / power
    return far + near
