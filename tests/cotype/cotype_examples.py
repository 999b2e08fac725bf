"""Norms and sums by definition, for the tests of the cotype room: slow, plain, and independent of it."""

import itertools
import math
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geometry.norms import L1, L2, Linf, Norm, lp
from geometry.polytope_norm import PolytopeNorm

HEXAGONAL = PolytopeNorm(np.array([[1.0, 0, 0], [0.5, 1, 0], [-0.5, 1, 0], [0.25, 0.25, 1]]))
NORMS = [L1(), L2(), Linf(), lp(3), lp(1.5), HEXAGONAL]


class Mixed(Norm):
    """max(|x_1|, …) + ½ ‖x‖₂: no ℓp and no polytope."""

    name = "mixed"

    def value(self, x):
        x = np.asarray(x)
        return np.abs(x).max(axis=-1) + 0.5 * np.linalg.norm(x, axis=-1)

    def direction(self, dim):
        return np.eye(dim)[0] / 1.5


def by_definition(vectors, norm, moment):
    """Every sign vector, one after the other."""
    signs = itertools.product((-1.0, 1.0), repeat=len(vectors))
    sizes = [float(norm.value(np.array(s) @ vectors)) for s in signs]
    return (math.fsum(x**moment for x in sizes) / len(sizes)) ** (1 / moment)


def whole(norm, row):
    """ℓ1 or ℓ∞ of whole numbers, exactly."""
    return (sum if isinstance(norm, L1) else max)(abs(x) for x in row)


def in_fractions(rows, norm, moment):
    """E‖S‖^moment of whole vectors in ℓ1 or ℓ∞."""
    total = Fraction(0)
    for signs in itertools.product((-1, 1), repeat=len(rows)):
        total += (
            whole(norm, [sum(s * x for s, x in zip(signs, c, strict=True)) for c in zip(*rows, strict=True)])
            ** moment
        )
    return total / 2 ** len(rows)


def sequences(dim, most=5):
    """Up to ``most`` vectors of small entries, not all 0."""
    entries = st.integers(-8, 8).map(lambda k: k / 4)
    rows = st.integers(1, most).flatmap(lambda n: arrays(np.float64, (n, dim), elements=entries))
    return rows.filter(lambda x: x.any())
