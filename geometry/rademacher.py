"""The Rademacher average h(u) = E|<σ,u>|, σ uniform signs, with a proven error, for any real u up to d = 150 528.

h is the support function of the ℓ∞ Wulff crystal, a norm with ‖u‖₂/√2 ≤ h(u) ≤ ‖u‖₂ (Szarek 1976). Three ways:

* d ≤ 10: all signs, a whole batch at once.
* *Meet in the middle* (``geometry.sign_sums``): up to 2²⁰ atoms in each half, which is 40 magnitudes.
* *Cosine series* (``geometry.cosine_series``, which proves its error) for the many small coordinates, conditioned on
  the atoms c of the few large ones: h(u) = Σ_c P(c) E|c + Y|. Multiples of a common step make it a finite sum.

The first of them that is good to 1e-12 answers, else the best one. About 40 to 1000 coordinates without a common
step are the hard case: there the proven error is near 1e-8 though the value is good to 1e-13 or so.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry import cosine_series
from geometry.cosine_series import ALIASING, LARGEST, REACH, UNIT, Lattice, Proof
from geometry.errors import InputError
from geometry.estimate import EXACT, QUADRATURE, Estimate
from geometry.sign_sums import MOST, Atoms, Row, meet, split

Array = NDArray[np.float64]

_ALL_SIGNS = 10  # up to here every sign vector is listed
_BATCH = 1 << 22
_QUICK = 15  # log2 of the atoms in a half: at once, and MOST where nothing else is proven
_HEAD = 8  # log2 of the atoms that the series is conditioned on
_GOOD = 1e-12
_NEAR = 1e-9  # a lattice
_NEGLIGIBLE = 2.0**-70  # beside the largest coordinate


def rademacher_average(u: ArrayLike, *, proof: Proof = Proof.THOROUGH) -> Estimate:
    """h(u) = E|<σ,u>| over the last axis, shape (..., d) to (...), any scale; rows one after another from d = 11 on.

    ``proof``: cheaper ones give as good a value from d = 41 on (1e-10 below) but a wider error, or none (inf).
    A millisecond at d = 3072, 20 at 150 528; 20 to 60 in the hard case, 100 and more at d = 35 to 40.
    """
    return _evaluate(u, False, proof)[0]


def rademacher_gradient(u: ArrayLike) -> Array:
    """∇h(u) = E[sgn(<σ,u>) σ], shape (..., d): the point of the crystal that supports u.

    Where <σ,u> can vanish, sgn 0 = 0 gives the middle of the face; ties up to rounding count as ties.
    """
    return average_and_gradient(u, proof=Proof.QUICK)[1]


def average_and_gradient(u: ArrayLike, *, proof: Proof = Proof.THOROUGH) -> tuple[Estimate, Array]:
    """(h(u), ∇h(u)), which share most of their work."""
    average, gradient = _evaluate(u, True, proof)
    assert gradient is not None
    return average, gradient


def _evaluate(u: ArrayLike, slope: bool, proof: Proof) -> tuple[Estimate, Array | None]:
    u = np.asarray(u, dtype=np.float64)
    if u.ndim == 0 or u.shape[-1] == 0 or not np.isfinite(u).all():
        raise InputError(f"u must be finite numbers of shape (..., d) with d >= 1, got shape {u.shape}")
    shape, dim = u.shape[:-1], u.shape[-1]
    rows = u.reshape(-1, dim)
    _, exponent = np.frexp(np.abs(rows).max(axis=1))
    rows = np.ldexp(rows, -exponent[:, None])
    value, error = np.zeros(len(rows)), np.zeros(len(rows))
    gradient = np.zeros_like(rows) if slope else None
    if dim <= _ALL_SIGNS:
        _all_signs(rows, value, error, gradient)
    else:
        for i in np.flatnonzero(rows.any(axis=1)):
            value[i], error[i], row = _row(np.abs(rows[i]), slope, proof)
            if gradient is not None and row is not None:
                gradient[i] = np.copysign(row, rows[i])
    tiny = float(np.finfo(np.float64).smallest_subnormal) * (exponent < -1000)
    value, error = np.ldexp(value, exponent), np.ldexp(error, exponent) + tiny
    method = EXACT if dim <= _ALL_SIGNS else QUADRATURE
    average = Estimate(value.reshape(shape), error.reshape(shape), method)
    return average, None if gradient is None else gradient.reshape(u.shape)


def _all_signs(rows: Array, value: Array, error: Array, gradient: Array | None) -> None:
    """The mean over the 2^{d-1} sign vectors that begin with +."""
    dim = rows.shape[1]
    bits = np.arange(2 ** (dim - 1))[:, None] >> np.arange(dim - 1) & 1
    signs = np.hstack([np.ones((len(bits), 1)), 1.0 - 2 * bits])
    error[:] = (dim + 8) * UNIT * np.abs(rows).sum(axis=1)
    step = max(1, _BATCH // len(signs))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        sums = rows[part] @ signs.T
        value[part] = np.abs(sums).mean(axis=1)
        if gradient is not None:
            sums[np.abs(sums) <= error[part, None]] = 0.0
            gradient[part] = np.sign(sums) @ signs / len(signs)


def _row(u: Array, slope: bool, proof: Proof) -> Row:
    """(h, error, ∇h) of one vector of magnitudes, the largest in [1/2, 1)."""
    order = np.argsort(u) if slope else None
    s = np.sort(u) if order is None else u[order]
    dropped = int(np.searchsorted(s, _NEGLIGIBLE))
    s = s[dropped:]
    new = np.concatenate([[True], s[1:] > s[:-1]])
    values, counts = s[new], np.diff(np.append(np.flatnonzero(new), len(s)))
    rest = math.sqrt(len(u)) * _NEGLIGIBLE
    halves, size = split(counts)
    if size <= _QUICK:
        value, error, groups = meet(values, counts, halves, slope)
    else:
        value, error, groups = _any_size(s, values, counts, slope, proof)
    if groups is None or order is None:
        return value, error + rest, None
    gradient = np.zeros(len(u))
    gradient[order[dropped:]] = groups[np.cumsum(new) - 1]
    return value, error + rest, gradient


def _any_size(s: Array, values: Array, counts: NDArray[np.intp], slope: bool, proof: Proof) -> Row:
    halves, size = split(counts)
    thorough = proof is Proof.THOROUGH
    effort = Proof.QUICK if thorough and size <= MOST else proof  # the exact way is near
    lattice, on_lattice, miss = _common_step(values, counts)
    row = _series(np.repeat(on_lattice, counts), on_lattice, counts, lattice, slope, effort)
    row = row[0], row[1] + miss, row[2]
    if not proof or row[1] <= _GOOD * row[0]:
        return row
    if size <= MOST:
        return meet(values, counts, halves, slope) if thorough or slope else row
    others = [_largest(s, slope)]
    if lattice is not None:
        others.append(_series(s, values, counts, None, slope, effort))
    return min(row, *others, key=lambda row: row[1])


def _largest(s: Array, slope: bool) -> Row:
    """h of the 40 largest coordinates: it is below h(u), by Jensen, and h(u) is below it plus the others' ‖·‖₂."""
    kept, left = s[-2 * MOST :], s[: -2 * MOST]
    values, counts = np.unique(kept, return_counts=True)
    rest = float(np.linalg.norm(left))
    if rest > 1e-9:
        return 0.0, math.inf, None
    value, error, groups = meet(values, counts, split(counts)[0], slope)
    if groups is not None:
        smaller = len(np.unique(s)) - len(values)
        groups = np.concatenate([np.zeros(smaller), groups])
    return value + rest / 2, error + rest / 2, groups


