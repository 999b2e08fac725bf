"""Level-set radii of heavy-tailed products along e₁: an exact parametrisation, quadrature, and order."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, optimize

from smoothing import certify_radius
from smoothing.methods.coordinate import AlongCoordinate, Exponent, Lomax
from smoothing.methods.neyman_pearson import direction_radius
from smoothing.noises import parse_noise
from smoothing.special import log_odds_of_half

RHO = np.array(
    [0.5 + 1e-9, 0.5 + 1e-6, 0.501, 0.6, 0.749, 0.751, 0.9, 0.99, 0.9999, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12]
)
EXPONENTS, TAILS = [0.99, 0.9, 0.5, 0.2, 0.1], [0.5, 1.0, 3.0, 10.0, 1000.0]
LAWS = [(Exponent(p), f"exp-power:p={p}") for p in EXPONENTS] + [(Lomax(a), f"pareto:a={a}") for a in TAILS]


@pytest.mark.parametrize("a", TAILS)
def test_pareto_by_its_own_parameter(a):
    """Equal ratios at both ends, (1+e-u)/(1+u) = (1+e+w)/(1+w), give 1+e = (u+w+2uw)/(w-u) for any u < w: with w from

    P(|X| > w) = P(|X| < u) the pairs (ρ, e) are a curve in u, here in fifty digits.
    """
    radius, error = direction_radius(AlongCoordinate(Lomax(a)), RHO)
    with mp.workdps(60):
        median = mp.mpf(2) ** (1 / mp.mpf(a)) - 1

        def point(k):
            u = -median * mp.expm1(-k)
            w = (-mp.expm1(-a * mp.log1p(u))) ** (-1 / mp.mpf(a)) - 1
            return u, w, (u + w + 2 * u * w) / (w - u) - 1

        def rest(k):
            u, w, e = point(k)
            return ((1 + e - u) ** -mp.mpf(a) - (1 + e + w) ** -mp.mpf(a)) / 2

        for found, rho in zip(radius, RHO, strict=True):
            goal = 1 - mp.mpf(float(rho))
            low, high = mp.mpf(10) ** -30, mp.mpf(120)
            for _ in range(180):
                middle = mp.sqrt(low * high)
                low, high = (middle, high) if rest(middle) > goal else (low, middle)
            assert found == pytest.approx(float(point(low)[2]), rel=1e-12)
    assert (error <= 1e-12 * radius).all()


@pytest.mark.parametrize("p", [0.9, 0.7, 0.5])
def test_exponential_power_by_quadrature(p):
    """At the radius, min over τ of E(1 - exp(L-τ))₊ + exp(-τ)/2 is ρ, by adaptive quadrature of the definition."""
    law = AlongCoordinate(Exponent(p))
    mass = 2 * math.gamma(1 + 1 / p)
    for rho in (0.6, 0.9, 0.99):
        e = float(direction_radius(law, np.array([rho]))[0][0])
        phi = lambda x: abs(x) ** p  # noqa: E731
        # x = ±s^(1/p) about both peaks, so that the integrands are smooth
        far = (60.0 + e**p) ** (1 / p)

        def dual(tau, e=e, far=far, phi=phi):
            def integrand(x):
                return max(math.exp(-phi(x)) - math.exp(-phi(x - e) - tau), 0.0) / mass

            total = 0.0
            for start, sign, length in ((0, -1, far), (0, 1, e / 2), (e, -1, e / 2), (e, 1, far)):
                total += integrate.quad(
                    lambda s, a=start, b=sign: integrand(a + b * s ** (1 / p)) * s ** (1 / p - 1) / p,
                    0,
                    length**p,
                    limit=400,
                    epsabs=1e-11,
                )[0]
            return total + 0.5 * math.exp(-tau)

        best = optimize.minimize_scalar(dual, bounds=(0, e**p), method="bounded", options={"xatol": 1e-6})
        assert best.fun == pytest.approx(rho, abs=1e-8)


@pytest.mark.parametrize(("law", "spec"), LAWS, ids=[spec for _, spec in LAWS])
def test_above_the_differential_radius(law, spec):
    radius, error = direction_radius(AlongCoordinate(law), RHO)
    below = certify_radius(parse_noise(spec, dim=7, scale=1.0), "l1", RHO).radius
    assert (radius >= below * (1 - 1e-13)).all() and (np.diff(radius) > 0).all()
    assert (error <= 1e-10 * radius).all()


@pytest.mark.parametrize("law", [Exponent(1 - 1e-7), Lomax(1e8)], ids=["exp-power", "pareto"])
def test_limits_are_laplace(law):
    """p → 1, and a → ∞ at λ/a fixed."""
    factor = law.a if isinstance(law, Lomax) else 1.0
    radius, _ = direction_radius(AlongCoordinate(law), RHO[2:])
    np.testing.assert_allclose(factor * radius, log_odds_of_half(RHO[2:]), rtol=3e-6)


@pytest.mark.parametrize(("law", "spec"), LAWS[1:], ids=[spec for _, spec in LAWS[1:]])
def test_narrow_and_distant_intervals(law, spec):
    """``between`` against mpmath's quadrature: relative accuracy where a difference of cdf values has none."""
    for left, width in ((1e-3, 1e-9), (2.0, 1e-7), (50.0, 1e-3), (0.5, 3.0)):
        with mp.workdps(30):
            x, h = mp.mpf(left), mp.mpf(width)
            if isinstance(law, Lomax):
                exact = (1 + x) ** -mp.mpf(law.a) - (1 + x + h) ** -mp.mpf(law.a)
            else:
                exact = mp.quad(lambda y: mp.exp(-(y ** mp.mpf(law.p))), [x, x + h]) / mp.gamma(
                    1 + 1 / mp.mpf(law.p)
                )
        if exact > 1e-250:
            found = float(law.between(np.array(left), np.array(width)))
            assert found == pytest.approx(float(exact), rel=1e-12)
