"""The search finds the known constants, never more than is proven, and its certificates stand up to fractions."""

import math

import mpmath
import numpy as np
import pytest
from cotype_examples import HEXAGONAL, NORMS, Mixed, by_definition, in_fractions, sequences, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from cotype.constants import cotype_bounds
from cotype.search import certify, climb, gradient, search
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp
from geometry.polytope_norm import PolytopeNorm

SQRT2 = math.sqrt(2)


@pytest.mark.parametrize("p", [2.5, 3, 8, math.inf])
@pytest.mark.parametrize("dim", [2, 3, 5, 8])
def test_lp_above_two(p, dim):
    """C₂ = d^{1/2-1/p}, and C₁ is no less than it and √2."""
    power = dim ** (0.5 - 1 / p)
    assert search(lp(p), dim, moment=2, restarts=2).lower == pytest.approx(power, rel=1e-12)
    assert search(lp(p), dim, moment=1, restarts=2).lower >= max(SQRT2, power) * (1 - 1e-12)


@pytest.mark.parametrize("p", [2.5, 3, 8, math.inf])
def test_random_starts_find_it_without_being_told(p):
    """d^{1/2-1/p} to 1e-6 from Gaussian vectors."""
    rng = np.random.default_rng(0)
    climbed = [climb(rng.normal(size=(n, 4)), lp(p), moment=2) for n in (4, 5, 6, 7)]
    reached = max(certify(x, lp(p), moment=2).lower for x in climbed)
    assert reached == pytest.approx(4 ** (0.5 - 1 / p), rel=1e-6)


@pytest.mark.parametrize("norm", [*NORMS, Mixed()], ids=str)
def test_a_first_moment_constant_is_at_least_sqrt_two(norm):
    assert search(norm, 3, restarts=0).lower >= SQRT2 * (1 - 1e-12)
    assert certify([[1.0, 0, 0]] * 2, norm).lower == pytest.approx(SQRT2, rel=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 1.8, 1.9])
def test_second_moment_below_two(p):
    """(1, 1) and (1, -1) have sums of norm 2: 2^{1/p-1/2}, the constant up to p = 1.847 (Haagerup 1981)."""
    found = search(lp(p), 4, moment=2, restarts=4)
    assert found.lower >= 2 ** (1 / p - 0.5) * (1 - 1e-12)
    if p < 1.84:
        assert found.lower <= 2 ** (1 / p - 0.5) * (1 + 1e-12)


@pytest.mark.parametrize("moment", [1, 2])
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_bounds_bracket_what_is_found(norm, moment):
    found, bounds = search(norm, 3, moment=moment, restarts=4), cotype_bounds(norm, 3, moment=moment)
    assert bounds.lower * (1 - 1e-12) <= max(found.lower, bounds.lower)
    assert found.lower <= bounds.upper
    assert found.certain and found.moment == moment
    # the vectors prove it: every sign vector, one after the other
    ratio = math.sqrt((norm.value(found.vectors) ** 2).sum()) / by_definition(found.vectors, norm, moment)
    assert found.lower == pytest.approx(ratio, rel=1e-11) and found.lower <= ratio * (1 + 1e-15)


@settings(max_examples=100)
@given(sequences(3, most=6), st.sampled_from([L1(), Linf()]), st.sampled_from([1, 2]))
def test_certificates_are_below_the_exact_ratio(x, norm, moment):
    """Whole vectors in fractions, the root in fifty digits."""
    rows = (4 * x).astype(int).tolist()
    with mpmath.workdps(50):
        average = in_fractions(rows, norm, moment)
        average = mpmath.root(mpmath.mpf(average.numerator) / average.denominator, moment)
        ratio = mpmath.sqrt(sum(whole(norm, row) ** 2 for row in rows)) / average
        found = certify(rows, norm, moment=moment)
        assert ratio * (1 - 1e-11) <= found.lower <= ratio


@settings(max_examples=50)
@given(sequences(3), st.sampled_from([*NORMS, Mixed()]))
def test_the_two_constants_of_a_sequence(x, norm):
    """C₂ ≤ C₁ ≤ √2 C₂, sequence by sequence; scale does not matter."""
    first, second = (certify(x, norm, moment=moment).lower for moment in (1, 2))
    assert second * (1 - 1e-11) <= first <= SQRT2 * second * (1 + 1e-11)
    assert certify(x * 2.0**40, norm).lower == pytest.approx(first, rel=1e-14)


def test_a_polytope_finds_what_its_lp_finds():
    for points, norm in ((np.eye(3), L1()), (Linf().vertices(3), Linf())):
        for moment in (1, 2):
            same = search(PolytopeNorm(points), 3, moment=moment, restarts=4).lower
            assert same == pytest.approx(search(norm, 3, moment=moment, restarts=4).lower, rel=1e-10)


@pytest.mark.parametrize("norm", [L2(), lp(3), lp(1.5), Linf(), Mixed()], ids=str)
def test_gradients(norm):
    x = np.random.default_rng(0).normal(size=(3, 20))
    move = 1e-6 * np.random.default_rng(1).normal(size=(3, 20))
    slope = norm.value((x + move).T) - norm.value((x - move).T)
    np.testing.assert_allclose(2 * (gradient(x, norm) * move).sum(axis=0), slope, rtol=1e-5, atol=1e-12)


def test_climbing_never_ends_below_a_smooth_start():
    start = np.random.default_rng(3).normal(size=(4, 3))
    for norm in (lp(3), lp(1.5)):
        assert certify(climb(start, norm), norm).lower >= certify(start, norm).lower


def test_seeds_repeat_and_large_dimensions_answer():
    one, same = (search(HEXAGONAL, 3, restarts=3, seed=5) for _ in range(2))
    assert np.array_equal(one.vectors, same.vectors) and one.lower == same.lower
    assert search(lp(4), 1000, moment=2).lower == pytest.approx(1000**0.25, rel=1e-12)
    assert search(Linf(), 150_528, moment=1).lower == pytest.approx(SQRT2, rel=1e-12)


def test_errors():
    with pytest.raises(InputError, match="other than 0"):
        certify(np.zeros((2, 3)), L1())
    with pytest.raises(InputError, match="moment"):
        search(L1(), 3, moment=3)
