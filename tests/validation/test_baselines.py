"""Radii of prior work against their papers' formulas in 40-digit arithmetic, and against the tight radii."""

import re
from dataclasses import replace
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from marks import slow, thinned
from scipy import special as sp

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp, parse_norm
from smoothing import certify_radius, parse_noise
from validation.baselines import BASELINES, baselines
from validation.baselines.divergence import pair_renyi
from validation.baselines.hockey_stick import HOCKEY_STICK, log_needed
from validation.baselines.marginals import marginal
from validation.baselines.quadrature import shift_renyi
from validation.baselines.shifts import renyi_radius

RHO = np.array([0.5 + 1e-9, 0.5 + 1e-6, 0.51, 0.6, 0.75, 0.9, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12])
METHOD = {b.name: b for b in BASELINES}
# Relative: 1e-9 is subtracted from every radius on purpose.
CLOSE = 3e-9


def noise(spec, dim=3, scale=1.0):
    return parse_noise(spec, dim=dim, scale=scale)


def agree(radius, expected):
    """Never above the formula, and within the slack below it."""
    expected = np.array([float(e) for e in expected])
    assert (radius <= expected).all()
    np.testing.assert_allclose(radius, expected, rtol=CLOSE)


@pytest.fixture(autouse=True)
def forty_digits():
    with mp.workdps(40):
        yield


# -- closed forms of the papers -----------------------------------------------------------------------------

GAUSSIAN = {
    "kl": lambda r: mp.sqrt(-mp.log(4 * r * (1 - r))),
    "chi-square": lambda r: mp.sqrt(mp.log(1 + (r - mp.mpf("0.5")) ** 2 / (r * (1 - r)))),
    "hellinger": lambda r: mp.sqrt(-8 * mp.log(mp.sqrt(1 - (mp.sqrt(r) - mp.sqrt(1 - r)) ** 2 / 2))),
    "total-variation": lambda r: 2 * mp.sqrt(2) * mp.erfinv(r - mp.mpf("0.5")),
    "hockey-stick": lambda r: mp.sqrt(2) * mp.erfinv(2 * r - 1),
}


@pytest.mark.parametrize("name", GAUSSIAN)
@pytest.mark.parametrize(("norm", "factor"), [("l1", 1), ("l2", 1), ("linf", 3**-0.5), ("lp:p=4", 3**-0.25)])
def test_gaussian_closed_forms(name, norm, factor):
    radius = METHOD[name].radius(noise("gaussian", scale=0.5), parse_norm(norm), RHO)
    agree(radius, [0.5 * factor * (1 + 1e-15) * float(GAUSSIAN[name](mp.mpf(r))) for r in RHO])


def laplace_renyi(alpha, t):
    """D_α of Laplace shifted by t (Li et al. 2019; α = 1 and 1/2 are its limits)."""
    alpha, t = mp.mpf(alpha), mp.mpf(t)
    if alpha == 1:
        return t - 1 + mp.exp(-t)
    if alpha == 0.5:
        return t - 2 * mp.log(1 + t / 2)
    near, far = alpha / (2 * alpha - 1), (alpha - 1) / (2 * alpha - 1)
    return mp.log(near * mp.exp((alpha - 1) * t) + far * mp.exp(-alpha * t)) / (alpha - 1)


def bernoulli_renyi(alpha, rho, reverse=False):
    """D_α of Bernoulli(1/2) from Bernoulli(1-ρ), by its definition; or the other way round."""
    alpha, half, p = mp.mpf(alpha), mp.mpf("0.5"), 1 - mp.mpf(rho)
    pairs = [(half, p), (half, 1 - p)]
    if reverse:
        pairs = [(b, a) for a, b in pairs]
    if alpha == 1:
        return mp.fsum(a * mp.log(a / b) for a, b in pairs)
    return mp.log(mp.fsum(a**alpha * b ** (1 - alpha) for a, b in pairs)) / (alpha - 1)


@pytest.mark.parametrize(("name", "alpha"), [("kl", 1), ("hellinger", 0.5), ("chi-square", 2)])
@pytest.mark.parametrize(("norm", "coordinates"), [(L1(), 1), (Linf(), 7)])
def test_laplace_solves_the_papers_equation(name, alpha, norm, coordinates):
    radius = METHOD[name].radius(noise("laplace", dim=7), norm, RHO)
    for rho, r in zip(RHO, radius, strict=True):
        budget = bernoulli_renyi(alpha, rho)
        assert coordinates * laplace_renyi(alpha, r) <= budget
        assert coordinates * laplace_renyi(alpha, r * (1 + CLOSE)) >= budget


