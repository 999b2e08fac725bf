"""Monte Carlo bands against closed forms by SciPy, and their own error rates against what they promise.

Statistical tests are seeded. A band at level α is expected to hold; where a test draws once, α = 1e-9 makes a false
alarm over the choice of seed as improbable. Tests of error rates count failures in many repetitions at a large α and
fail where the count has a probability below 1e-9 if the rate is at most α.
"""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp
from smoothing.methods.bounded_mean import best_stake, mean_lower, mean_upper
from smoothing.methods.directions import random_directions, worst_direction
from smoothing.methods.log_ratios import ROUNDING, Draws, LogRatios
from smoothing.methods.monte_carlo import flip_mass_band, growth_band, refute
from smoothing.methods.radius_scan import radius_band
from smoothing.methods.score_sample import empirical_radius, phi_band, score_by_differences
from smoothing.noises import parse_noise

SURE = 1e-9
P = np.array([1e-3, 0.01, 0.1, 0.25, 0.4, 0.5, 0.7, 0.9, 0.99])


def draws(spec, dim, n, seed=1, **options):
    noise = parse_noise(spec, dim=dim, scale=1.0)

    def sample(count, seed):
        return noise.sample(count, generator=seed, dtype=torch.float64).numpy()

    return Draws(sample=sample, log_density=noise.log_prob, n=n, seed=seed, **options)


def too_many(failures, trials, alpha):
    """Whether so many failures have probability below 1e-9 at rate α."""
    return stats.binom.sf(failures - 1, trials, alpha) < 1e-9


# -- exact laws, each along one direction: (spec, unit shift, G(p, r u), p* at r) ---------------------------------


def laplace_growth(p, r):
    """One coordinate matters: G = e^r p up to p = e^-r/2, 1 - e^-r/(4p) up to 1/2, then 1 - e^-r (1-p)."""
    e = math.exp(-r)
    return np.where(p < e / 2, p / e, np.where(p < 0.5, 1 - e / (4 * p), 1 - e * (1 - p)))


LAWS = {
    "gaussian": (L2(), lambda p, r: stats.norm.cdf(stats.norm.ppf(p) + r), lambda r: stats.norm.sf(r)),
    "laplace": (L1(), laplace_growth, lambda r: 0.5 * np.exp(-r)),
    "uniform": (L1(), lambda p, r: np.minimum(p + r / 2, 1), lambda r: np.maximum(0.5 - r / 2, 0)),
}


@pytest.mark.parametrize("dim", [1, 10, 784])
@pytest.mark.parametrize("spec", LAWS)
def test_bands_hold_the_truth(spec, dim):
    norm, growth, flip_mass = LAWS[spec]
    r = np.array([1e-3, 0.02, 0.3, 0.8, 0.95])
    ratios = draws(spec, dim, 10_000).log_ratios(r[:, None] * norm.direction(dim))
    low, high = flip_mass_band(ratios, SURE)
    assert (low <= flip_mass(r)).all() and (flip_mass(r) <= high).all()
    # two sides of z(1e-9/6) · 0.5/√n, and a little for thresholds
    assert (high - low < 2 * 6.5 * 0.5 / 100 + 0.015).all() and (low > 0).any()
    for shift, length in enumerate(r):
        below, above = growth_band(ratios[shift], P, SURE)
        assert (below <= growth(P, length)).all() and (growth(P, length) <= above).all()
        assert (below >= P).all() and (above <= 1).all() and (above - below < 0.13).all()


def test_bands_are_narrow_in_the_tail():
    """Where counting would need 1000 times as many draws: p* = 5e-6 within a factor, and a small G likewise."""
    r = stats.norm.isf(5e-6)
    ratios = draws("gaussian", 1, 20_000).log_ratios([[r]])
    low, high = flip_mass_band(ratios, SURE)
    assert 5e-6 / 3 < low[0] <= 5e-6 <= high[0] < 2 * 5e-6
    below, above = growth_band(draws("gaussian", 1, 20_000).log_ratios([[1.0]]), np.array([1e-5]), SURE)
    truth = stats.norm.cdf(stats.norm.ppf(1e-5) + 1)
    assert truth / 10 < below[0] <= truth <= above[0] < 30 * truth


