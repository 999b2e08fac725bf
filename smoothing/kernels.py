"""Random words and the laws made of them, written once for NumPy and for compiled loops: both give the same bits.

The words are those of ChaCha with 8 rounds (Bernstein 2008): the seed is the key, and the block's number the counter.
No way is known to tell them from fair bits, so no network can, and streams of different seeds have nothing in common.
It matters here: a generator that passes the usual tests can be made to falsify certificates (Dahiya et al. 2023).

A chunk is 64 consecutive blocks of 16 words, written side by side: all first words, then all second ones, and so on,
as vector registers hold them. A law makes two numbers of a word in the first half of a chunk and its partner in the
second. Laws are elementwise, by operations on integers and float32 that IEEE 754 rounds in one way only: none fused,
no library's logarithm. So numbers depend neither on the machine nor on who computes them. Rows are then scaled to given
lengths by ``resize``, whose sums have a set order.

All that gets compiled (by ``compiling``) is in this file: numba compiles anew when the file has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]
Lines = NDArray[np.uint64]
Number = Any  # a scalar in compiled loops, an array in NumPy
Law = Callable[[Number, Number, Any], tuple[Number, Number]]
"""A word, its partner and the scale to two numbers."""
Loop = Callable[[int, int, int, Floats, float, float, Lines], None]
Resize = Callable[[Floats, NDArray[np.float64], float, float], None]
State = tuple[Number, ...]

BLOCKS = 64  # of a chunk: a few vectors of the widest registers
HALF, CHUNK = 8 * BLOCKS, 16 * BLOCKS
CONSTANTS = np.frombuffer(b"expand 32-byte k", np.uint32)
C0, C1, C2, C3 = CONSTANTS

LANES = 64
"""Sums over a row are that many, in float64: entry i goes to sum i % LANES, so that vectors hold them."""

NO_TABLE: Lines = np.empty(0, np.uint64)
TABLE_SHIFT = 12
"""Quantile tables resolve a float's exponent and the first 11 bits of its mantissa."""
TABLE_FIRST = np.int32((127 - 32) << 23 >> TABLE_SHIFT)
"""The number of their first interval, from 2^-32 on."""

_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)
_STEP = np.float32(2.0**-31)
_SIZE, _SIGN = np.int32(2**31 - 1), np.int32(-(2**31))  # masks of a word
_LARGEST = np.int32(0x7F7FFFFF)  # the bits of the largest float32
_LONGEST = np.float32(176.2).view(np.int32)
MOST = float(np.finfo(np.float32).max) * 2.0**-8  # ``resize`` multiplies by it at most: laws end at 22.2
LEAST = 1e-300


def uniform(word: Number, partner: Number, scale: Any) -> tuple[Number, Number]:
    """Words between -2^31 and 2^31, scaled."""
    return np.float32(word) * scale, np.float32(partner) * scale


def exponential(word: Number, partner: Number, scale: Any) -> tuple[Number, Number]:
    """Of 31 bits each."""
    return _exponential(word) * scale, _exponential(partner) * scale


def laplace(word: Number, partner: Number, scale: Any) -> tuple[Number, Number]:
    """The same with the words' signs."""
    first, second = _exponential(word) * scale, _exponential(partner) * scale
    return _signed(first, word), _signed(second, partner)


def pareto(word: Number, partner: Number, rate: Any) -> tuple[Number, Number]:
    """Laplace numbers of scale ``rate``, which ``fill`` sends through e^|x| - 1."""
    return laplace(word, partner, rate)


def normal(word: Number, partner: Number, scale: Any) -> tuple[Number, Number]:
    """Box–Muller: 31 bits of radius; an angle of 30 bits within a right one, and two signs."""
    radius = np.sqrt(np.float32(2) * _exponential(word)) * scale
    other = np.int32(partner << np.int32(1))
    angle = np.int32((other & _SIZE) | np.int32(1))
    rest = np.int32(angle ^ np.int32(2**31 - 2))  # 2^31 - angle, as the angle is odd
    cosine, sine = _sine(np.float32(rest) * _STEP), _sine(np.float32(angle) * _STEP)
    return _signed(radius * cosine, partner), _signed(radius * sine, other)


def interval(x: Number) -> Number:
    """The number of the table's interval that |x| lies in: the first one for all below, as x may be 0."""
    bits = np.int32(np.float32(x).view(np.int32) & _SIZE)
    return np.uint32(np.maximum(np.int32((bits >> np.int32(TABLE_SHIFT)) - TABLE_FIRST), np.int32(0)))


def on_line(x: Number, scale: Any, line: Number) -> Number:
    """The line's height at |x|, scaled, with x's sign. The bits of its slope stand above those of its offset."""
    word = np.float32(x).view(np.int32)
    e = np.int32(word & _SIZE).view(np.float32)
    offset, slope = np.uint32(line).view(np.float32), np.uint32(line >> np.uint64(32)).view(np.float32)
    return _signed((offset + slope * e) * scale, word)


