"""The incomplete beta function and its inverse against Arb, which shares no code with them."""

import itertools
import warnings

import numpy as np
import pytest
from scipy import special as sp

from smoothing.incomplete_beta import beta_quantile, beta_tails, log_odds_density, mills_ratio
from smoothing.methods.differential import ReciprocalIntegral
from smoothing.profiles.power import Power

flint = pytest.importorskip("flint")

A = (0.5, 1.5, 20.0, 1568.0, 75264.0, 150528.0, 301056.0)
B = (0.5, 1.5, 20.0, 14112.0, 150528.0, 1e6, 3e6)
SCORES = np.array([-8.2, -7, -5, -2, -0.5, 0, 0.5, 2, 5, 7, 8.2])


def reference(a, b, y, z):
    """(P(Y ≤ y), P(Y ≥ y)) as balls of 80 bits and more; the smaller of y and z is the exact one."""
    if z < y:
        return reference(b, a, z, y)[::-1]
    for precision in (2**i for i in range(7, 18)):
        with flint.ctx.workprec(precision):
            lower = flint.arb(float(y)).beta_lower(flint.arb(a), flint.arb(b), regularized=1)
            upper = 1 - lower
            if min(lower.rel_accuracy_bits(), upper.rel_accuracy_bits()) >= 80:
                return lower, upper
    raise ArithmeticError(f"Beta({a}, {b}) at {y}")


def relative_error(value, ball):
    with flint.ctx.workprec(128):
        return float((flint.arb(float(value)) - ball) / ball)


@pytest.mark.parametrize("a, b", list(itertools.product(A, B)))
def test_tails_and_quantile_against_arb(a, b):
    lower, upper = sp.ndtr(SCORES), sp.ndtr(-SCORES)
    y, z = beta_quantile(a, b, lower, upper)
    assert (np.abs(y + z - 1) < 3e-16).all()
    tails = beta_tails(a, b, y, z)
    density = log_odds_density(a, b, y, z)
    for i in range(len(SCORES)):
        if min(y[i], z[i]) < 1e-290:
            continue
        balls = reference(a, b, y[i], z[i])
        side = 0 if lower[i] < upper[i] else 1
        assert abs(relative_error(tails[side][i], balls[side])) < 3e-14
        # The quantile is a float: it is judged by the log-odds, in units of their rounding error.
        missed = abs(relative_error((lower, upper)[side][i], balls[side])) * (lower, upper)[side][i]
        assert missed < 4e-16 * density[i] + 3e-14 * (lower, upper)[side][i]


@pytest.mark.parametrize("a, b", [(2.0, 3.0), (20.0, 3e6), (1568.0, 14112.0), (301056.0, 3e6)])
def test_reflection_and_density(a, b):
    y, z = beta_quantile(a, b, sp.ndtr(SCORES), sp.ndtr(-SCORES))
    assert np.array_equal(beta_tails(a, b, y, z)[0], beta_tails(b, a, z, y)[1])
    below = SCORES < 0
    tails = beta_tails(a, b, y, z)
    mills = mills_ratio(a, b, y, z, below) * log_odds_density(a, b, y, z)
    np.testing.assert_allclose(mills, np.where(below, *tails), rtol=1e-13)


def test_ends_and_masses_that_scipy_cannot_invert():
    ends = np.array([0.0, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for a, b in [(0.5, 0.5), (3.0, 20.0), (150528.0, 1e6)]:
            np.testing.assert_array_equal(beta_tails(a, b, ends, 1 - ends), [ends, 1 - ends])
            np.testing.assert_array_equal(beta_quantile(a, b, ends, 1 - ends), [ends, 1 - ends])
        w = np.array([-37.0, -30.0, 30.0, 37.0])
        for a, b in [(2.5, 3.0), (3.0, 20.0), (20.0, 2.0), (5.0, 3e6)]:  # NaN in SciPy 1.17
            y, z = beta_quantile(a, b, sp.ndtr(w), sp.ndtr(-w))
            lower, upper = beta_tails(a, b, y, z)
            np.testing.assert_allclose(np.where(w < 0, lower, upper), sp.ndtr(-np.abs(w)), rtol=1e-10)
        mass = sp.ndtr(np.array([-5.95, -5.7]))  # 0 in SciPy 1.17
        y, z = beta_quantile(0.1, 30.0, mass, 1 - mass)
        np.testing.assert_allclose(beta_tails(0.1, 30.0, y, z)[0], mass, rtol=1e-12)


@pytest.mark.parametrize(
    "dim, k, a", [(150528, 1.0, 301056.0), (150528, 0.5, 3010560.0), (784, 0.5, 15680.0), (784, 2.0, 7840.0)]
)
def test_the_upper_score_is_free_of_noise(dim, k, a):
    """Noise would have the panels halved, and the last Legendre coefficients report it as an error."""
    integral = ReciprocalIntegral(Power(dim, k, a).upper_score)
    assert len(integral._edges) == 15
    assert integral._relative.max() < 2e-14
