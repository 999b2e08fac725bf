"""Norms against NumPy, duality, and volumes by exact formulas and mpmath."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, Lp, lp, parse_norm

NORMS = [L1(), L2(), Linf(), lp(1.5), lp(3), lp(17)]
vectors = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8).map(np.array)


def test_special_cases_are_types():
    assert lp(1) == L1() and lp(2) == L2() and lp(math.inf) == Linf() and lp(3) == Lp(3.0)


@pytest.mark.parametrize("p", [0.5, 0, -1, math.nan])
def test_p_below_one_is_no_norm(p):
    with pytest.raises(InputError, match="at least 1"):
        lp(p)


@pytest.mark.parametrize("p", [1, 2, math.inf, 0.3])
def test_lp_itself_refuses_what_has_a_type_of_its_own(p):
    with pytest.raises(InputError):
        Lp(p)


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_names_parse_back(norm):
    assert parse_norm(norm.name) == norm and parse_norm(norm) is norm


@pytest.mark.parametrize("text", ["l3", "L1", "", "lp", "lp:p=", "lp:p=x", "lp:p=0.5", "lp:q=3"])
def test_bad_names_are_refused(text):
    with pytest.raises(InputError):
        parse_norm(text)


@pytest.mark.parametrize("norm", NORMS, ids=str)
@given(x=vectors, y=vectors)
def test_hoelder_and_the_dual(norm, x, y):
    size = min(len(x), len(y))
    x, y = x[:size], y[:size]
    assert abs(x @ y) <= norm.value(x) * norm.dual.value(y) * (1 + 1e-12) + 1e-9
    assert norm.dual.dual.exponent == pytest.approx(norm.exponent, rel=1e-12)


@given(x=vectors)
def test_values_of_the_polytope_norms_are_maxima_over_the_dual_ball(x):
    for norm in (L1(), Linf()):
        vertices = norm.dual.vertices(len(x))
        assert norm.value(x) == pytest.approx((vertices @ x).max(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_direction_is_an_extreme_point_of_the_ball(norm, dim):
    direction = norm.direction(dim)
    assert norm.value(direction) == pytest.approx(1, rel=1e-14)
    vertices = norm.vertices(dim)
    if vertices is not None:
        assert (vertices == direction).all(axis=1).any()
        assert len(np.unique(vertices, axis=0)) == (2 * dim if norm == L1() else 2**dim)


def test_too_many_vertices_are_refused_and_not_attempted():
    with pytest.raises(InputError, match="more than"):
        Linf().vertices(784)


@pytest.mark.parametrize("dim", [1, 2, 3, 10, 784, 150528])
def test_volumes(dim):
    mpmath.mp.dps = 40
    for norm in NORMS:
        inverse = mpmath.mpf(1) / norm.exponent if norm.exponent < math.inf else mpmath.mpf(0)
        exact = dim * mpmath.log(2 * mpmath.gamma(1 + inverse)) - mpmath.loggamma(1 + dim * inverse)
        assert norm.log_volume(dim) == pytest.approx(float(exact), rel=1e-13, abs=1e-13)


def test_known_volumes():
    assert math.exp(L2().log_volume(3)) == pytest.approx(4 * math.pi / 3, rel=1e-14)
    assert math.exp(L1().log_volume(4)) == pytest.approx(2**4 / math.factorial(4), rel=1e-14)
    assert math.exp(Linf().log_volume(5)) == pytest.approx(32, rel=1e-14)
