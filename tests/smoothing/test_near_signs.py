"""Sums of scores that keep close to ±c: by their signs, against normal mixtures, other tables, mpmath and samples."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from marks import slow
from scipy import special, stats

from geometry.norms import Linf
from smoothing.methods.near_signs import NearSigns
from smoothing.methods.score_sums import ScoreSum
from smoothing.methods.sums_by_signs import Sizes, tabulate_by_signs
from smoothing.noises import exp_power, pareto, parse_noise
from smoothing.theorems import certify_radius

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)


def scores(noise: str, dim: int) -> NearSigns:
    found = parse_noise(noise, dim=dim, scale=1.0).score(Linf())
    assert found is not None and isinstance(found[0], NearSigns)
    return found[0]


def normal_sizes(deviation: float) -> Sizes:
    """|s| ~ N(1, deviation²), as far as that is a size."""
    masses = WEIGHTS / WEIGHTS.sum()
    return Sizes(1 + deviation * NODES, masses, lambda t: np.expm1(-((deviation * t) ** 2) / 2) + 0j, 1.0)


@pytest.mark.parametrize("dim", [2, 3, 10, 63, 784])
@pytest.mark.parametrize("deviation", [1e-6, 1e-3, 0.02, 0.1])
def test_normal_sizes_are_a_binomial_mixture_of_normals(dim: int, deviation: float) -> None:
    """P(S > s) = Σ C(d, m) 2^-d Q((s - d + 2m) / (δ√d)), whose excesses are known too."""
    table = tabulate_by_signs(normal_sizes(deviation), dim)
    m = np.arange(dim + 1)
    mass = stats.binom.pmf(m, dim, 0.5)[:, None]
    spread = deviation * math.sqrt(dim)
    s = np.exp(table.law.edges[table.log_tails > -20])
    x = (s - (dim - 2 * m)[:, None]) / spread
    tail = (mass * special.ndtr(-x)).sum(axis=0)
    excess = spread * (mass * (np.exp(-x * x / 2) / math.sqrt(2 * math.pi) - x * special.ndtr(-x))).sum(
        axis=0
    )
    exact = 2 * excess + 2 * s * tail
    found = table(-special.ndtri(np.minimum(2 * tail, 1 - 1e-15)), np.inf)
    assert (found >= exact * (1 - 1e-13 - table.law.error)).all()
    assert (found <= exact * (1 + 1e-11) + 4 * table.blur).all()


@pytest.mark.parametrize(
    ("noise", "dim"),
    [("exp-power:p=0.97", 10), ("exp-power:p=1.02", 784)]
    + [
        slow(*case)  # for their plain tables
        for case in (
            ("exp-power:p=1.02", 10),
            ("exp-power:p=0.95", 64),
            ("pareto:a=20", 10),
            ("pareto:a=20", 30),
            ("pareto:a=50", 784),
        )
    ],
)
def test_two_tables_of_one_sum(noise: str, dim: int) -> None:
    """Where the table of the sum itself is fine enough, both agree to what they state, but for the last masses."""
    law = scores(noise, dim)
    table, plain = law.table, law.plain.table
    assert table is not None and plain.resolved
    w = np.linspace(-6, 4.7, 120)  # q down to 1e-6
    ratio = law.upper(w) / plain.upper(w) - 1
    assert np.abs(ratio).max() < 1e-10
    rho = np.array([0.5 + 1e-6, 0.6, 0.9, 0.999, 1 - 1e-9])
    np.testing.assert_allclose(law.radius(rho)[0], law.plain.radius(rho)[0], rtol=1e-9)


@pytest.mark.parametrize("a", [12.0, 50.0, slow(1e4)])
def test_characteristic_function_of_pareto_scores(a: float) -> None:
    """|s|/(a+1) ~ Beta(a, 1): E e^{it|s|} = ₁F₁(a; a+1; it(a+1)), or |s| = (a+1) e^{-E/a} where that fails."""
    t = np.array([1e-3, 0.1, 1.0, 5.9, 6.1, 30.0, 400.0])[: 7 if a < 100 else 6]
    found = pareto._sizes(a).change(t)
    with mp.workdps(40):
        for at, value in zip(t, found, strict=True):
            t_mp = mp.mpf(at)
            if a < 100:
                exact = mp.hyp1f1(a, a + 1, mp.mpc(0, t_mp * (a + 1))) * mp.expj(-a * t_mp) - 1
            else:
                rest = [mp.mpf(0), *mp.linspace(0, 90, 4 + int(90 * max(1.0, at / 4)))[1:]]
                exact = mp.quad(
                    lambda e, t=t_mp: mp.exp(-e) * (mp.expj(t * (1 + (a + 1) * mp.expm1(-e / a))) - 1), rest
                )
            assert abs(mp.mpc(complex(value)) - exact) < 1e-14
            assert abs(mp.mpc(complex(value)) / exact - 1) < 1e-11


@pytest.mark.parametrize("p", [slow(0.93), 0.999, 1.01, slow(1.08)])
def test_characteristic_function_of_exp_power_scores(p: float) -> None:
    """|s| = p u^(1-1/p), u ~ Gamma(1/p)."""
    sizes = exp_power._sizes(p)
    t = np.array([0.01, 1.0, 8.0]) / sizes.deviation
    found = sizes.change(t)
    with mp.workdps(30):
        exact_mean = 1 / mp.gamma(1 + 1 / mp.mpf(p))
        assert abs(sizes.mean / exact_mean - 1) < 1e-15
        for at, value in zip(t, found, strict=True):

            def integrand(v: mp.mpf, at: float = at) -> mp.mpc:
                size = p * mp.exp((1 - 1 / mp.mpf(p)) * v) - sizes.mean
                return mp.exp(v / p - mp.exp(v) + mp.mpc(0, 1) * mp.mpf(at) * size)

            whole = mp.quad(integrand, mp.linspace(-45 * p, 4.5, 60)) / mp.gamma(1 / mp.mpf(p))
            assert abs(mp.mpc(complex(value)) - (whole - 1)) < 1e-13  # t |s| is rounded


@pytest.mark.parametrize(
    ("noise", "dim"), [("exp-power:p=0.99", 64), ("exp-power:p=1.001", 9), ("pareto:a=300", 12)]
)
def test_samples_of_what_no_other_table_resolves(noise: str, dim: int) -> None:
    """The largest share q of 200 000 sums of |S|: five standard deviations, false alarms 6e-7 each."""
    law = scores(noise, dim)
    rng = np.random.Generator(np.random.PCG64(3))
    if noise.startswith("pareto"):
        a = float(noise.partition("=")[2])
        size = (a + 1) * np.exp(-rng.standard_exponential((200_000, dim)) / a)
    else:
        p = float(noise.partition("=")[2])
        size = p * rng.standard_gamma(1 / p, (200_000, dim)) ** ((p - 1) / p)
    sums = np.sort(np.abs((size * rng.choice([-1.0, 1.0], size.shape)).sum(axis=1)))[::-1]
    for q in (0.9, 0.5, 0.1, 0.01):
        top = sums[: int(q * len(sums))]
        seen, error = top.sum() / len(sums), 5 * sums.std() * np.sqrt(q / len(sums))
        assert abs(float(law.upper(np.array(-special.ndtri(q)))) - seen) <= error


@pytest.mark.parametrize("dim", [2, 3, 64, 3072])
@pytest.mark.parametrize(
    ("family", "distance"),
    [
        *itertools.product(["above", "below"], [1e-6, 1e-9, 1.5e-12, 5e-13, 1e-15]),
        slow("pareto", 1e-6),
        slow("pareto", 1e-9),
        slow("pareto", 1.5e-12),
        *itertools.product(["pareto"], [5e-13, 1e-15]),
    ],
)
def test_the_limit_is_laplace_noise(family: str, distance: float, dim: int) -> None:
    """Scores that hardly differ from ±c: down to where floats no longer tell them from signs."""
    power = 1 + distance if family == "above" else 1 - distance
    noise = f"pareto:a={1 / distance!r}" if family == "pareto" else f"exp-power:p={power!r}"
    rho = [0.5 + 1e-6, 0.6, 0.9, 0.999, 1 - 1e-9]
    found = certify_radius(parse_noise(noise, dim=dim, scale=1.0), Linf(), rho).radius
    scale = distance if family == "pareto" else 1.0
    laplace = certify_radius(parse_noise("laplace", dim=dim, scale=scale), Linf(), rho).radius
    np.testing.assert_allclose(found, laplace, rtol=6 * distance + 6e-9)


@pytest.mark.parametrize(
    ("noise", "dim"), [("exp-power:p=0.95", 3), ("exp-power:p=1.03", 5), ("pareto:a=20", 4)]
)
def test_few_scores_have_a_table_of_their_own(noise: str, dim: int) -> None:
    """Fourier sums lose the last masses of few scores that spread a little; the plain table does not."""
    law = scores(noise, dim)
    assert law.table is None and law.plain.table.resolved
    assert isinstance(law.plain, ScoreSum)
    w = np.linspace(-2, 5, 8)
    np.testing.assert_array_equal(law.upper(w), law.plain.upper(w))


def test_beyond_its_table_t_stays_above() -> None:
    """Masses below what the table sees: no more than d times what one score collects, and never less than before."""
    law = scores("exp-power:p=0.999", 3)
    assert law.table is not None
    w = np.linspace(4, 12, 60)
    upper = law.upper(w)
    assert (np.diff(upper) < 0).all()
    assert (upper <= 3 * law.alone.upper(w) * (1 + 1e-9)).all()
    assert (upper / special.ndtr(-w) >= 3 * law.sizes.mean * (1 - 1e-3)).all()
