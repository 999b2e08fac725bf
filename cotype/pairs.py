"""Step 1 of the no-go theorem: what robustness says about two distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import InputError

Array = NDArray[np.float64]


def largest_variation(s: ArrayLike, *, even: bool = False) -> Array:
    """τ(s), the largest total variation between q_x and q_y that (ε, s)-robustness leaves, ‖x-y‖ < ε; sharp.

    Let D = {(q_x(U), q_y(U))}: convex where the laws have densities (theorem of Lyapunov; Halmos 1948) or where
    classifiers may be random, symmetric under (a, b) → (1-a, 1-b), with (0, 0). Robustness both ways bounds the gap
    a - b over D at two places:

        a = 1/2: at most s,      a = 1/2 + s: at most s,

    and the gap is concave in a, at least 0 at both ends. Lines through the ends give, to the right of 1/2 + s,
    s / (1/2 + s); between the two places 2as and s(1-a) / (1/2-s), which meet at s / (1-s). Hence

        τ = max(2s / (1+2s), s / (1-s)) ≤ 2s,

    attained by one-sided exponential noise up to s = 1/4, and beyond by the binary symmetric channel.

    ``even``: where some map swaps q_x and q_y, as z → x+y-z does for even noise q_x = q(· - x), D is symmetric under
    (a, b) → (1-b, 1-a) too. The largest gap τ is then found at ((1+τ)/2, (1-τ)/2), and the line from there to (1, 1)
    has (1/2+s, b) with b ≥ 1/2 only for τ ≤ s / (1-s): half as much, for small s.
    """
    s = np.asarray(s, dtype=np.float64)
    if not ((s > 0) & (s < 0.5)).all():
        raise InputError(f"s must be in (0, 1/2), the surplus over 1/2 that certifies; got {s}")
    symmetric = s / (1 - s)
    return symmetric if even else np.maximum(2 * s / (1 + 2 * s), symmetric)