def test_laplace_against_l1_is_tight_at_infinite_order():
    # -λ log(1 - p1 + p2), Li et al. 2019
    radius = METHOD["renyi"].radius(noise("laplace"), L1(), RHO)
    agree(radius, [-mp.log(2 * (1 - mp.mpf(r))) for r in RHO])


def test_laplace_mechanism():
    # Lecuyer et al. 2018: ρ > e^{2ε}(1-ρ); against l2 and linf by the sensitivities √d and d
    for norm, factor in ((L1(), 1), (L2(), mp.sqrt(3) / 3), (Linf(), mp.mpf(1) / 3)):
        radius = METHOD["differential-privacy"].radius(noise("laplace", scale=2), norm, RHO)
        agree(radius * (1 - 1e-15), [factor * mp.log(mp.mpf(r) / (1 - mp.mpf(r))) for r in RHO])


def test_gaussian_mechanism():
    # As Cohen et al. 2019 restate it, the maximum over β taken on a fine grid
    radius = METHOD["differential-privacy"].radius(noise("gaussian"), L2(), RHO)
    for rho, r in zip(RHO[2:], radius[2:], strict=True):
        beta = np.linspace(0, min(1, 0.5 * np.log(rho / (1 - rho))) * (1 - 1e-15), 20002)[1:]
        with np.errstate(divide="ignore"):  # δ = 0 at the end of the grid
            values = beta / np.sqrt(
                2 * np.log(1.25 * (1 + np.exp(beta)) / (rho - np.exp(2 * beta) * (1 - rho)))
            )
        assert values.max() * (1 - 2e-9) <= r <= values.max() * (1 + 1e-6)


def test_renyi_for_gaussian_noise():
    # Li et al. 2019, Theorem 2, the supremum over α > 1 on a fine grid
    radius = METHOD["renyi"].radius(noise("gaussian"), L2(), RHO[2:])
    alpha = np.exp(np.linspace(1e-4, np.log(2), 4001))[:, None]
    p1, p2 = RHO[2:-2], 1 - RHO[2:-2]
    mean = (0.5 * (p1 ** (1 - alpha) + p2 ** (1 - alpha))) ** (1 / (1 - alpha))
    values = np.sqrt(-2 / alpha * np.log(1 - p1 - p2 + 2 * mean)).max(axis=0)
    np.testing.assert_allclose(radius[:-2], values, rtol=1e-6)
    assert (radius[:-2] <= values * (1 + 1e-6)).all()


@pytest.mark.parametrize("alpha", [0.5, 0.7, 1, 1.001, 2, 8, 40])
def test_pair_of_votes(alpha):
    forward = pair_renyi(alpha, RHO)
    expected = np.array([float(bernoulli_renyi(alpha, r)) for r in RHO])
    np.testing.assert_allclose(forward, expected, rtol=1e-11)
    if alpha >= 1:  # the order of the arguments that is used is the better one
        assert (expected >= [float(bernoulli_renyi(alpha, r, reverse=True)) for r in RHO]).all()


def test_pair_at_certainty():
    assert np.isinf(pair_renyi(1.0, np.array([1.0])))
    assert pair_renyi(0.5, np.array([1.0])) == pytest.approx(float(mp.log(2)))


def hockey_stick_gaussian(gamma, t):
    """Φ_N(t/2 - log γ/t) - γ Φ_N(-t/2 - log γ/t), Balle and Wang 2018."""
    return sp.ndtr(t / 2 - np.log(gamma) / t) - gamma * sp.ndtr(-t / 2 - np.log(gamma) / t)


def hockey_stick_laplace(gamma, t):
    """1 - exp((log γ - t)/2) for γ ≤ e^t, by integrating over x > (t + log γ)/2; 0 beyond."""
    return np.maximum(1 - np.exp((np.log(gamma) - t) / 2), 0)


@pytest.mark.parametrize(
    ("spec", "closed"), [("gaussian", hockey_stick_gaussian), ("laplace", hockey_stick_laplace)]
)
@pytest.mark.parametrize("t", [0.1, 1.0, 3.0])
def test_best_hockey_stick_by_its_closed_form(spec, closed, t):
    gamma = np.exp(np.linspace(0, t * (t + 1), 200_001))
    best = ((0.5 - closed(gamma, t)) / gamma).max()
    assert float(log_needed(marginal(noise(spec)), np.array(t))) == pytest.approx(-np.log(2 * best), abs=1e-8)


# -- divergences of shifts ----------------------------------------------------------------------------------