@pytest.mark.parametrize("spec", LAWS)
@pytest.mark.parametrize("n", [40, 400])
def test_error_rates_are_as_promised(spec, n):
    """300 repetitions at α = 0.2: the band of p* and that of G (all p at once) each miss the truth at most so often."""
    norm, growth, flip_mass = LAWS[spec]
    alpha, trials, r = 0.2, 300, 0.5
    missed, missed_growth = 0, 0
    for seed in range(trials):
        ratios = draws(spec, 1, n, seed=seed).log_ratios([r * norm.direction(1)])
        low, high = flip_mass_band(ratios, alpha)
        missed += not low[0] <= flip_mass(r) <= high[0]
        below, above = growth_band(ratios, P, alpha)
        missed_growth += not ((below <= growth(P, r)) & (growth(P, r) <= above)).all()
    assert not too_many(missed, trials, alpha)
    assert not too_many(missed_growth, trials, alpha)


@pytest.mark.parametrize("spec", LAWS)
def test_refute_by_the_exact_radius(spec):
    """At the radius itself a refutation is a false alarm; a little beyond it is the truth, and found."""
    norm, _, flip_mass = LAWS[spec]
    alpha, trials, r = 0.2, 300, 0.7
    rho = 1 - flip_mass(r)
    alarms = sum(
        refute(draws(spec, 1, 200, seed=seed).log_ratios([r * norm.direction(1)]), rho, alpha)[0]
        for seed in range(trials)
    )
    assert not too_many(alarms, trials, alpha)
    ratios = draws(spec, 1, 40_000).log_ratios([r * norm.direction(1)])
    assert refute(ratios, rho - 0.03, SURE).all() and not refute(ratios, rho, SURE).any()


@pytest.mark.parametrize("length", [0.0, 0.1, 0.5, 2.0, 3.0])
@pytest.mark.parametrize("spec", LAWS)
def test_a_misleading_pilot_costs_width_and_not_truth(spec, length):
    """Thresholds and stakes from draws of other shifts, mixed ones included: bounds are of the test sample alone."""
    norm, growth, flip_mass = LAWS[spec]
    r = 0.6
    truth = draws(spec, 1, 4000).log_ratios([r * norm.direction(1)]).test
    pilot = draws(spec, 1, 4000, seed=9).log_ratios([length * norm.direction(1)]).pilot
    for misleading in (pilot, -pilot, pilot + 1, pilot - 1, 0 * pilot, np.where(pilot > 0, pilot, 5.0)):
        ratios = LogRatios(misleading, truth)
        low, high = flip_mass_band(ratios, SURE)
        assert low[0] <= flip_mass(r) <= high[0]
        below, above = growth_band(ratios, P, SURE)
        assert (below <= growth(P, r)).all() and (growth(P, r) <= above).all()


def test_refute_broadcasts():
    ratios = draws("gaussian", 2, 4000).log_ratios([[0.1, 0], [1.0, 0], [3.0, 0]])
    assert refute(ratios, 0.9, SURE).tolist() == [False, False, True]
    assert refute(ratios, [[0.6], [0.99]], SURE).tolist() == [[False, True, True], [False, False, True]]


def test_the_largest_atoms():
    """Shifts by more than the support: everything is at Λ = ∞, G = 1 and p* = 0."""
    ratios = draws("uniform", 3, 1000).log_ratios([[3.0, 0, 0], [0.0, 0, 0]])
    low, high = flip_mass_band(ratios, SURE)
    assert low[0] == high[0] == 0
    assert low[1] > 0.47 and high[1] == 0.5  # no shift: p* = 1/2
    below, above = growth_band(ratios[0], P, SURE)
    assert (below > 0.95).all() and (above == 1).all()
    below, above = growth_band(ratios[1], P, SURE)
    assert (below == P).all() and (above < P + 0.05).all()


# -- radii along a direction ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("known", [True, False], ids=["around", "search"])
@pytest.mark.parametrize("spec", LAWS)
def test_radius_band(spec, known, scale):
    norm, _, flip_mass = LAWS[spec]
    rho = np.array([0.51, 0.6, 0.75, 0.9, 0.99])
    radius = scale * np.array([optimize.brentq(lambda r, p=p: flip_mass(r) - p, 0, 9) for p in 1 - rho])
    noise = parse_noise(spec, dim=3, scale=scale)
    sampled = Draws(
        sample=lambda n, seed: noise.sample(n, generator=seed, dtype=torch.float64).numpy(),
        log_density=noise.log_prob,
        n=20_000,
        seed=3,
    )
    low, high = radius_band(sampled, norm.direction(3), rho, SURE, around=radius if known else None)
    assert (low <= radius).all() and (radius <= high).all()
    assert (high[1:] < [2, 1.5, 1.5, 1.5] * low[1:]).all()  # candidates stand a factor 2 apart in distance


