"""Sequences with a large cotype ratio (Σ ‖x_j‖²)^{1/2} / (E‖Σ σ_j x_j‖^r)^{1/r}: each is a lower bound of C_r.

Known sequences (a vector twice, the basis, vectors of all signs) stand beside random ones that climb by BFGS on the
logarithm of the ratio. ℓ∞, and with it every polytope's norm, is approached through ℓp with p = 8, …, 1024, and
BFGS does well at the corners that are left (Lewis and Overton 2013). Best sequences tend to have small whole entries:
rounded ones are tried too. What comes back is a certificate: the vectors, and their ratio computed anew, rounded down.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from cotype.rademacher_sums import checked, half_of, image, is_lp, lengths, rademacher_norm, reach
from geometry.errors import InputError
from geometry.estimate import MONTE_CARLO, Estimate
from geometry.norms import Norm, lp
from geometry.polytope_norm import PolytopeNorm

Array = NDArray[np.float64]

_LARGEST_BASIS = 1024
_MOST_VECTORS = 9  # of a random start: 256 sign vectors
_MOST_NUMBERS = 64  # in a random start: BFGS works on the square of that, below where BLAS starts threads
_LARGEST_DIM = 16  # in which random starts climb
_VANISHED = 1e-6
_WHOLE = (1, 2, 3, 4, 6)  # denominators to which a sequence is rounded
_UNIT = 2.0**-53


@dataclass(frozen=True, eq=False)
class Certificate:
    """Vectors, shape (n, d), that prove C_moment ≥ ``lower``; ``average`` is (E‖Σ σ_j x_j‖^moment)^{1/moment}."""

    vectors: Array
    moment: int
    average: Estimate
    lower: float

    @property
    def certain(self) -> bool:
        """Whether the average has a proven error; else it is Monte Carlo, wrong with probability 1e-9."""
        return self.average.method != MONTE_CARLO


def certify(vectors: ArrayLike, norm: Norm, *, moment: int = 1) -> Certificate:
    """The bound that a sequence proves, rounded down: (Σ ‖x_j‖²)^{1/2} from below by the average from above."""
    x = checked(vectors, moment)
    if not x.any():
        raise InputError("a sequence of zeros proves nothing; give at least one vector other than 0")
    exponent = int(np.frexp(np.abs(x).max())[1])
    scaled = np.ldexp(x, -exponent)
    if is_lp(norm):
        scaled = scaled[:, scaled.any(axis=0)]
    y, target = image(scaled, norm)
    rounding = (scaled.shape[1] + 16) * _UNIT * np.array([reach(row[None], norm) for row in scaled])
    sizes = np.maximum(lengths(y.T, target) - rounding, 0)
    average = rademacher_norm(scaled, norm, moment=moment)
    lower = math.sqrt(math.fsum(np.square(sizes))) / float(average.upper) * (1 - 16 * _UNIT)
    return Certificate(x, moment, rademacher_norm(x, norm, moment=moment), lower)


def search(norm: Norm, dim: int, *, moment: int = 1, restarts: int = 24, seed: int = 0) -> Certificate:
    """The best certificate of the known sequences and of ``restarts`` random ones; the same for the same seed."""
    best = max((certify(x, norm, moment=moment) for x in known_sequences(norm, dim)), key=lambda c: c.lower)
    if dim > _LARGEST_DIM:
        return best
    for x in _starts(dim, restarts, np.random.default_rng(seed)):
        for y in _tidied(climb(x, norm, moment=moment)):
            found = certify(y, norm, moment=moment)
            # beyond rounding, so that the simpler sequence, which came first, stays
            if found.lower > best.lower * (1 + 1e-13):
                best = found
    return best


def known_sequences(norm: Norm, dim: int) -> Iterator[Array]:
    """A vector twice, the basis, signs of a cube, and of a polytope its vertices: each the best for some norm."""
    axis = np.zeros((1, dim))
    axis[0, 0] = 1
    yield np.concatenate([axis, axis])
    for n in range(2, min(dim.bit_length(), _MOST_VECTORS) + 1):
        signs = np.zeros((n, dim))
        signs[:, : 1 << (n - 1)] = _signs(n).T
        yield signs
    if dim <= (_LARGEST_BASIS if is_lp(norm) else _MOST_VECTORS):
        yield np.eye(dim)
    if isinstance(norm, PolytopeNorm):
        yield half_of(norm.ball.vertices)[:12]


def climb(start: Array, norm: Norm, *, moment: int = 1) -> Array:
    """A local maximum of the cotype ratio above ``start``, shape (n, d), or nearly so where the norm has corners."""
    x, shape = start, start.shape
    signs = _signs(shape[0])
    functionals = half_of(norm.ball.facets) if isinstance(norm, PolytopeNorm) else np.eye(shape[1])
    _, target = image(start[:1], norm)
    stages: list[Norm] = [lp(8), lp(32), lp(128), lp(1024)] if target == lp(math.inf) else []

    for stage in (*stages, target):

        def loss(flat: Array, stage: Norm = stage) -> tuple[float, Array]:
            y = flat.reshape(shape) @ functionals.T
            own, sums = lengths(y.T, stage), y.T @ signs.T
            sizes = lengths(sums, stage)
            squares, mean = float(own @ own), float((sizes**moment).mean())
            if not squares > 0 or not mean > 0:
                return math.inf, np.zeros_like(flat)
            slope = (gradient(sums, stage) * sizes ** (moment - 1)) @ signs / (len(signs) * mean)
            slope -= gradient(y.T, stage) * own / squares
            return math.log(mean) / moment - 0.5 * math.log(squares), (slope.T @ functionals).ravel()

        found = minimize(loss, x.ravel(), jac=True, method="BFGS", options={"maxiter": 300})
        x = found.x.reshape(shape) / np.abs(found.x).max()
    return x


def gradient(columns: Array, norm: Norm) -> Array:
    """The gradients of the norm at the columns, shape (d, m); at a corner one of them; beyond ℓp by differences."""
    if not is_lp(norm):
        return _differences(columns, norm)
    p = norm.exponent
    if math.isinf(p):
        return np.sign(columns) * (np.arange(len(columns))[:, None] == np.abs(columns).argmax(axis=0))
    size = lengths(columns, norm)
    ratio = np.abs(columns) / np.where(size > 0, size, 1)
    return np.copysign(ratio ** (p - 1), columns)


def _differences(columns: Array, norm: Norm) -> Array:
    step = 1e-6 * float(np.abs(columns).max()) + 1e-300
    moves = step * np.eye(len(columns))[:, :, None]
    rises: Array = np.array([lengths(columns + m, norm) - lengths(columns - m, norm) for m in moves])
    return np.divide(rises, 2 * step)


def _signs(n: int) -> Array:
    """Half of all sign vectors, the last sign +, shape (2^{n-1}, n)."""
    minus = np.arange(1 << (n - 1))[:, None] >> np.arange(n) & 1
    return np.where(minus, -1.0, 1.0)


def _starts(dim: int, restarts: int, generator: np.random.Generator) -> Iterator[Array]:
    """Random sequences, in turn Gaussian and with entries near 0 and ±1."""
    most = min(_MOST_VECTORS, 2 * dim + 1, _MOST_NUMBERS // dim)
    for i in range(restarts):
        n = int(generator.integers(2, most + 1))
        x = generator.normal(size=(n, dim))
        if i % 2:
            x = np.sign(x) * (generator.random((n, dim)) < max(0.3, 1.5 / dim)) + 0.02 * x
        yield x


def _tidied(x: Array) -> Iterator[Array]:
    """The sequence without vectors that have vanished, as it is and rounded to small whole entries."""
    x = x / np.abs(x).max()
    x = x[np.abs(x).max(axis=1) > _VANISHED]
    yield x
    for k in _WHOLE:
        if (y := np.rint(k * x)).any():
            yield y
