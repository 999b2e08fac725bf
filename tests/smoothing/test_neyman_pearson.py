"""The solver of one direction on laws whose answer is known in closed form, atoms included."""

import numpy as np
import pytest
from scipy import optimize, stats
from scipy import special as sp

from smoothing.methods.neyman_pearson import DirectionRadius, RatioLaw, direction_radius, falling_root
from smoothing.special import log_odds_of_half, normal_quantile

RHO = np.array(
    [0.5 + 1e-9, 0.5 + 1e-6, 0.501, 0.6, 0.749, 0.751, 0.9, 0.99, 0.9999, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12]
)


class Normal(RatioLaw):
    """X ~ N(0, 1): L ~ N(-e²/2, e²), without atoms."""

    typical = 1.0

    def middle(self, e, tau):
        return -0.5 * sp.erf((tau / e - e / 2) / np.sqrt(2))

    def needed(self, e, tau, *, check=False):
        centred = 0.5 * sp.erf((tau / e + e / 2) / np.sqrt(2))
        middle = np.exp(-tau) * self.middle(e, tau)
        return centred + middle, sp.ndtr(-(tau / e + e / 2)) - middle


class Laplace(RatioLaw):
    """q(x) = exp(-|x|)/2: L is 2x - e cut off at ±e, with atoms there; the best τ is the atom's place, e."""

    typical = 1.0

    def at_least(self, e, tau):
        return np.where(tau < e, 0.5 * np.exp(-0.5 * (e - tau)), 1.0)

    def middle(self, e, tau):
        return np.where(tau < e, -0.5 * np.expm1(-0.5 * (e - tau)), -0.5)

    def needed(self, e, tau, *, check=False):
        above = np.where(tau < e, 0.5 * np.exp(-0.5 * (e + tau)), 0.0)
        centred = np.where(tau < e, -0.5 * np.expm1(-0.5 * (e + tau)), 0.5)
        middle = np.exp(-tau) * self.middle(e, tau)
        # at τ ≥ e both terms are near 1/2
        excess = np.where(tau < e, centred + middle, -0.5 * np.expm1(-tau))
        return excess, above - middle


class Uniform(RatioLaw):
    """q = 1/2 on [-1, 1]: L = 0 but for the mass e/2, where it is -inf. The best τ is 0, at the atom."""

    typical = 1.0

    def middle(self, e, tau):
        return 0.5 * np.minimum(e, 2) - 0.5

    def needed(self, e, tau, *, check=False):
        excess = 0.5 - 0.5 * np.exp(-tau) + np.exp(-tau) * 0.5 * np.minimum(e, 2)
        return excess, 0.5 - excess


@pytest.mark.parametrize(
    ("law", "exact", "last"),
    [
        (Normal(), normal_quantile, 12),
        (Laplace(), log_odds_of_half, 12),
        (Uniform(), lambda rho: 2 * rho - 1, 9),  # 1 - ρ is not known to more than rounding here
    ],
    ids=["normal", "laplace", "uniform"],
)
def test_closed_forms(law, exact, last):
    radius, error = direction_radius(law, RHO[:last])
    np.testing.assert_allclose(radius, exact(RHO[:last]), rtol=1e-12)
    assert (error <= 1e-12 * radius).all()


def test_every_threshold_errs_upwards():
    """ρ(e, τ) is at least ρ at the best τ; for the normal law that is known."""
    e, tau = np.meshgrid(np.geomspace(1e-3, 8, 40), np.concatenate([[0.0], np.geomspace(1e-6, 40, 60)]))
    excess, rest = Normal().needed(e, tau)
    assert (excess >= (sp.ndtr(e) - 0.5) * (1 - 1e-13)).all()
    assert (rest <= sp.ndtr(-e) * (1 + 1e-12)).all()


def test_order_and_certainty():
    solve = DirectionRadius(Normal())
    radius, _ = solve(np.array([0.9, 0.6, 1.0, 0.9]))
    assert radius[0] == radius[3] > radius[1] and np.isinf(radius[2])
    many = np.linspace(0.5001, 0.9999, 500)
    np.testing.assert_allclose(solve(many)[0], stats.norm.ppf(many), rtol=1e-11)


def test_falling_root_against_brentq():
    shift = np.linspace(-3, 3, 31)

    def function(x, index):
        return np.exp(-x) - np.exp(shift[index]) * (1 + 0.1 * x**3)

    low, high = np.full(31, -6.0), np.full(31, 6.0)
    index = np.arange(31)
    falling = function(low, index) > 0
    found = falling_root(function, low, high, function(low, index), function(high, index))
    for i in np.flatnonzero(falling & (function(high, index) < 0)):
        expected = optimize.brentq(lambda x, i=i: function(x, i), -6, 6, xtol=1e-15)
        assert found[i] == pytest.approx(expected, abs=1e-8)


def test_a_jump_is_located_to_rounding():
    jump = np.array([0.1, 1.2345, -0.7])
    low, high = jump - 1, jump + 2
    found = falling_root(
        lambda x, i: np.where(x < jump[i], 0.3, -0.2), low, high, np.full(3, 0.3), np.full(3, -0.2)
    )
    np.testing.assert_allclose(found, jump, atol=1e-14)