def numerical_renyi(log_q, alpha, t):
    """D_α(q_t‖q) by its definition, with mpmath's quadrature."""
    alpha, t = mp.mpf(alpha), mp.mpf(t)
    cuts = [-mp.inf, -4, -2, -1, 0, t / 2, t, t + 1, t + 2, t + 4, mp.inf]
    if alpha == 1:
        return mp.quad(lambda x: mp.exp(log_q(x - t)) * (log_q(x - t) - log_q(x)), cuts)
    return mp.log(mp.quad(lambda x: mp.exp(alpha * log_q(x - t) + (1 - alpha) * log_q(x)), cuts)) / (
        alpha - 1
    )


@pytest.mark.parametrize("spec", ["exp-power:p=0.5", "exp-power:p=1.5", "exp-power:p=3", "pareto:a=3"])
@pytest.mark.parametrize("alpha", [0.5, 1, 2])
@pytest.mark.parametrize("t", [0.25, 1.5])
def test_shift_divergence_by_definition(spec, alpha, t):
    law = noise(spec)
    with mp.workdps(20):
        if spec.startswith("pareto"):
            reference = numerical_renyi(lambda x: mp.log(1.5) - 4 * mp.log1p(abs(x)), alpha, t)
        else:
            p = mp.mpf(law.p)
            mass = mp.log(2 * mp.gamma(1 + 1 / p))
            reference = numerical_renyi(lambda x: -(abs(x) ** p) - mass, alpha, t)
    assert float(shift_renyi(marginal(law), alpha, t)) == pytest.approx(float(reference), rel=1e-8)


@pytest.mark.parametrize("alpha", [0.5, 1, 1.3, 2, 6])
def test_small_and_large_shifts_of_laplace(alpha):
    for t in (1e-9, 1e-5, 0.01, 1, 20):
        value = float(shift_renyi(marginal(noise("laplace")), alpha, t))
        assert value == pytest.approx(float(laplace_renyi(alpha, t)), rel=1e-10)


@pytest.mark.parametrize(
    "spec", ["laplace", "exp-power:p=0.5", "exp-power:p=1.5", slow("exp-power:p=4"), "pareto:a=3"]
)
@pytest.mark.parametrize("norm", [L1(), slow(lp(1.5)), L2(), slow(lp(4)), Linf()], ids=str)
def test_no_direction_exceeds_the_budget(spec, norm):
    """Divergences of shifts on the sphere of the certified radius: axes, diagonals, sparse and random ones."""
    dim, generator = 6, np.random.default_rng(5)
    q = noise(spec, dim)
    directions = generator.standard_normal((40, dim)) * (generator.random((40, dim)) < 0.5)
    equal = np.tril(np.ones((dim, dim)))  # k equal coordinates
    spiked = equal + np.eye(dim)[0] * np.array([0.1, 1, 10])[:, None, None]
    directions = np.concatenate([directions, equal, spiked.reshape(-1, dim)])
    directions = directions[np.abs(directions).sum(axis=1) > 0]
    directions /= norm.value(directions)[:, None]
    for alpha in (0.5, 1, 2 if spec == "exp-power:p=4" else 5):
        for rho in (0.6, 0.9999):
            budget = pair_renyi(alpha, np.array([rho]))
            radius = renyi_radius(q, norm, np.array([alpha], dtype=float), budget)
            steps = np.maximum(np.abs(directions) * radius, 1e-12)
            total = shift_renyi(marginal(q), alpha, steps).sum(axis=1)
            assert total.max() <= budget[0] * (1 + 1e-8)


# -- against the tight radii --------------------------------------------------------------------------------

TIGHT = [
    ("gaussian", "l1"), ("gaussian", "l2"), ("gaussian", "linf"), ("gaussian", "lp:p=3"), ("laplace", "l1"),
    ("uniform", "l1"), ("uniform", "linf"), ("uniform-l1", "l1"), ("uniform-l2", "l2"), ("uniform-l2", "linf"),
    ("exp-power:p=1.3", "l1"), ("exp-power:p=2", "l2"), ("exp-power:p=4", "l1"), ("exp-power:p=10", "l1"),
    ("exp-l1:k=1", "l1"), ("exp-l2:k=2", "linf"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "norm"), thinned(TIGHT, 0.4))
@pytest.mark.parametrize("dim", [1, 3072])
def test_never_above_a_tight_radius(spec, norm, dim):
    q, adversary = noise(spec, dim, scale=0.7), parse_norm(norm)
    certificate = certify_radius(q, adversary, RHO)
    assert certificate.tight.all()
    found = baselines(q, adversary)
    assert found
    for method in found:
        radius = method.radius(q, adversary, RHO)
        assert (radius <= certificate.radius).all(), method.name
        assert (radius > 0).all()
        assert (np.diff(radius) >= 0).all(), method.name