def test_a_bad_guess_costs_width_and_not_truth():
    rho = np.array([0.6, 0.9])
    truth = stats.norm.ppf(rho)
    for factor in (1e-3, 0.5, 2.0, 1e3):
        band = radius_band(draws("gaussian", 2, 4000), [1.0, 0.0], rho, SURE, around=factor * truth)
        assert (band[0] <= truth).all() and (truth <= band[1]).all()


# -- bounded means --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stake", [0.05, 0.5, 0.9])
def test_the_bound_is_the_root_of_the_capital(stake):
    x = np.random.default_rng(0).beta(0.3, 1.0, 500)
    goal = math.log(1 / 0.01)
    root = optimize.brentq(lambda m: np.log1p(stake * (x - m)).sum() - goal, -1, x.mean(), xtol=1e-15)
    bound = mean_lower(x[None], np.array([stake]), 0.01)[0]
    assert max(root, 0) - 1e-12 <= bound <= max(root, 0)
    assert mean_upper(1 - x[None], np.array([stake]), 0.01)[0] == pytest.approx(1 - bound, abs=1e-12)


@pytest.mark.parametrize("law", ["bernoulli", "rare", "beta", "constant"])
def test_error_rate_and_length_of_mean_bounds(law):
    """400 repetitions at α = 0.1, both sides; the length against σ sqrt(2 log(1/α)/n)."""
    generator = np.random.default_rng(1)
    n, trials, alpha = 200, 400, 0.1
    x, mean, deviation = {
        "bernoulli": (generator.integers(0, 2, (trials, 2 * n)) * 1.0, 0.5, 0.5),
        "rare": (generator.binomial(1, 0.01, (trials, 2 * n)) * 1.0, 0.01, 0.0995),
        "beta": (generator.beta(2, 2, (trials, 2 * n)), 0.5, math.sqrt(0.05)),
        "constant": (np.full((trials, 2 * n), 0.25), 0.25, 0.0),
    }[law]
    pilot, test = x[:, :n], x[:, n:]
    low = mean_lower(test, best_stake(pilot, n, alpha), alpha)
    high = mean_upper(test, best_stake(1 - pilot, n, alpha), alpha)
    assert not too_many((low > mean).sum(), trials, alpha) and not too_many(
        (high < mean).sum(), trials, alpha
    )
    length = deviation * math.sqrt(2 * math.log(1 / alpha) / n) + math.log(1 / alpha) / n
    assert np.median(mean - low) < 1.6 * length and np.median(high - mean) < 1.6 * length


# -- drawing ----------------------------------------------------------------------------------------------------------


def test_blocks_bound_the_memory():
    asked = []

    def sample(n, seed):
        asked.append(n)
        return np.random.default_rng(seed).standard_normal((n, 50))

    ratios = Draws(
        sample=sample, log_density=lambda x: -0.5 * (x**2).sum(-1), n=997, seed=0, block=1000
    ).log_ratios(np.ones((2, 50)))
    assert max(asked) == 20 and sum(asked) == 997 + 249
    assert ratios.test.shape == (2, 997) and ratios.pilot.shape == (2, 249)
    assert (ratios.test[0] == ratios.test[1]).all()  # many shifts, the same draws


def test_draws_are_repeatable_and_seeded():
    shifts = [[0.3, 0.1]]
    first, again = draws("laplace", 2, 100).log_ratios(shifts), draws("laplace", 2, 100).log_ratios(shifts)
    other = draws("laplace", 2, 100, seed=2).log_ratios(shifts)
    assert (first.test == again.test).all() and (first.pilot == again.pilot).all()
    assert (first.test != other.test).any()
    apart = draws("gaussian", 2, 100).log_ratios(shifts)
    assert not set(apart.pilot[0]) & set(apart.test[0])


