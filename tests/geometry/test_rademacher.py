"""E|<σ,u>| against exact fractions, big-integer laws, fifty digits, binomial and Normal closed forms."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from geometry import cosine_series
from geometry.cosine_series import Proof
from geometry.errors import InputError
from geometry.norms import Linf
from geometry.rademacher import average_and_gradient, rademacher_average, rademacher_gradient


def by_fractions(u):
    """Over all signs, exactly."""
    sums = [Fraction(0)]
    for x in map(Fraction, u):
        sums = [s + t for s in sums for t in (x, -x)]
    return sum(map(abs, sums)) / len(sums)


def by_integers(m):
    """From the law of <σ,m> in big integers."""
    law = np.array([1], dtype=object)
    for x in map(int, m):
        wider = np.zeros(len(law) + 2 * x, dtype=object)
        wider[: len(law)] += law
        wider[2 * x :] += law
        law = wider
    n = int(np.sum(m))
    return Fraction(sum(abs(i - n) * int(c) for i, c in enumerate(law)), 2 ** len(m))


def signs_walk(dim):
    """E|S_d| = d 2^{1-d} C(d-1, ⌊(d-1)/2⌋)."""
    with mpmath.workdps(50):
        return float(dim * mpmath.mpf(2) ** (1 - dim) * mpmath.binomial(dim - 1, (dim - 1) // 2))


def within(estimate, exact, relative=1e-12):
    """The value is as good as promised, and its error covers what is missing (plus the last place)."""
    missing = abs(Fraction(float(estimate.value)) - Fraction(exact))
    assert missing <= Fraction(float(estimate.error)) + Fraction(exact) / 2**52
    assert estimate.error <= relative * estimate.value + 5e-324


SPECIAL = {
    "zeros": [0.0, 0, 3, -4],
    "zero": [0.0] * 12,
    "ties": [1.0, -1, 1, 1, 2, 2, -4, 0, 0, 3, 3],
    "tenths": [0.1, 0.2, 0.3] * 4,
    "huge": [1e9, *np.linspace(-1, 1, 11)],
    "tiny": [5e-324, 0, 5e-324, 1e-323],
    "subnormal": [1e-310 * k for k in range(1, 13)],
    "mixed scales": [1e-150, 1e150, -3e149, 1e-310, 1, 2e149, 1e100, 1e149, 0, 0, 0, 7e148],
    "one": [-2.5],
    "powers": [2.0**-k for k in range(14)],
}


@pytest.mark.parametrize("name", SPECIAL)
def test_exact_fractions(name):
    u = np.array(SPECIAL[name])
    exact = by_fractions(SPECIAL[name])
    within(rademacher_average(u), exact)
    np.testing.assert_allclose(
        rademacher_gradient(u) @ (u / 2.0**500), float(exact / 2**500), rtol=1e-12, atol=5e-324
    )


@pytest.mark.parametrize("dim", [1, 2, 5, 10, 11, 12, 15])
def test_random_vectors_by_fractions(dim):
    u = np.random.default_rng(dim).normal(size=dim)
    within(rademacher_average(u), by_fractions(u))


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150, 5e-324])
def test_scales(scale):
    u = np.arange(1, 31) * scale
    within(rademacher_average(u), by_integers(np.arange(1, 31)) * Fraction(scale))


@pytest.mark.parametrize("dim", [*range(1, 60), 100, 101, 784, 3072, 10_001, 150_528])
def test_all_ones(dim):
    for unit in (1.0, 0.3):
        average, gradient = average_and_gradient(np.full(dim, unit))
        assert float(average) == pytest.approx(unit * signs_walk(dim), rel=3e-14)
        assert average.error <= 1e-12 * average.value
        np.testing.assert_allclose(gradient, signs_walk(dim) / dim, rtol=1e-12)


@pytest.mark.parametrize(
    ("dim", "high", "proof"), [(60, 500, 1e-12), (100, 300, 1e-12), (300, 9, 1e-12), (45, 1000, 1e-12)]
)
def test_integers(dim, high, proof):
    m = np.random.default_rng(dim).integers(0, high, size=dim)
    exact = by_integers(m)
    within(rademacher_average(m), exact, proof)
    within(rademacher_average(m * 2.0**-300), exact / 2**300, proof)
    # multiples of 0.1 as floats have them: the same to the last places
    assert float(rademacher_average(0.1 * m)) == pytest.approx(float(exact) / 10, rel=1e-14)
    # near the lattice the error is larger, but holds: h is 1-Lipschitz in ‖·‖₂
    for size in (1e-11, 1e-8, 1e-6):
        off = m + size * np.random.default_rng(1).normal(size=dim) * (m > 0)
        average = rademacher_average(off)
        assert abs(average.value - float(exact)) <= average.error + np.linalg.norm(off - m)
        assert size > 1e-11 or average.error <= 1e-11 * average.value


def test_two_incommensurable_magnitudes():
    """1000 times 1 and 1000 times π: two binomials."""
    u = np.r_[np.ones(1000), np.full(1000, math.pi)]
    sums = 2.0 * np.arange(1001) - 1000
    law = binom.pmf(np.arange(1001), 1000, 0.5)
    exact = law @ np.abs(sums[:, None] + math.pi * sums) @ law
    assert float(rademacher_average(u)) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("dim", [41, 100, 400])
def test_fifty_digits(dim):
    """E|X| = (2/π) ∫ (1 - Π cos(t u_i)) / t² dt: beyond t = 60 the product is below 1e-16 at these u."""
    u = np.random.default_rng(dim).normal(size=dim)
    u /= np.linalg.norm(u)
    t, w = np.polynomial.legendre.leggauss(40)
    with mpmath.workdps(30):
        total = mpmath.mpf(2) / 60
        for piece in range(30):
            for x, weight in zip(2 * piece + 1 + t, w, strict=True):
                product = mpmath.mpf(float(np.prod(np.cos(x * u.astype(np.longdouble)))))
                total += float(weight) * (1 - product) / mpmath.mpf(float(x)) ** 2
        exact = float((total - mpmath.mpf(1) / 60) * 2 / mpmath.pi)
    average = rademacher_average(u)
    assert float(average) == pytest.approx(exact, rel=2e-11 if dim == 41 else 1e-12)
    assert average.error <= 5e-7


@pytest.mark.parametrize(("dim", "error"), [(1500, 2e-11), (3072, 1e-12), (150_528, 1e-12)])
def test_normal_limit_with_its_first_correction(dim, error):
    """E|X| = √(2/π) (1 + Σu⁴/12 + …), ‖u‖₂ = 1 (Edgeworth); the next terms are of order d⁻²."""
    u = np.random.default_rng(dim).normal(size=dim)
    u /= np.linalg.norm(u)
    average = rademacher_average(u)
    limit = math.sqrt(2 / math.pi) * (1 + (u**4).sum() / 12)
    assert float(average) == pytest.approx(limit, rel=10 / dim**2)
    assert average.error <= error


def test_large_coordinates_beside_many_small_ones():
    y = np.random.default_rng(0).normal(size=3072)
    size = np.abs(y).sum()
    small = float(rademacher_average(y))
    for sign in (1, -1):
        assert float(rademacher_average(np.r_[y, sign * size * 1.01])) == pytest.approx(
            size * 1.01, rel=1e-14
        )
        tied = rademacher_average(np.r_[y, size, sign * size])
        assert float(tied) == pytest.approx(size + small / 2, rel=1e-14) and tied.error <= 1e-12 * tied.value
    # E|c + Y| is even and convex in c, between |c| and its Normal value's neighbourhood
    c = np.array([0.5, 1, 2, 4]) * np.linalg.norm(y)
    found = np.array([float(rademacher_average(np.r_[y, x])) for x in c])
    ratio = c / np.linalg.norm(y)
    normal = [math.sqrt(2 / math.pi) * math.exp(-r * r / 2) + r * math.erf(r / math.sqrt(2)) for r in ratio]
    np.testing.assert_allclose(found / np.linalg.norm(y), normal, rtol=1e-3)


def test_slowly_and_quickly_falling_magnitudes():
    """2^{-k} makes a uniform law on odd multiples, with E|X| = 1 exactly; 0.9^k has no closed form but its bounds."""
    powers = rademacher_average(2.0 ** -np.arange(200))
    assert abs(powers.value - 1) <= powers.error <= 1e-12
    slow = rademacher_average(0.9 ** np.arange(200.0))
    head = by_integers(np.rint(0.9 ** np.arange(40) * 1000))
    assert abs(float(slow) - float(head) / 1000) <= 0.9**40 / math.sqrt(1 - 0.81) + 5e-4 * math.sqrt(40)


vectors = st.lists(st.floats(-1, 1), min_size=1, max_size=24).map(np.array)


@given(vectors, st.integers(-500, 500))
def test_is_a_norm_between_its_bounds(u, exponent):
    h, length = rademacher_average(u), math.hypot(*u)
    assert h.upper >= length / math.sqrt(2) * (1 - 1e-14) and h.lower <= length * (1 + 1e-14)
    np.testing.assert_array_equal(rademacher_average(-u), h)
    scaled = rademacher_average(np.ldexp(u, exponent))
    np.testing.assert_allclose(scaled, np.ldexp(h.value, exponent), rtol=1e-13, atol=1e-300)
    shuffled = np.random.default_rng(0).permutation(u)
    np.testing.assert_allclose(rademacher_average(shuffled), h, rtol=1e-13, atol=1e-300)


@given(vectors, st.integers(0, 2**32 - 1))
def test_is_convex_and_its_gradient_a_subgradient(u, seed):
    w = np.random.default_rng(seed).normal(size=len(u))
    h, slope = average_and_gradient(u)
    size = np.abs(u).sum() + np.abs(w).sum()
    assert (np.abs(slope) <= 1 + 1e-14).all()
    assert slope @ u == pytest.approx(float(h), rel=1e-12, abs=1e-300)
    assert float(rademacher_average(w)) >= slope @ w - 1e-13 * size
    middle = rademacher_average((u + w) / 2)
    assert 2 * middle.lower <= h.upper + rademacher_average(w).upper + 1e-14 * size


@pytest.mark.parametrize("dim", [30, 33, 50, 120, 1000, 3072])
def test_gradient_is_the_slope(dim):
    rng = np.random.default_rng(dim)
    u, w = rng.normal(size=(2, dim)) / math.sqrt(dim)
    slope = (float(rademacher_average(u + 1e-4 * w)) - float(rademacher_average(u - 1e-4 * w))) / 2e-4
    assert rademacher_gradient(u) @ w == pytest.approx(slope, rel=1e-5, abs=3e-6 if dim < 40 else 1e-7)
    large = np.r_[u, 0.5, -1.5]
    h, gradient = average_and_gradient(large)
    assert gradient @ large == pytest.approx(float(h), rel=1e-12)
    step = np.r_[w * 1e-4, -1e-4, 1e-4]
    slope = (float(rademacher_average(large + step)) - float(rademacher_average(large - step))) / 2
    assert gradient @ step == pytest.approx(slope, rel=1e-5, abs=1e-10)


@pytest.mark.parametrize(("dim", "vertices"), [(1, 2), (2, 4), (3, 14), (4, 104)])
def test_gradients_are_chow_vectors(dim, vertices):
    """Vertices of the crystal."""
    gradients = rademacher_gradient(np.random.default_rng(0).normal(size=(20_000, dim)))
    chow = gradients * 2 ** (dim - 1)
    assert np.array_equal(chow, np.rint(chow)) and len(np.unique(chow, axis=0)) == vertices


def test_ties_give_the_middle_of_a_face():
    np.testing.assert_allclose(rademacher_gradient([1.0, 1, 0, 0]), [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(rademacher_gradient([0.1, 0.2, 0.3] + [0.0] * 10)[:3], [0.25, 0.25, 0.75])
    assert not rademacher_gradient(np.zeros(20)).any()


def test_batches_and_kinds_of_proof_agree():
    u = np.random.default_rng(0).normal(size=(3, 2, 35))
    whole = rademacher_average(u)
    assert whole.value.shape == whole.error.shape == (3, 2)
    quick = rademacher_average(u, proof=Proof.QUICK)
    bare = rademacher_average(u, proof=Proof.NONE)
    assert (np.abs(quick.value - whole.value) <= quick.error).all()
    np.testing.assert_allclose(bare, whole, rtol=1e-9)
    assert (
        rademacher_average(np.random.default_rng(1).normal(size=60), proof=Proof.NONE).error == np.inf
    ).all()
    np.testing.assert_array_equal(whole.value[1, 1], rademacher_average(u[1, 1]))
    small = u[..., :7]
    exact = np.abs(small @ Linf().vertices(7).T).mean(axis=-1)
    np.testing.assert_allclose(rademacher_average(small), exact, rtol=1e-14)


@pytest.mark.parametrize("dim", [60, 300, 2000])
def test_what_the_series_leaves_out_is_below_its_bound(dim):
    """Σ weight |P| over 40 000 frequencies, added up."""
    y = np.sort(np.abs(np.random.default_rng(dim).normal(size=dim)))
    y /= np.linalg.norm(y)
    half, first = 8.25, 23.0
    k = first + 2 * np.arange(40_000.0 * 60 / dim)
    t = k * math.pi / half
    product = np.abs(np.cos(np.multiply.outer(t, y)).prod(axis=1))
    later = 4 / half * np.cumsum((product / t**2)[::-1])[::-1]
    for start in (0, 10, 1000):
        for cells in (0, 500):
            assert later[start] <= cosine_series._rest(y, half, first, k[start], math.inf, cells)


def test_bounds_by_differences():
    """A product of cosines is below exp(-Σ Δ²/2^{j+1}), Δ the j-fold differences modulo π."""
    y = np.sort(np.random.default_rng(0).uniform(size=64))
    for t in np.geomspace(1, 1e5, 200):
        log = np.log(np.abs(np.cos(t * y))).sum()
        for level, delta in cosine_series._differences(y):
            angle = t * delta - math.pi * np.rint(t * delta / math.pi)
            assert log <= -(angle**2).sum() / 2 ** (level + 1) + 1e-9


def test_majorant():
    """E(|V| - z)⁺ ≤ A F(z), V of density (3/8π) sinc⁴(v/4): the constant of the module's docstring, on a grid."""
    v = np.linspace(0, 2000, 2_000_001)
    density = 3 / (8 * math.pi) * np.sinc(v / 4 / math.pi) ** 4
    assert 2 * density.sum() * 1e-3 == pytest.approx(1, abs=1e-3)
    mass, moment = (np.cumsum(f[::-1])[::-1] * 1e-3 for f in (density, v * density))
    z = np.linspace(0, 100, 1001)
    index = np.searchsorted(v, z - 1e-9)
    excess = 2 * (moment[index] - z * mass[index])
    squares = [np.sinc((z + s) / 2 / math.pi) ** 2 for s in (0, math.pi, -math.pi)]
    assert (
        excess + 1e-5 * (z == 0) <= cosine_series.MAJORANT * (squares[0] + squares[1] / 2 + squares[2] / 2)
    ).all()


def test_errors():
    for wrong in (1.0, [], [math.nan, 1], [math.inf, 1]):
        with pytest.raises(InputError, match="finite"):
            rademacher_average(wrong)