def through_expm1(x: Number, scale: Any) -> Number:
    """e^|x| - 1, scaled, with x's sign, within 2 ulp; the largest float stands in for all beyond.

    The polynomial is that of expf in Moshier's Cephes library. e^176.2 times the least normal scale is beyond.
    """
    word = np.float32(x).view(np.int32)
    y = np.int32(np.minimum(np.int32(word & _SIZE), _LONGEST)).view(np.float32)
    n = np.int32(y * np.float32(1.44269504) + _HALF)
    k = np.float32(n)
    r = y - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * (r * r) + r  # e^r - 1
    # 2^n (p + 1) - 1, by the square root of 2^n as 2^n itself may overflow where the scale is small
    half = np.int32(n >> np.int32(1))
    root = np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    inverse = np.int32((np.int32(127) - half) << np.int32(23)).view(np.float32)
    other = np.int32((n - half + np.int32(127)) << np.int32(23)).view(np.float32)
    size = (other * p + (other - inverse)) * (scale * root)
    bits = np.int32(np.minimum(np.float32(size).view(np.int32), _LARGEST))
    return _signed(bits.view(np.float32), word)


def _exponential(word: Number) -> Number:
    """-log u, u = (2m + 1) / 2^32 for the word's 31 bits m without sign: within 1 ulp of that of u in float32.

    The polynomial is that of logf in Moshier's Cephes library.
    """
    u = (np.float32(np.int32(word & _SIZE)) + _HALF) * _STEP
    # u = 2^e (1 + x), with 1 + x between the square roots of 1/2 and of 2
    bits = np.int32(np.float32(u).view(np.int32) + np.int32(0x3F800000 - 0x3F3504F3))
    e = np.float32(np.int32((bits >> np.int32(23)) - np.int32(127)))
    x = np.int32((bits & np.int32(0x7FFFFF)) + np.int32(0x3F3504F3)).view(np.float32) - _ONE
    y = np.float32(7.0376836292e-2) * x + np.float32(-1.1514610310e-1)
    y = y * x + np.float32(1.1676998740e-1)
    y = y * x + np.float32(-1.2420140846e-1)
    y = y * x + np.float32(1.4249322787e-1)
    y = y * x + np.float32(-1.6668057665e-1)
    y = y * x + np.float32(2.0000714765e-1)
    y = y * x + np.float32(-2.4999993993e-1)
    y = y * x + np.float32(3.3333331174e-1)
    square = x * x
    y = x * square * y + e * np.float32(-2.12194440e-4) - _HALF * square
    return _ZERO - (x + y + e * np.float32(0.693359375))


def _sine(x: Number) -> Number:
    """sin(π x / 2) for x from 0 to 1, within 2 ulp."""
    square = x * x
    y = np.float32(1.501880178693682e-4) * square + np.float32(-4.671262111514807e-3)
    y = y * square + np.float32(7.96881839632988e-2)
    y = y * square + np.float32(-6.459634304046631e-1)
    y = y * square + np.float32(5.707963109016418e-1)
    return x + x * y


def _signed(x: Number, word: Number) -> Number:
    """The word's sign on a number without one."""
    return np.int32(np.float32(x).view(np.int32) | np.int32(word & _SIGN)).view(np.float32)


def _rotated(x: Number, n: int) -> Number:
    return np.uint32(np.uint32(x << np.uint32(n)) | np.uint32(x >> np.uint32(32 - n)))


def _quarter_round(a: Number, b: Number, c: Number, d: Number) -> State:
    a = np.uint32(a + b)
    d = _rotated(np.uint32(d ^ a), 16)
    c = np.uint32(c + d)
    b = _rotated(np.uint32(b ^ c), 12)
    a = np.uint32(a + b)
    d = _rotated(np.uint32(d ^ a), 8)
    c = np.uint32(c + d)
    b = _rotated(np.uint32(b ^ c), 7)
    return a, b, c, d


def _double_round(state: State) -> State:
    s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15 = state
    s0, s4, s8, s12 = _quarter_round(s0, s4, s8, s12)
    s1, s5, s9, s13 = _quarter_round(s1, s5, s9, s13)
    s2, s6, s10, s14 = _quarter_round(s2, s6, s10, s14)
    s3, s7, s11, s15 = _quarter_round(s3, s7, s11, s15)
    s0, s5, s10, s15 = _quarter_round(s0, s5, s10, s15)
    s1, s6, s11, s12 = _quarter_round(s1, s6, s11, s12)
    s2, s7, s8, s13 = _quarter_round(s2, s7, s8, s13)
    s3, s4, s9, s14 = _quarter_round(s3, s4, s9, s14)
    return s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15