@pytest.mark.parametrize(
    ("spec", "potential"),
    [
        ("gaussian", lambda z: (z * z / 2).sum(-1)),
        ("laplace", lambda z: abs(z).sum(-1)),
        ("exp-power:p=0.5", lambda z: np.sqrt(abs(z)).sum(-1)),
        ("pareto:a=3", lambda z: 4 * np.log1p(abs(z)).sum(-1)),
        ("exp-l2:k=1", lambda z: np.sqrt((z * z).sum(-1))),
        ("pow-l1:k=1,a=150600", lambda z: 150600 * np.log1p(abs(z).sum(-1))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_digits_are_lost_in_high_dimension(spec, potential):
    """Λ at d = 150 528, where log q ~ -1e5 to -1e6, against sums of differences in extended precision."""
    noise = parse_noise(spec, dim=150528, scale=1.0)
    y = noise.sample(2, generator=0, dtype=torch.float64).numpy()
    shift = np.full(150528, 1e-3 * (noise.sigma if math.isfinite(noise.sigma) else 1.0))
    value = noise.log_prob(y) - noise.log_prob(y + shift)
    extended = np.longdouble
    exact = potential((y + shift).astype(extended)) - potential(y.astype(extended))
    assert (abs(value - exact) < 0.1 * ROUNDING).all()


def test_complaints():
    with pytest.raises(InputError, match="float64"):
        Draws(
            sample=lambda n, seed: np.full((n, 2), 1.5),
            log_density=lambda x: np.where(abs(x).max(-1) <= 1, 0.0, -np.inf),
            n=50,
            seed=0,
        ).log_ratios([[0.1, 0.1]])
    with pytest.raises(InputError, match="NaN"):
        Draws(
            sample=lambda n, seed: np.ones((n, 2)), log_density=lambda x: x[:, 0] * np.nan, n=50, seed=0
        ).log_ratios([[0.1, 0.1]])
    with pytest.raises(InputError, match="40"):
        draws("gaussian", 2, 10)
    ratios = LogRatios(np.zeros((2, 20)), np.zeros((2, 80)))
    with pytest.raises(InputError, match="one shift"):
        growth_band(ratios, P, 0.1)
    with pytest.raises(InputError, match="alpha"):
        refute(ratios, 0.9, 1.5)
    with pytest.raises(InputError, match="rho"):
        radius_band(draws("gaussian", 1, 50), [1.0], np.array([0.5]), 0.1)


# -- scores -----------------------------------------------------------------------------------------------------------


def test_phi_band_holds_the_truth():
    """Gaussian: Φ(p) = φ_N at the quantile; a fair sign: min(p, 1-p)."""
    normal = np.random.default_rng(0).standard_normal(25_000)
    low, high = phi_band(normal[:5000], normal[5000:], P, SURE, upper_square=0.5)
    truth = stats.norm.pdf(stats.norm.ppf(P))
    assert (low <= truth).all() and (truth <= high).all()
    middle = (P >= 0.1) & (P <= 0.5)
    assert (high[middle] < 1.3 * low[middle]).all()
    assert np.isinf(phi_band(normal[:5000], normal[5000:], P, SURE)[1]).all()
    signs = np.sign(normal)
    low, high = phi_band(signs[:5000], signs[5000:], P, SURE, largest=1.0)
    truth = np.minimum(P, 1 - P)
    assert (low <= truth + 1e-12).all() and (truth <= high + 1e-12).all()
    assert (high - low < 0.16).all() and (high - low < 1e-6)[P < 0.45].all()


def test_phi_band_with_a_misleading_pilot():
    normal = np.random.default_rng(7).standard_normal(4000)
    truth = stats.norm.pdf(stats.norm.ppf(P))
    for pilot in (normal[:1000] + 2, normal[:1000] - 2, 0 * normal[:1000], 3 * abs(normal[:1000])):
        low, high = phi_band(pilot, normal, P, SURE, upper_square=0.5)
        assert (low <= truth).all() and (truth <= high).all()


def test_phi_band_knows_what_no_sample_shows():
    """Draws that are all 0 fit S = V with mass log(1/α)/n, which is missed with probability α: Φ is V times that."""
    n, alpha, square = 1000, 1e-6, 7.0
    zeros = np.zeros(n)
    unseen = math.log(1 / alpha) / n
    _, high = phi_band(zeros, zeros, np.array([0.5]), alpha, upper_square=square)
    assert high[0] >= math.sqrt(square / unseen) * unseen
    _, high = phi_band(zeros, zeros, np.array([0.5]), alpha, largest=3.0)
    assert high[0] >= 3.0 * unseen


def test_error_rate_of_phi():
    """300 repetitions at α = 0.2, all p at once: Laplace scores along (1,1), a heavy-tailed and a normal law."""
    generator = np.random.default_rng(5)
    alpha, trials, n = 0.2, 300, 200
    p = np.array([0.05, 0.2, 0.5])
    z = stats.norm.ppf(p)
    for law, truth, square in (
        ("signs", np.minimum(2 * p, 0.5 + 0 * p), 1.0),
        ("normal", stats.norm.pdf(z), 0.5),
    ):
        missed = 0
        for _ in range(trials):
            x = (
                generator.choice([-1, 1], (2 * n, 2)).sum(1) * 1.0
                if law == "signs"
                else generator.standard_normal(2 * n)
            )
            low, high = phi_band(x[:n], x[n:], p, alpha, upper_square=square)
            missed += not ((low <= truth) & (truth <= high)).all()
        assert not too_many(missed, trials, alpha)


def test_empirical_radius():
    rho = np.array([0.51, 0.6, 0.75, 0.9, 0.99, 0.999])
    # a score that is ±1: T(q) = q
    np.testing.assert_allclose(empirical_radius(np.ones(1000), rho), -np.log(2 * (1 - rho)), rtol=1e-12)
    # three values, against quadrature of the piecewise linear Φ
    sizes = np.array([0.0, 1.0, 3.0, 3.0])

    def total(q):
        return min(q, 0.5) * 3 + min(max(q - 0.5, 0), 0.25)

    for value in (0.55, 0.7, 0.9):
        exact = integrate.quad(lambda q: 1 / total(q), 2 * (1 - value), 1, points=[0.5, 0.75], epsabs=1e-13)[
            0
        ]
        assert empirical_radius(sizes, value) == pytest.approx(exact, rel=1e-12)
    # normal scores: Φ_N⁻¹(ρ), with an error of a few 1/√n
    normal = np.random.default_rng(2).standard_normal(200_000)
    np.testing.assert_allclose(empirical_radius(normal, rho), stats.norm.ppf(rho), rtol=0.02)


def test_scores_by_differences():
    generator = np.random.default_rng(3)
    x = generator.standard_normal((50, 4))
    v = np.array([1.0, -2.0, 0.5, 0.0])
    noise = parse_noise("gaussian", dim=4, scale=1.0)
    np.testing.assert_allclose(score_by_differences(noise.log_prob, x, v, step=1e-3), x @ v, atol=1e-9)
    # logistic: third derivative of log cosh at most 0.77 per unit of |v|³
    value = score_by_differences(lambda x: -np.log(np.cosh(x)).sum(-1), x, v, step=1e-3)
    assert (abs(value - np.tanh(x) @ v) <= 1e-6 / 6 * 0.77 * (abs(v) ** 3).sum() + 1e-5).all()
    uniform = parse_noise("uniform", dim=4, scale=1.0)
    with pytest.raises(InputError, match="no score"):
        score_by_differences(uniform.log_prob, np.full((1, 4), 0.9999), v, step=1e-2)


# -- directions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [L1(), L2(), Linf(), lp(1.5), lp(3)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_random_directions(norm, count):
    found = random_directions(norm, 7, count, seed=0)
    assert found.shape == (count, 7)
    np.testing.assert_allclose(norm.value(found), 1, rtol=1e-14)
    assert (found == random_directions(norm, 7, count, seed=0)).all()
    assert (found != random_directions(norm, 7, count, seed=1)).any()
    assert (np.count_nonzero(found[0::3], axis=1) == 1).all()
    assert np.ptp(abs(found[1::3]), axis=1).max(initial=0) < 1e-15
    assert (worst_direction(norm, 7) == norm.direction(7)).all()


def test_no_torch():
    code = (
        "import sys, smoothing.methods.monte_carlo, smoothing.methods.radius_scan, smoothing.methods.score_sample\n"
        "import smoothing.methods.directions; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
