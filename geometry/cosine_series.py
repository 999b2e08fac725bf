"""E|<σ,y>| as a cosine series with a proven error, in about twelve terms whatever the dimension.

Let Y = <σ,y>, ‖y‖₂ = 1, P(t) = E cos(tY) = Π cos(t y_i) and c a known number. The triangle wave of period 2L is |x| for
|x| ≤ L, so with t_k = kπ/L

    E|c + Y| = L/2 - (4/L) Σ_{k odd} cos(t_k c) P(t_k) / t_k²  +  (0 to 2 E(|c+Y| - L)⁺),

and the last term is below α = (4/ℓ) e^{-ℓ²/2} where L = |c| + ℓ, by Hoeffding. On a lattice, y = g·m with integers m
and L ∈ 4gℤ, terms recur: k, 2n-k and n±k (n = L/g) share their product up to the parity of X = c + Y, and

    E|c + Y| = L/2 - (g/n) Σ_{k odd < n/2} cos(t_k c) P(t_k) (1/sin²(πk/2n) + (-1)^{X/g} / cos²(πk/2n)),

which ends at t = π/2g. Derivatives in c and y_i are the same sums with sines.

*The rest of the sum.* log cos is concave and -log cos z ≥ z²/2 on (-π/2, π/2). So a product of 2^j cosines is at most
cos(Δ/2^j)^{2^j} ≤ exp(-Δ²/2^{j+1}), with Δ ∈ [0, π/2] any of their j-fold differences modulo π (and signs): differences
of sorted neighbours are small and bound P(t) at frequencies t where the y_i themselves no longer do.

*The rest of the rest*, beyond t = T = 1/ε. Let V have the density (3/8π) sinc⁴(v/4), whose characteristic function
vanishes beyond 1 and is ≥ 1-6s². The wave smoothed by εV has no frequencies beyond T and differs from the wave
at most by ε E(|V| - r/ε)⁺, r the distance to the kinks Lℤ. That is below ε A F(r/ε), A = 1.9, F(z) = sinc²(z/2) +
½ sinc²((z-π)/2) + ½ sinc²((z+π)/2), again without frequencies beyond 1, whose sum over the kinks has mean
4πAε/L: the rest is O(T⁻²) and not O(T⁻¹). (A test checks A on a grid.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

Array = NDArray[np.float64]

UNIT = float(np.finfo(np.float64).eps) / 2
REACH = 8.25  # ℓ: |Y| stays below it but for α
ALIASING = 4 / REACH * math.exp(-(REACH**2) / 2)
LAST = 8.25  # frequencies up to here are summed: e^{-t²/2} is 2e-15 there
LARGEST = 0.18  # of the y_i: keeps LAST · y_i below π/2
MAJORANT = 1.9

# log cos z = -Σ (λ_m/m) (2z/π)^{2m}, tan z = Σ (4/π) λ_m (2z/π)^{2m-1}, with λ_m = Σ_{n odd} n^{-2m}.
_ORDERS = np.arange(1.0, 19.0)
_LAMBDA = (1 - 4.0**-_ORDERS) * zeta(2 * _ORDERS)
_SMALL = 1.0  # the z that these series are used for; beyond, cosines and tangents themselves
_LEVELS = 5
_DIRECT = 1 << 16  # cosines that may be spent on later terms, where the bound on them is poor
_CELLS = 1 << 20  # and on bounding P over intervals one by one
_FEW = 200  # coordinates: later terms may count
_MANY = 16384  # coordinates are enough for the bounds by differences
_ENOUGH = 3e-13
_DIRECT_LATTICE = 1 << 23  # the same where it makes the sum complete


class Proof(IntEnum):
    """How much is done for the bound: nothing, what is cheap, 30 ms more where it is poor (d = 30 to 1500)."""

    NONE = 0
    QUICK = 1
    THOROUGH = 2


@dataclass(frozen=True)
class Lattice:
    """All y_i are multiples of ``step``; ``odd``: whether c + Y is always an odd multiple."""

    step: float
    odd: bool


class Terms(NamedTuple):
    """Frequencies, products P(t) and the weights of the even and the odd series at them; ``rest`` bounds what is left
    out of the even one."""

    half: float
    t: Array
    product: Array
    even: Array
    odd: Array
    rest: float


def terms(y: Array, reach: float, lattice: Lattice | None, proof: Proof = Proof.THOROUGH) -> Terms:
    """The series for sorted magnitudes ``y`` of norm 1, best all ≤ LARGEST, and |c| ≤ ``reach``."""
    half = reach + REACH
    if lattice is not None:
        half = 4 * lattice.step * math.ceil(half / (4 * lattice.step))
    end = math.inf if lattice is None else math.pi / (2 * lattice.step)
    k = np.arange(1.0, math.ceil(min(LAST, end) * half / math.pi) + 1, 2)
    k = k[k * math.pi < end * half]
    product = _products(y, k * math.pi / half)
    first = k[-1] + 2
    rest = _rest(y, half, first, first, end) if proof else math.inf
    if rest > _ENOUGH and (proof or len(y) < _FEW):
        values, counts = np.unique(y, return_counts=True)
        thorough = proof is Proof.THOROUGH
        left = math.ceil((half * end / math.pi - k[-1]) / 2) if lattice is not None else math.inf
        few, many = {Proof.NONE: (1 << 14, 1 << 14), Proof.QUICK: (_DIRECT, _DIRECT)}.get(
            proof, (_DIRECT, _DIRECT_LATTICE)
        )
        count = left if left * len(values) <= many else few // len(values)
        later = first + 2 * np.arange(float(count))
        later = later[later * math.pi < end * half]
        products = [_cosines(block * math.pi / half, values, counts) for block in _blocks(later, len(values))]
        k = np.concatenate([k, later])
        product = np.concatenate([product, *(block.prod(axis=1) for block in products)])
        if proof:
            cells = _CELLS // len(y) if thorough else 0
            rest = 0.0 if count == left else _rest(y, half, first, k[-1] + 2, end, cells)
    t = k * math.pi / half
    if lattice is None:
        return Terms(half, t, product, 4 / (half * t**2), 4 / (half * t), rest)
    z, n, sign = t * lattice.step / 2, half / lattice.step, -1 if lattice.odd else 1
    even = lattice.step / n * (np.sin(z) ** -2.0 + sign * np.cos(z) ** -2.0)
    return Terms(half, t, product, even, 2 / n * (1 / np.tan(z) - sign * np.tan(z)), rest)


def mean_tangents(y: Array, t: Array, weights: Array) -> Array:
    """Σ_k weights_k tan(t_k y_i) for each y_i ≥ 0: a polynomial in y_i where all t_k y_i are small."""
    small = y * t.max(initial=0) <= _SMALL
    powers = (2 / math.pi * t) ** (2 * _ORDERS[:, None] - 1) @ weights
    square = y * y
    total = np.zeros_like(y)
    for coefficient in (4 / math.pi * _LAMBDA * powers)[::-1]:
        total = total * square + coefficient
    total *= y
    if not small.all():
        total[~small] = np.tan(np.multiply.outer(y[~small], t)) @ weights
    return total


def leave_one_out(values: Array, counts: NDArray[np.intp], t: Array, weights: Array) -> Array:
    """Σ_k weights_k sin(t_k v_i) cos(t_k v_i)^{n_i - 1} Π_{j≠i} cos(t_k v_j)^{n_j} for each of the values v_i."""
    total = np.zeros(len(values))
    start = 0
    for block in _blocks(t, len(values)):
        powers = _cosines(block, values, counts)
        before, after = np.ones_like(powers), np.ones_like(powers)
        np.cumprod(powers[:, :-1], axis=1, out=before[:, 1:])
        np.cumprod(powers[:, :0:-1], axis=1, out=after[:, -2::-1])
        sines = np.sin(np.multiply.outer(block, values)) * _cosines(block, values, counts - 1)
        total += weights[start : start + len(block)] @ (before * after * sines)
        start += len(block)
    return total


def _blocks(k: NDArray[Any], width: int) -> list[NDArray[Any]]:
    return np.array_split(k, max(1, len(k) * width >> 20)) if len(k) else []


def _products(y: Array, t: Array) -> Array:
    """Π cos(t y_i), t ≤ LAST, to a few units in the last place of its logarithm: by power sums of the small y_i."""
    if not len(t):
        return np.ones(0)
    cut = int(np.searchsorted(y, _SMALL / t[-1], side="right"))
    square = y[:cut] ** 2
    power, sums = square.copy(), np.empty(len(_ORDERS))
    for m in range(len(_ORDERS)):
        sums[m] = power.sum()
        power *= square
    logs = (2 / math.pi * t[:, None]) ** (2 * _ORDERS) @ (_LAMBDA / _ORDERS * sums)
    return np.exp(-logs) * np.cos(np.multiply.outer(t, y[cut:])).prod(axis=1)


def _cosines(t: Array, values: Array, counts: NDArray[np.intp]) -> Array:
    """cos(t_k v_i)^{n_i}."""
    cosines = np.cos(np.multiply.outer(t, values))
    return cosines if (counts == 1).all() else cosines**counts


def _differences(y: Array) -> Iterator[tuple[int, Array]]:
    """(j, sorted j-fold differences): of neighbours, and of those 4, 16, … ranks apart for the scales between."""
    yield 0, y
    y = y[:: -(-len(y) // _MANY)]
    for level in range(1, _LEVELS):
        base, lag = y, 1
        while len(base) >= 16 * lag:
            rows = base[len(base) % (2 * lag) :].reshape(-1, 2, lag)
            delta = np.sort((rows[:, 1] - rows[:, 0]).ravel())
            yield level, delta
            y, lag = (delta if lag == 1 else y), 4 * lag


def _rest(y: Array, half: float, first: float, k: float, end: float, cells: int = 0) -> float:
    """A bound on Σ weight·|P| over frequencies from the k-th to ``end``, by the two arguments of the module.

    The frequencies from the ``first`` one to the k-th are known; the smoothed wave needs a bound on them too.
    ``cells``: in so many short intervals of t, each cosine is bounded by itself.
    """
    begin, stop = first * math.pi / half, min(end, 1e14)
    if k * math.pi / half >= end:
        return 0.0
    width = 0.4 * math.sqrt(len(y))
    near = begin + width * np.arange(min(cells, int((stop - begin) / width)))
    start = begin + width * len(near)
    edges = np.concatenate(
        [near, np.geomspace(start, stop, max(2, math.ceil(8 * math.log2(stop / start)) + 1))]
    )
    low, high = edges[:-1], edges[1:]
    exponent, squares = np.zeros(len(low)), np.zeros(len(y) + 1)
    for block in _blocks(np.arange(len(near)), len(y)):
        turn = np.multiply.outer(near[block] + width / 2, y / math.pi)
        angle = math.pi * np.abs(turn - np.rint(turn)) - width / 2 * y
        cosines = np.cos(np.maximum(angle, 0.0)).prod(axis=1)
        exponent[block] = -np.log(np.maximum(cosines, 1e-300))
    for level, delta in _differences(y):
        np.cumsum(delta**2, out=squares[1 : len(delta) + 1])
        below = squares[np.searchsorted(delta, math.pi / (2 * high), side="right")]
        exponent = np.maximum(exponent, low**2 * below / 2.0 ** (level + 1))
    bound = np.exp(-exponent * (1 - 1e-9)) * ((high - low) * half / (2 * math.pi) + 1)
    factor = 4 if math.isinf(end) else math.pi**2  # 1/sin² + 1/cos² ≤ 2/sin², and sin z ≥ 2√2 z/π up to π/4
    later = np.cumsum(np.where(high * half < k * math.pi, 0.0, factor / half * bound / low**2))
    if not math.isinf(end):
        return float(later[-1])
    # below start P ≤ e^{-t²/2} if all t y_i ≤ π/2, and ≤ 1 anyway
    known = math.sqrt(math.pi / 2) if begin * y[-1] <= math.pi / 2 else begin
    total = known * half / (2 * math.pi) + np.cumsum(bound)
    smoothing = 4 * math.pi * MAJORANT / half * (1 + 2 * total) + 24 / half * (1 + total)
    return float((later + smoothing / high**2)[high * half >= k * math.pi].min())