def _write_chunk(k0: Any, k1: Any, block: Any, words: Words) -> None:
    """The 64 blocks from ``block`` on, a multiple of 64: so the low half of the counter does not overflow here."""
    first, high, zero = np.uint32(block), np.uint32(block >> 32), np.uint32(0)
    for i in range(BLOCKS):
        low = np.uint32(first + np.uint32(i))
        s = (C0, C1, C2, C3, k0, k1, zero, zero, zero, zero, zero, zero, low, high, zero, zero)
        # Written out: with a loop in it LLVM would not put 16 blocks into one register.
        s = _double_round(_double_round(_double_round(_double_round(s))))
        words[i] = s[0] + C0
        words[i + BLOCKS] = s[1] + C1
        words[i + 2 * BLOCKS] = s[2] + C2
        words[i + 3 * BLOCKS] = s[3] + C3
        words[i + 4 * BLOCKS] = s[4] + k0
        words[i + 5 * BLOCKS] = s[5] + k1
        words[i + 6 * BLOCKS] = s[6]
        words[i + 7 * BLOCKS] = s[7]
        words[i + 8 * BLOCKS] = s[8]
        words[i + 9 * BLOCKS] = s[9]
        words[i + 10 * BLOCKS] = s[10]
        words[i + 11 * BLOCKS] = s[11]
        words[i + 12 * BLOCKS] = s[12] + low
        words[i + 13 * BLOCKS] = s[13] + high
        words[i + 14 * BLOCKS] = s[14]
        words[i + 15 * BLOCKS] = s[15]


def loop_of(law: Law) -> Loop:
    """``fill(low, high, block, out, scale, rate, table)``, to be compiled.

    ``low``, ``high``: the seed's 32-bit halves; ``block``: where to begin, a multiple of 64; the table may be empty.
    """
    power = (
        law is pareto
    )  # settled here, as a branch for it in the loop made other laws slower by some percent

    def fill(
        low: int,
        high: int,
        block: int,
        out: Floats,
        scale: float,
        rate: float,
        table: Lines,
    ) -> None:
        words, rest = np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.float32)
        signed, lines = words.view(np.int32), np.empty(CHUNK, np.uint64)
        tabulated, factor = len(table) > 0, np.float32(scale)
        inner = np.float32(rate) if power else _ONE if tabulated else factor
        for start in range(0, len(out), CHUNK):
            _write_chunk(np.uint32(low), np.uint32(high), block, words)
            block += BLOCKS
            chunk = out[start : start + CHUNK] if start + CHUNK <= len(out) else rest
            for i in range(HALF):
                chunk[i], chunk[i + HALF] = law(signed[i], signed[i + HALF], inner)
            if power:
                for i in range(CHUNK):
                    chunk[i] = through_expm1(chunk[i], factor)
            elif tabulated:  # in three loops, as only the look-ups are not done in vectors
                for i in range(CHUNK):
                    words[i] = interval(chunk[i])
                for i in range(CHUNK):
                    lines[i] = table[words[i]]
                for i in range(CHUNK):
                    chunk[i] = on_line(chunk[i], factor, lines[i])
        whole = len(out) - len(out) % CHUNK
        out[whole:] = rest[: len(out) - whole]

    return fill


def resize(out: Floats, lengths: NDArray[np.float64], factor: float, exponent: float) -> None:
    """Scale each row of ``out`` to ``factor`` times its length, in ℓ1, ℓ2 or ℓ∞; to be compiled.

    The order of every sum is set, so that NumPy can follow: of terms in lanes, then of the lanes' halves. Squares of
    float32 are exact in float64.
    """
    sums = np.empty(LANES)
    for i in range(len(out)):
        row = out[i]
        norm = _largest(row) if exponent == np.inf else _sum(row, exponent == 2, sums)
        if exponent == 2:
            norm = np.sqrt(norm)
        by = np.float32(min(factor * lengths[i] / max(norm, LEAST), MOST))
        for j in range(len(row)):
            row[j] *= by


def _largest(row: Floats) -> float:
    """In integers, as a maximum of floats is not taken in vectors."""
    bits, largest = row.view(np.int32), np.int32(0)
    for i in range(len(row)):
        largest = max(largest, np.int32(bits[i] & _SIZE))
    return np.float64(np.int32(largest).view(np.float32))


def _sum(row: Floats, squares: bool, sums: NDArray[np.float64]) -> float:
    """Of squares or sizes."""
    sums[:] = 0
    whole = len(row) - len(row) % LANES
    blocks, rest = row[:whole].reshape(-1, LANES), row[whole:]
    for j in range(len(blocks)):
        if squares:
            for i in range(LANES):
                sums[i] += np.float64(blocks[j, i]) * np.float64(blocks[j, i])
        else:
            for i in range(LANES):
                sums[i] += np.float64(abs(blocks[j, i]))
    for i in range(len(rest)):
        x = np.float64(abs(rest[i]))
        sums[i] += x * x if squares else x
    half = LANES // 2
    while half:
        for i in range(half):
            sums[i] += sums[i + half]
        half //= 2
    return sums[0]


PARTS: tuple[Callable[..., Any], ...] = (
    _exponential,
    _sine,
    _signed,
    interval,
    on_line,
    through_expm1,
    laplace,
    _rotated,
    _quarter_round,
    _double_round,
    _write_chunk,
    _largest,
    _sum,
)
"""What the loops call."""