@pytest.mark.parametrize(("spec", "norm"), TIGHT)
def test_hockey_stick_is_neyman_pearson(spec, norm):
    q, adversary = noise(spec, 5, scale=3), parse_norm(norm)
    tight = certify_radius(q, adversary, RHO).radius
    np.testing.assert_allclose(HOCKEY_STICK.radius(q, adversary, RHO), tight, rtol=CLOSE)


def test_the_comparison_can_fail():
    wrong = replace(HOCKEY_STICK, formula=lambda *args: 1.01 * HOCKEY_STICK.formula(*args))
    q = noise("gaussian")
    assert (wrong.radius(q, L2(), RHO) > certify_radius(q, L2(), RHO).radius).all()


@pytest.mark.parametrize(
    "spec", ["gaussian", "laplace", slow("exp-power:p=1.5"), slow("exp-power:p=4"), "pareto:a=3"]
)
@pytest.mark.parametrize("norm", [L1(), L2(), Linf()], ids=str)
def test_one_order_is_at_most_the_best(spec, norm):
    q = noise(spec, 4)
    best = METHOD["renyi"].radius(q, norm, RHO)
    for name in ("kl", "hellinger", "chi-square"):
        assert (METHOD[name].radius(q, norm, RHO) <= best * (1 + 1e-12)).all()


def test_privacy_below_renyi_below_cohen():
    # the order in which Cohen et al. 2019 plot the three
    q = noise("gaussian", 10)
    rho = np.array([0.55, 0.7, 0.9, 0.99, 0.999, 0.99999])
    privacy, renyi = (METHOD[name].radius(q, L2(), rho) for name in ("differential-privacy", "renyi"))
    cohen = certify_radius(q, L2(), rho).radius
    assert (privacy < 0.5 * renyi).all()
    assert (renyi < 0.9 * cohen).all()


def test_near_half_the_tensorising_divergences_lose_a_constant():
    # D_α ≈ α r²/2 against 2α (ρ-1/2)²: r = 2(ρ-1/2), where Neyman-Pearson has √(2π) (ρ-1/2)
    q, rho = noise("gaussian"), 0.5 + 1e-6
    ratio = METHOD["kl"].radius(q, L2(), rho) / certify_radius(q, L2(), rho).radius
    assert ratio == pytest.approx(float(mp.sqrt(2 / mp.pi)), rel=1e-8)


# -- the interface ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec", ["gaussian", "laplace", "uniform", slow("exp-power:p=0.5"), "exp-linf:k=1", "pareto:a=3"]
)
def test_scale_and_abstention(spec):
    q, rho = noise(spec, 4), np.array([[0.3, 0.5, 0.6], [0.9, 0.99, 1.0]])
    for norm in (L1(), Linf()):
        for method in baselines(q, norm):
            radius = method.radius(q, norm, rho)
            assert radius.shape == rho.shape and (radius[0, :2] == 0).all() and (radius[0, 2:] > 0).all()
            scaled = method.radius(replace(q, scale=8.0), norm, rho)
            np.testing.assert_allclose(scaled, 8 * radius, rtol=1e-12)


def test_what_is_defined():
    names = {b.name for b in baselines(noise("uniform"), L1())}
    assert names == {"total-variation", "hockey-stick"}  # the others are infinite
    assert {b.name for b in baselines(noise("gaussian"), "l2")} == set(METHOD)
    assert {b.name for b in baselines(noise("exp-linf:k=1"), "linf")} == {"differential-privacy", "renyi"}
    assert baselines(noise("pow-linf:k=1,a=9"), "linf") == ()
    assert "hockey-stick" not in {b.name for b in baselines(noise("laplace"), "linf")}


def test_mistakes_are_named():
    with pytest.raises(InputError, match="kl gives no radius for uniform at dim=3 against l1"):
        METHOD["kl"].radius(noise("uniform"), L1(), 0.9)
    for bad in (1.1, -0.1, np.nan):
        with pytest.raises(InputError, match="probability"):
            METHOD["kl"].radius(noise("gaussian"), L2(), bad)


def test_citations_exist():
    bib = (Path(__file__).parents[2] / "docs" / "references.bib").read_text()
    assert {b.citation for b in BASELINES} <= set(re.findall(r"@\w+\{(\w+),", bib))
