"""Moments of Rademacher sums against fractions, closed forms and fifty digits; intervals that hold the truth."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from cotype_examples import HEXAGONAL, NORMS, Mixed, by_definition, in_fractions, sequences
from hypothesis import given, settings
from hypothesis import strategies as st

from cotype.concentration import FAILURE, mean_interval
from cotype.rademacher_sums import rademacher_norm
from geometry.errors import InputError
from geometry.estimate import MONTE_CARLO
from geometry.norms import L1, L2, Linf, lp
from geometry.polytope_norm import PolytopeNorm


def holds(estimate, truth):
    return float(estimate.lower) <= truth <= float(estimate.upper)


@pytest.mark.parametrize("moment", [1, 2])
@pytest.mark.parametrize("norm", [L1(), Linf()], ids=str)
def test_whole_vectors_in_fractions(norm, moment):
    for seed, (n, dim) in enumerate([(1, 3), (2, 1), (3, 4), (7, 2), (11, 3)]):
        rows = np.random.default_rng(seed).integers(-9, 10, size=(n, dim))
        exact = in_fractions(rows.tolist(), norm, moment)
        found = rademacher_norm(rows, norm, moment=moment)
        with mpmath.workdps(50):
            truth = mpmath.root(mpmath.mpf(exact.numerator) / exact.denominator, moment)
            assert abs(found.value - truth) <= found.error + 4e-16 * truth
        assert found.error <= 1e-12 * found.value


@pytest.mark.parametrize("p", [1.5, 3, 17.25, 400])
def test_lp_in_fifty_digits(p):
    """p = 400 leaves the range of floats unless it is taken care of."""
    x = np.random.default_rng(3).normal(size=(5, 3)) * 30
    found = [rademacher_norm(x, lp(p), moment=moment) for moment in (1, 2)]
    with mpmath.workdps(50):
        sizes = []
        for signs in itertools.product((-1, 1), repeat=5):
            s = [mpmath.fsum(e * mpmath.mpf(v) for e, v in zip(signs, column, strict=True)) for column in x.T]
            sizes.append(mpmath.fsum(abs(c) ** mpmath.mpf(p) for c in s) ** (1 / mpmath.mpf(p)))
        truths = [mpmath.fsum(sizes) / 32, mpmath.sqrt(mpmath.fsum(z**2 for z in sizes) / 32)]
        for estimate, truth in zip(found, truths, strict=True):
            assert abs(estimate.value - truth) <= estimate.error
            assert estimate.error <= 1e-12 * estimate.value


@pytest.mark.parametrize("moment", [1, 2])
@pytest.mark.parametrize("norm", [*NORMS, Mixed()], ids=str)
def test_every_norm_by_definition(norm, moment):
    x = np.random.default_rng(5).normal(size=(9, 3))
    found = rademacher_norm(x, norm, moment=moment)
    assert float(found) == pytest.approx(by_definition(x, norm, moment), rel=1e-13)
    assert found.method != MONTE_CARLO and found.error < 1e-12 * found.value


def test_a_polytope_is_the_norm_that_it_is():
    x = np.random.default_rng(6).normal(size=(12, 3))
    for moment in (1, 2):
        for same, norm in ((PolytopeNorm(np.eye(3)), L1()), (PolytopeNorm(Linf().vertices(3)), Linf())):
            assert float(rademacher_norm(x, same, moment=moment)) == pytest.approx(
                float(rademacher_norm(x, norm, moment=moment)), rel=1e-12
            )


def test_blocks_of_a_table_add_up():
    """20 equal vectors in four dimensions go through several blocks: E|Σσ| = n C(n-1, ⌊(n-1)/2⌋) / 2^{n-1}."""
    walk = 20 * math.comb(19, 9) / 2**19
    x = np.ones((20, 4))
    x[:, 2:] *= -0.5
    assert float(rademacher_norm(x, Linf())) == pytest.approx(walk, rel=1e-14)
    assert float(rademacher_norm(x, Linf(), moment=2)) == pytest.approx(math.sqrt(20), rel=1e-14)


def test_twenty_six_vectors():
    """All have coordinates ±1, so that S = (Σσ)(1, 1, -1): the largest n whose signs are listed."""
    x = np.zeros((26, 3))
    x[:, :2] = 1
    x[:, 2] = -1
    walk = 26 * math.comb(25, 12) / 2**25
    assert float(rademacher_norm(x, Linf())) == pytest.approx(walk, rel=1e-13)


def test_l1_at_any_n():
    """Σ over coordinates; equal ones are walks of 301 steps, whose mean is in every textbook."""
    walk = 301 * math.comb(300, 150) / 2**300
    found = rademacher_norm(np.ones((301, 2)) * [1, 3], L1())
    assert holds(found, 4 * walk) and found.error < 1e-9


@pytest.mark.parametrize("p", [1, 1.5, 2, 5, math.inf])
def test_disjoint_supports_do_not_depend_on_signs(p):
    found = [rademacher_norm(2 * np.eye(300), lp(p), moment=moment) for moment in (1, 2)]
    for estimate in found:
        assert holds(estimate, 2 * 300 ** (1 / p))


def test_second_moment_in_l2():
    x = np.random.default_rng(0).normal(size=(500, 7))
    assert float(rademacher_norm(x, L2(), moment=2)) == pytest.approx(math.sqrt((x**2).sum()), rel=1e-14)


@pytest.mark.parametrize("moment", [1, 2])
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_monte_carlo_holds_the_truth(norm, moment, monkeypatch):
    """Forced upon 14 vectors that can be enumerated; a failure has probability 1e-9."""
    from cotype import rademacher_sums

    x = np.random.default_rng(1).normal(size=(14, 3))
    exact = rademacher_norm(x, norm, moment=moment)
    monkeypatch.setattr(rademacher_sums, "MOST_SIGNS", 3)
    for seed in range(5):
        found = rademacher_norm(x, norm, moment=moment, samples=20_000, seed=seed)
        assert found.lower <= exact.value + 1e-12 and exact.value - 1e-12 <= found.upper
        if found.method == MONTE_CARLO:
            assert 0 < found.error < 0.1 * found.value
    again = rademacher_norm(x, norm, moment=moment, samples=20_000, seed=4)
    assert again.value == found.value


def test_the_interval_is_as_wide_as_promised():
    """Coin tosses: bounded differences alone has radius √(log(4/δ) / 2N)."""
    tosses = np.random.default_rng(0).integers(0, 2, size=1000).astype(float)
    lower, upper = mean_interval(tosses, steps=np.ones(1), largest=1.0)
    assert lower < 0.5 < upper
    assert upper - lower <= 2 * math.sqrt(math.log(4 / FAILURE) / 2000) * (1 + 1e-12)
    lower, upper = mean_interval(np.full(100_000, 0.25), steps=np.ones(1), largest=1.0)
    assert upper - lower < 2e-3  # no variance: Bernstein


@settings(max_examples=80)
@given(sequences(3), st.sampled_from([*NORMS, Mixed()]))
def test_khinchin_kahane(x, norm):
    """E‖S‖ ≤ (E‖S‖²)^{1/2} ≤ √2 E‖S‖ (Latała and Oleszkiewicz 1994), and ‖x_j‖ ≤ E‖S‖ ≤ Σ ‖x_j‖."""
    first, second = (rademacher_norm(x, norm, moment=moment) for moment in (1, 2))
    assert first.lower <= second.upper and second.lower <= math.sqrt(2) * first.upper * (1 + 1e-15)
    sizes = norm.value(x)
    assert sizes.max() <= first.upper * (1 + 1e-14) and first.lower <= sizes.sum() * (1 + 1e-14)


@settings(max_examples=60)
@given(sequences(3), st.sampled_from(NORMS), st.sampled_from([1, 2]), st.integers(-30, 30), st.randoms())
def test_scale_order_and_signs_change_nothing(x, norm, moment, power, random):
    found = rademacher_norm(x, norm, moment=moment)
    order = list(range(len(x)))
    random.shuffle(order)
    turned = x[order] * [[random.choice((-1, 1))] for _ in order]
    same = rademacher_norm(turned * 2.0**power, norm, moment=moment)
    assert float(same) == pytest.approx(2.0**power * float(found), rel=1e-12)


@settings(max_examples=60)
@given(st.tuples(sequences(3), sequences(3)), st.sampled_from(NORMS), st.sampled_from([1, 2]))
def test_triangle_inequality_and_monotony(pair, norm, moment):
    """(E‖·‖^r)^{1/r} is a norm on sequences, and grows when a vector is added (Jensen)."""
    n = min(map(len, pair))
    x, y = (z[:n] for z in pair)
    sum_, one, other = (rademacher_norm(z, norm, moment=moment) for z in (x + y, x, y))
    assert sum_.lower <= one.upper + other.upper + 1e-14
    assert one.lower <= rademacher_norm(np.concatenate([x, y]), norm, moment=moment).upper


def test_extreme_sizes():
    for scale in (1e-300, 1e300):
        found = rademacher_norm(np.array([[1.0, 0], [1, 1]]) * scale, lp(7))
        truth = (1 + (2**7 + 1) ** (1 / 7)) / 2 * scale
        assert float(found) == pytest.approx(truth, rel=1e-14)
    assert float(rademacher_norm(np.zeros((4, 2)), Linf())) == 0


def test_errors():
    for wrong in (np.ones(3), np.ones((0, 2)), [[math.nan]], [[math.inf, 1]]):
        with pytest.raises(InputError, match="finite"):
            rademacher_norm(wrong, L1())
    with pytest.raises(InputError, match="moment"):
        rademacher_norm(np.eye(2), L1(), moment=3)
    with pytest.raises(InputError, match="dimension 3"):
        rademacher_norm(np.eye(2), HEXAGONAL)
    with pytest.raises(InputError, match="samples"):
        rademacher_norm(np.ones((40, 2)) + np.eye(40, 2), L2(), samples=1)