def _common_step(values: Array, counts: NDArray[np.intp]) -> tuple[Lattice | None, Array, float]:
    """(lattice, its multiples nearest to the values, by how much ‖·‖₂ they miss): h is 1-Lipschitz in ‖·‖₂, so that
    near enough will do. (None, values, 0) where there is none."""
    steps = []
    multiples = np.multiply.outer(np.arange(1, 257), values[:8] / values[0])
    good = (np.abs(multiples - np.rint(multiples)) <= _NEAR * multiples).all(axis=1)
    if good.any():
        steps.append(values[0] / (1 + int(good.argmax())))
    integers = values * 2.0**40
    if (integers == np.rint(integers)).all():
        steps.append(float(np.gcd.reduce(integers.astype(np.int64))) / 2.0**40)
    for step in steps:
        m = np.rint(values / step)
        step = float(values @ m / (m @ m))
        miss = math.sqrt(counts @ (values - step * m) ** 2)
        if miss <= _NEAR * math.sqrt(counts @ values**2) and m[-1] < 1 << 18:
            return Lattice(step, bool(counts @ (m % 2) % 2)), step * m, miss
    return None, values, 0.0


def _cut(s: Array, values: Array, counts: NDArray[np.intp]) -> int:
    """How many groups the series takes: all that are small beside their ‖·‖₂, else those that come nearest to it."""
    atoms = np.cumsum(np.log2(counts[:-_HEAD:-1] + 1.0))
    heads = np.arange(1 + int(np.searchsorted(atoms, _HEAD, side="right")))
    cuts = (len(values) - heads)[: len(values)]
    norms = np.sqrt(np.cumsum(s**2)[np.cumsum(counts)[cuts - 1] - 1])
    ratio = values[cuts - 1] / norms
    return int(cuts[np.argmax(ratio <= LARGEST)] if (ratio <= LARGEST).any() else cuts[np.argmin(ratio)])


def _series(
    s: Array, values: Array, counts: NDArray[np.intp], lattice: Lattice | None, slope: bool, proof: Proof
) -> Row:
    """Given the atoms c of the large coordinates, E|c + Y| by the series, or |c| where |Y| hardly exceeds it."""
    cut = _cut(s, values, counts)
    large = list(range(cut, len(values)))
    bulk = s[: counts[:cut].sum()]
    scale = float(np.linalg.norm(bulk))
    y = bulk / scale
    head = Atoms(values, counts, large)
    c, near = head.x / scale, np.abs(head.x) <= REACH * scale
    gradient = np.zeros(len(values))
    sign = np.sign(c)
    value = scale * float(head.weights @ np.where(near, 0.0, np.abs(c)))
    error = 40 * UNIT * value + ALIASING * scale
    if near.any():
        step = lattice and Lattice(lattice.step / scale, lattice.odd)
        series = cosine_series.terms(y, float(np.abs(c[near]).max()), step, proof)
        mass = float(head.weights[near].sum())
        waves = np.multiply.outer(series.t, c[near])
        factor = np.cos(waves) @ head.weights[near]
        value += scale * (mass * series.half / 2 - float(series.even @ (series.product * factor)))
        error += scale * mass * (series.rest + 100 * UNIT * series.half)
        if slope:
            sign[near] = (series.odd * series.product) @ np.sin(waves)
            early = series.t * y[-1] < 1.5
            small_values, weights = values[:cut] / scale, series.odd * factor
            gradient[:cut] = cosine_series.mean_tangents(
                small_values, series.t[early], (weights * series.product)[early]
            )
            gradient[:cut] += cosine_series.leave_one_out(
                small_values, counts[:cut], series.t[~early], weights[~early]
            )
    head.mean_signs(sign, gradient)
    return value, error, gradient if slope else None
