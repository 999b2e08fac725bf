"""The linf crystal beside exact integers, Qhull's polytopes, enumerated determinants, and laws of known chains."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from marks import slow
from scipy.stats import kstest

from geometry.bodies import Ball, Box, LinfCrystal, LpBall
from geometry.bodies.linf_crystal import _by_chain, _by_rejection, crystal_log_volume, fourth_moment
from geometry.crystal_gauge import crystal_gauge, inside, quick_gauge
from geometry.crystals import explicit
from geometry.errors import InputError
from geometry.hit_and_run import chord_end, effective_size, hit_and_run, split_rhat
from geometry.rademacher import rademacher_average
from geometry.zonotopes import crystal_determinants

# The Wulff crystal of linf, in exact integers by Normaliz and PPL: Σ|det|, Vol, least Φ at volume 1, Φ against l1.
TABLE = {
    2: (2, Fraction(2), 1.4142135624, 1.41421356),
    3: (16, Fraction(2), 1.8898815748, 1.25992105),
    4: (480, Fraction(15, 8), 2.3403473193, 1.24818524),
    5: (53760, Fraction(105, 64), 2.7602084031, 1.26180956),
    6: (22487040, Fraction(2745, 2048), 3.1500926023, None),
}


def signs_walk(dim):
    """E|S_d|, exactly."""
    return Fraction(dim * math.comb(dim - 1, (dim - 1) // 2), 2 ** (dim - 1))


@pytest.fixture(scope="module", params=[2, 3, 4, 5])
def pair(request):
    """(crystal, the polytope that Qhull makes of its vertices)."""
    crystal = LinfCrystal(request.param, 1.7)
    return crystal, explicit(crystal)


@pytest.mark.parametrize("dim", TABLE)
def test_ground_truth(dim):
    determinants, volume, phi, phi_l1 = TABLE[dim]
    crystal = LinfCrystal(dim)
    assert Fraction(2) ** dim * determinants / Fraction(2) ** (dim * (dim - 1)) == volume
    assert float(crystal.volume) == pytest.approx(float(volume), rel=1e-14)
    at_unit_volume = float(volume) ** (1 / dim)
    assert float(crystal.relative_shadow(np.ones(dim))) * at_unit_volume == pytest.approx(phi, rel=1e-10)
    if phi_l1 is not None:
        assert float(crystal.relative_shadow(np.eye(dim)[0])) * at_unit_volume == pytest.approx(
            phi_l1, rel=1e-8
        )
    if dim > 2:  # the shadow along e_i is the crystal one dimension down
        below = float(TABLE[dim - 1][1])
        assert float(crystal.shadow(np.eye(dim)[1])) == pytest.approx(below, rel=1e-13)
    if dim == 3:  # against l2: √5/2^{2/3}
        circle = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 3), axis=-1).reshape(-1, 3)
        circle = circle[circle.any(axis=1)]
        circle /= np.linalg.norm(circle, axis=1, keepdims=True)
        largest = crystal.relative_shadow(circle).value.max() * at_unit_volume
        assert largest == pytest.approx(math.sqrt(5) / 2 ** (2 / 3), rel=1e-9)


def test_against_the_explicit_polytope(pair):
    crystal, polytope = pair
    x = np.random.default_rng(0).normal(size=(40, crystal.dim))
    x[:3] = np.stack([np.eye(crystal.dim)[0], np.ones(crystal.dim), np.arange(crystal.dim)])
    np.testing.assert_allclose(crystal.gauge(x), polytope.gauge(x), rtol=1e-11)
    np.testing.assert_allclose(crystal.support(x), polytope.support(x), rtol=1e-11)
    np.testing.assert_allclose(crystal.relative_shadow(x), polytope.relative_shadow(x), rtol=1e-10)
    assert float(crystal.log_volume) == pytest.approx(float(polytope.log_volume), abs=1e-11)
    # the programs of higher dimensions, used here
    for row in x[:12]:
        found = crystal_gauge(row)
        exact = float(polytope.gauge(row)) * crystal.size
        assert found.lower <= exact * (1 + 1e-12) and exact * (1 - 1e-12) <= found.upper <= exact * (1 + 1e-9)
        assert inside(row / exact * 0.999) and not inside(row / exact * 1.001)


@pytest.mark.parametrize("dim", [1, 2, 7, 12, 20, 35, 100, 3072])
def test_exact_gauges(dim):
    crystal = LinfCrystal(dim, 0.5)
    first, ones = -3 * np.eye(dim)[0], np.where(np.arange(dim) % 3 == 1, 2.0, -2.0)
    gauge = crystal.gauge([first, ones])
    expected = [6, 4 * float(dim / signs_walk(dim))]
    np.testing.assert_allclose(gauge, expected, rtol=1e-12)
    assert (gauge.error <= 1e-12 * gauge.value).all()
    gradient = crystal.gauge_gradient(ones)
    np.testing.assert_allclose(gradient, np.sign(ones) / float(signs_walk(dim)) / 0.5, rtol=1e-9)
    assert float(crystal.gauge(np.zeros(dim))) == 0 and crystal.contains(np.zeros(dim))
    if dim > 4:  # sections by coordinates are crystals, too
        padded = np.r_[1.0, 0, 1, 0, -1, np.zeros(dim - 5)]
        assert float(crystal.gauge(padded)) == pytest.approx(2 * float(3 / signs_walk(3)), rel=1e-9)


@pytest.mark.parametrize(
    ("dim", "gap"),
    [(7, 1e-9), (9, 1e-9), (13, 1e-9), *(slow(d, 1e-9) for d in (18, 22))]
    + [slow(d, 1e-5) for d in (24, 32, 40)]
    + [(100, 1e-5), (300, 1e-5), (3072, 1e-6)],
)
def test_gauge_between_bounds(dim, gap):
    rng = np.random.default_rng(dim)
    crystal = LinfCrystal(dim)
    x, u = rng.normal(size=dim), rng.normal(size=(5, dim))
    gauge, gradient = crystal.gauge(x), crystal.gauge_gradient(x)
    assert 0 < gauge.error <= gap * gauge.value
    assert (u @ x <= gauge.upper * crystal.support(u).upper).all()
    assert gradient @ x == pytest.approx(float(gauge), rel=1e-12)
    assert float(crystal.support(gradient)) == pytest.approx(1, rel=gap)
    # a support point is on the boundary, and any x inside is between the two Euclidean balls
    assert float(crystal.gauge(crystal.support_point(u[0]))) == pytest.approx(1, rel=max(gap, 1e-6))
    length = np.linalg.norm(x)
    assert length <= gauge.upper and gauge.lower <= math.sqrt(2) * length
    turned = rng.permutation(x) * rng.choice([-1, 1], dim)
    assert float(crystal.gauge(-3 * turned)) == pytest.approx(3 * float(gauge), rel=2 * gap)


entries = st.floats(-1, 1).filter(lambda t: t == 0 or abs(t) > 1e-3)


@given(
    st.integers(2, 8).flatmap(
        lambda d: st.tuples(arrays(float, d, elements=entries), arrays(float, d, elements=entries))
    )
)
def test_duality(pair):
    """<x,u> ≤ ‖x‖_W h(u), and ‖·‖_W is a norm between ‖·‖₂ and √2 ‖·‖₂."""
    x, u = pair
    crystal = LinfCrystal(len(x))
    gauge = crystal.gauge(np.stack([x, u, x + u]))
    assert x @ u <= gauge.upper[0] * rademacher_average(u).upper * (1 + 1e-12)
    assert gauge.lower[2] <= (gauge.upper[0] + gauge.upper[1]) * (1 + 1e-12)
    assert gauge.upper[0] >= np.linalg.norm(x) * (1 - 1e-12)
    assert gauge.lower[0] <= math.sqrt(2) * np.linalg.norm(x) * (1 + 1e-12)


def determinant(rows):
    if len(rows) == 1:
        return rows[0][0]
    return sum(
        (-1) ** j * rows[0][j] * determinant([r[:j] + r[j + 1 :] for r in rows[1:]]) for j in range(len(rows))
    )


@pytest.mark.parametrize("dim", [1, 2, 3, slow(4)])
def test_moments_of_determinants_by_enumeration(dim):
    """Nyquist et al. 1954 over all sign matrices, in integers; and Σ|det| from the same list."""
    matrices = [
        determinant([m[i * dim : (i + 1) * dim] for i in range(dim)])
        for m in product((-1, 1), repeat=dim * dim)
    ]
    count, factorial = len(matrices), math.factorial(dim)
    assert sum(m**2 for m in matrices) == count * factorial
    assert Fraction(sum(m**4 for m in matrices), count * factorial**2) == pytest.approx(
        fourth_moment(dim), rel=1e-14
    )
    volume = Fraction(2**dim * sum(map(abs, matrices)), count * factorial)
    assert float(LinfCrystal(dim).volume) == pytest.approx(float(volume), rel=1e-14)


def test_fourth_moment_is_a_power_series():
    """c_d = [t^d] e^{-2t} / (1-t)³, multiplied out in fractions; and about d²/2e²."""
    terms = [Fraction((-2) ** j, math.factorial(j)) for j in range(41)]
    for _ in range(3):
        for j in range(1, 41):
            terms[j] += terms[j - 1]
    for dim in range(1, 41):
        assert fourth_moment(dim) == pytest.approx(float(terms[dim]), rel=1e-13)
    assert fourth_moment(3072) == pytest.approx(3072**2 / 2 / math.e**2, rel=5e-3)


@pytest.mark.parametrize("dim", [8, 20, 100])
def test_volume_lies_between_its_bounds(dim):
    bounds, sampled = LinfCrystal(dim, 1.0).log_volume, crystal_log_volume(dim, 2000, seed=1)
    assert bounds.lower <= sampled.upper and sampled.lower <= bounds.upper
    assert float(sampled.error) < float(bounds.error)
    assert float(LinfCrystal(dim, 2.0).log_volume) == pytest.approx(float(bounds) + dim * math.log(2))
    # W lies between balls of radius √½ and 1
    assert (
        Ball(dim, math.sqrt(0.5)).log_volume.value <= bounds.upper
        and bounds.lower <= Ball(dim).log_volume.value
    )


@pytest.mark.slow
def test_seven_dimensions_exactly():
    assert float(LinfCrystal(7).log_volume) == pytest.approx(
        math.log(crystal_determinants(7)) - 35 * math.log(2)
    )


def test_seven_dimensions_by_random_matrices():
    matrices = np.random.default_rng(0).choice([-1.0, 1.0], (200_000, 7, 7))
    sizes = np.abs(np.linalg.det(matrices)) * 2**7 / math.factorial(7)
    assert abs(sizes.mean() - float(LinfCrystal(7).volume)) <= 5 * sizes.std() / math.sqrt(len(sizes))


@pytest.mark.parametrize("dim", [5, 7])
def test_random_shadows(dim):
    """Monte Carlo beside exact sums (d = 5), ratios of exact volumes, and (d/2)|c| along sign vectors."""
    crystal = LinfCrystal(dim, 1.3)
    rows = np.stack([np.ones(dim), 2 * np.eye(dim)[1], np.arange(1.0, dim + 1)])
    value, error = crystal._random_shadow(rows, seed=3)
    exact = crystal.relative_shadow(rows)
    assert (np.abs(value - exact.value) <= error + exact.error + 1e-12).all() and (error < 0.1 * value).all()
    assert float(exact.value[0]) == pytest.approx(dim / 2 / 1.3, rel=1e-12)
    ratio = math.exp(float(LinfCrystal(dim - 1).log_volume) - float(LinfCrystal(dim).log_volume))
    assert float(crystal.relative_shadow(rows[1])) == pytest.approx(2 * ratio / 1.3, rel=1e-12)


@pytest.mark.slow
def test_high_dimensional_shadows_are_nearly_round():
    v = np.random.default_rng(0).normal(size=(2, 60))
    shadow = LinfCrystal(60).relative_shadow(v)
    np.testing.assert_allclose(shadow, math.sqrt(60) / 2 * np.linalg.norm(v, axis=1), rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [3, 5])
def test_ways_of_sampling_agree_with_the_polytope(dim):
    """E‖X‖² of the explicit polytope is exact; five standard errors."""
    crystal, exact = LinfCrystal(dim), explicit(LinfCrystal(dim)).mean_square
    rng = np.random.default_rng(0)
    n = 200
    boundary = np.array([_by_chain(dim, rng) for _ in range(n)])
    assert (
        np.median(np.abs(crystal.gauge(boundary).value - 1)) < 1e-2
    )  # the chain is for d > 22, its gauge too
    samples = {
        "tiling": crystal.sample(2000, seed=1),
        "rejection": np.array([_by_rejection(dim, rng) for _ in range(n)]),
        "chain": boundary * rng.uniform(size=(n, 1)) ** (1 / dim),
        "walk": hit_and_run(crystal, 2000, seed=2).points,
    }
    for name, x in samples.items():
        squares = (x**2).sum(axis=1)
        slack = 0.02 * exact if name == "chain" else 0.0
        assert abs(squares.mean() - exact) <= 6 * squares.std() / math.sqrt(len(x)) + slack, name
        assert name == "chain" or crystal.contains(x * (1 - 1e-6)).all(), name


@pytest.mark.slow
@pytest.mark.parametrize("dim", [7, 12, 100])
def test_samples_are_uniform_along_rays(dim):
    crystal = LinfCrystal(dim, 2.0)
    x = crystal.sample(60, seed=0)
    assert kstest(crystal.gauge(x).value ** dim, "uniform").pvalue > 1e-6
    assert np.array_equal(crystal.sample(2, seed=5), crystal.sample(2, seed=5))


@pytest.mark.parametrize("dim", [24, 200])
def test_quick_gauge(dim):
    x = np.random.default_rng(0).normal(size=dim)
    assert quick_gauge(x) == pytest.approx(float(LinfCrystal(dim).gauge(x)), rel=1e-5)


@pytest.mark.parametrize("body", [Box(np.array([1.0, 2, 0.5])), Ball(6), LinfCrystal(4)])
def test_hit_and_run(body):
    walk = hit_and_run(body, 4000, seed=0)
    assert walk.points.shape == (4000, body.dim) and body.contains(walk.points * (1 - 1e-9)).all()
    assert (walk.split_rhat < 1.05).all() and (walk.effective_size > 1000).all()
    assert kstest(body.gauge(walk.points).value ** body.dim, "uniform").pvalue > 1e-7
    np.testing.assert_array_equal(walk.points, hit_and_run(body, 4000, seed=0).points)


def test_chords_end_where_quadratics_say():
    rng = np.random.default_rng(0)
    x, theta = 0.5 * rng.uniform(-1, 1, size=(30, 3)), rng.normal(size=(30, 3))
    a, b, c = (theta**2).sum(axis=1), (x * theta).sum(axis=1), (x**2).sum(axis=1) - 1
    np.testing.assert_allclose(chord_end(Ball(3), x, theta), (np.sqrt(b * b - a * c) - b) / a, rtol=1e-10)
    box = np.where(theta > 0, (1 - x) / theta, (-1 - x) / theta).min(axis=1)
    np.testing.assert_allclose(chord_end(Box(np.ones(3)), x, theta), box, rtol=1e-10)


def test_diagnostics():
    """Independent draws, an autoregression with effective share (1-ρ)/(1+ρ), chains that never meet."""
    noise = np.random.default_rng(0).normal(size=(2000, 20, 1))
    assert split_rhat(noise)[0] == pytest.approx(1, abs=2e-3)
    assert effective_size(noise)[0] == pytest.approx(40_000, rel=0.1)
    slow = noise.copy()
    for t in range(1, len(slow)):
        slow[t] = 0.8 * slow[t - 1] + 0.6 * noise[t]
    assert effective_size(slow)[0] == pytest.approx(40_000 * 0.2 / 1.8, rel=0.1)
    assert split_rhat(noise + np.arange(20)[:, None])[0] > 3


def test_errors():
    with pytest.raises(InputError, match="dim must be"):
        LinfCrystal(0)
    with pytest.raises(InputError, match="size"):
        LinfCrystal(3, -1.0)
    with pytest.raises(InputError, match="convex"):
        hit_and_run(LpBall(3, 0.5), 10, seed=0)
    with pytest.raises(InputError, match="at least 4 draws"):
        hit_and_run(Ball(2), 64, seed=0)
