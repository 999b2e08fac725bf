"""The ceiling against brute force, fifty digits and real schemes, which never exceed it."""

import math
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm as normal

from cotype.ceiling import NOTHING, SIGNS, TRIANGLE, ceiling, lp_epsilon
from cotype.schemes import gaussian, random_cuts, schemes, sign_cuts
from cotype.spectrum import WEIGHTS
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp
from geometry.polytope_norm import PolytopeNorm

DIMS = [64, 3072, 150_528]
EXPONENTS = [2, 3, 4, 8, math.inf]


def excluded(load, defect):
    """Whether δ/ℓ = ``defect`` is below c(load), with fifty digits, at a thousand x."""
    with mpmath.workdps(50):
        a = mpmath.mpf(load.numerator) / load.denominator
        share = mpmath.mpf(defect.numerator) / defect.denominator
        nodes = [mpmath.pi / 2 * i / 1000 for i in range(1, 1001)]
        cover = [1 - mpmath.exp(-a * x * x / 2) for x in nodes]
        for weights in WEIGHTS:
            h = [sum(w * mpmath.sin(r * x) ** 2 for r, w in enumerate(weights, 1)) for x in nodes]
            c = min(up / (2 * down) for up, down in zip(cover, h, strict=True))
            if share < min(c, a / (4 * sum(w * r * r for r, w in enumerate(weights, 1)))):
                return True
        return False


# -- lp ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("dim", DIMS)
def test_the_witness_excludes_what_is_above(p, dim):
    """m, n, k as returned contradict (ε', s, ℓ)-usefulness for every ε' above ε, in exact and fifty-digit numbers."""
    s, ell = Fraction(1, 100), Fraction(38, 100)
    found = ceiling(lp(p), dim, float(s), float(ell))
    tau = 2 * s / (1 + 2 * s)
    if found.method == TRIANGLE:
        assert found.m * tau < ell and Fraction(found.epsilon) * found.m >= 1
        return
    assert found.n <= dim and excluded(Fraction(found.n, found.k**2), found.m * tau / ell)
    length = found.n ** (1 / p) / (2 * found.k)  # of S, whatever the signs
    assert found.m * found.epsilon >= length


@pytest.mark.parametrize("p", [1.5, 3, math.inf])
@pytest.mark.parametrize("s", [0.003, 0.02])
def test_plain_formula_by_brute_force(p, s):
    """min over all n and m of (1/m) n^{1/p} / (2(⌈√(n/2L)⌉ - 1)), L = log(1 / (1 - 2mτ/ℓ)), every n one by one."""
    dim, ell, tau = 80, 0.4, 2 * s / (1 + 2 * s)
    best = math.inf
    for m in range(1, math.ceil(ell / (2 * tau))):
        load = 2 * math.log(1 / (1 - 2 * m * tau / ell))
        for n in range(1, dim + 1):
            k = math.ceil(math.sqrt(n / load)) - 1
            if k >= 1:
                best = min(best, n ** (1 / p) / (2 * k * m))
    m = np.arange(1, math.ceil(ell / (2 * tau)))
    assert lp_epsilon(p, dim, m, m * tau / ell, plain=True).min() == pytest.approx(best, rel=1e-12)


def test_constants_for_small_s():
    """ε ≈ K (s/ℓ) d^{1/p-1/2}: K = 4.43 by the plain inequality, 2 · 1.581 = 3.16 by ours (an LP in test_steps)."""
    y = np.linspace(0.5, 2.5, 200_001)
    plain = 4 / (np.sqrt(2) * ((1 - np.exp(-y)) / np.sqrt(y)).max())
    assert plain == pytest.approx(4.43, abs=0.005)
    s, ell, dim = 1e-6, 0.5, 2**20
    scale = (s / ell) * dim**-0.5
    assert ceiling(Linf(), dim, s, ell, plain=True).epsilon == pytest.approx(plain * scale, rel=5e-3)
    assert ceiling(Linf(), dim, s, ell).epsilon == pytest.approx(3.162 * scale, rel=5e-3)
    assert ceiling(Linf(), dim, s, ell, even=True).epsilon == pytest.approx(1.581 * scale, rel=5e-3)


@pytest.mark.parametrize("p", EXPONENTS)
def test_exponents_in_the_dimension(p):
    """1/p - 1/2: to 1e-3 over d = 2^10..2^20 at small s. Over all of 2^4..2^20 the whole numbers m and k tilt the
    line by up to 3e-3, or 5e-3 where s/ℓ = 0.03 leaves few m; a Gaussian has no such steps."""
    dims = np.array([2**e for e in range(4, 21)])

    def slope(values, dims):
        return np.polyfit(np.log(dims), np.log(values), 1)[0]

    gauss = [gaussian(lp(p), int(d), 0.01, 0.38)[1] for d in dims]
    assert slope(gauss, dims) == pytest.approx(1 / p - 0.5, abs=1e-9)
    top = np.array([ceiling(lp(p), int(d), 1e-5, 0.38).epsilon for d in dims])
    assert slope(top[6:], dims[6:]) == pytest.approx(1 / p - 0.5, abs=1e-3)
    assert slope(top, dims) == pytest.approx(1 / p - 0.5, abs=3e-3)
    coarse = [ceiling(lp(p), int(d), 0.01, 0.38).epsilon for d in dims]
    assert slope(coarse, dims) == pytest.approx(1 / p - 0.5, abs=5e-3)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("s", [0.01, 0.001])
def test_factors_between_ceiling_and_gaussian(dim, s):
    """The plain theorem leaves 4.4 to 5.3 for p ≥ 4; ours 3.2 to 3.5, and half of that for even noise."""
    for p in EXPONENTS:
        reached = gaussian(lp(p), dim, s, 0.38)[1]
        ratio = {
            name: ceiling(lp(p), dim, s, 0.38, **kind).epsilon / reached
            for name, kind in (("any", {}), ("plain", {"plain": True}), ("even", {"even": True}))
        }
        if p >= 4:
            assert 4.4 < ratio["plain"] < 5.3 and 3.2 < ratio["any"] < 3.5 and 1.6 < ratio["even"] < 1.8
        if p == 2:
            assert 2 < ratio["any"] < 3.4 and 1 < ratio["even"] < 1.1


@given(st.sampled_from(EXPONENTS), st.integers(1, 3000), st.floats(1e-4, 0.2), st.floats(0.02, 0.99))
def test_monotone(p, dim, s, ell):
    here = ceiling(lp(p), dim, s, ell).epsilon
    assert ceiling(lp(p), dim + dim // 3, s, ell).epsilon <= here
    assert ceiling(lp(p), dim, s, ell, even=True).epsilon <= here
    assert here <= ceiling(lp(p), dim, s, ell, plain=True).epsilon * (1 + 1e-9)
    assert ceiling(lp(p), dim, s, min(1.0, 1.5 * ell)).epsilon <= here * (1 + 1e-9)


@given(
    st.sampled_from([1, 1.5, *EXPONENTS]), st.integers(1, 200_000), st.floats(1e-5, 0.49), st.floats(1e-3, 1)
)
def test_no_scheme_exceeds_the_ceiling(p, dim, s, ell):
    top = ceiling(lp(p), dim, s, ell, even=True).epsilon
    for scheme in schemes(lp(p), dim, s, ell):
        assert scheme.epsilon <= top, scheme.name


def test_when_nothing_is_excluded():
    found = ceiling(Linf(), 100, 0.2, 0.2)
    assert found.method == NOTHING and math.isinf(found.epsilon)
    top = ceiling(
        L2(), 100, 0.01, 1.0
    ).epsilon  # ℓ/τ = 51: fifty steps do not reach ℓ, and 1/50 is rounded up
    assert 1 <= Fraction(top) * 50 < 1 + 1e-15


# -- other norms --------------------------------------------------------------------------------------------------


class Weighted:
    """max w_i |x_i|, which is ℓ∞ in other units."""

    def __init__(self, weights):
        self.weights = np.asarray(weights)

    def value(self, x):
        return np.abs(np.asarray(x) * self.weights).max(axis=-1)


class Mixed:
    """ℓ∞ of blocks of 2 in ℓ2."""

    def value(self, x):
        x = np.asarray(x, dtype=float)
        return np.linalg.norm(x.reshape(*x.shape[:-1], -1, 2), axis=-1).max(axis=-1)


@pytest.mark.parametrize("dim", [3, 8, 50])
def test_weights_change_nothing(dim):
    norm = Weighted(np.geomspace(0.1, 7, dim))
    for s in (0.01, 0.001):
        mine = ceiling(norm, dim, s, 0.5, unconditional=True).epsilon
        assert mine == pytest.approx(ceiling(Linf(), dim, s, 0.5).epsilon, rel=0.06)  # n is sparser there
        assert mine >= ceiling(Linf(), dim, s, 0.5).epsilon * (1 - 1e-9)


def test_mixed_norm_lies_between():
    """Blocks of two: at least ℓ∞ of the first coordinates, d/2 of them; at most √2 harder than ℓ∞^d."""
    vectors = np.eye(16)[::2]
    found = ceiling(Mixed(), 16, 0.001, 0.5, vectors=vectors)
    assert found.epsilon == pytest.approx(ceiling(Linf(), 8, 0.001, 0.5).epsilon, rel=1e-9)
    assert found.epsilon >= ceiling(Linf(), 16, 0.001, 0.5).epsilon


@pytest.mark.parametrize("dim", [2, 4])
@pytest.mark.parametrize("name", ["cube", "cross"])
def test_polytope_norms_are_what_they_are(name, dim):
    """The ball's vertices say no less than the name: axes are among the frames that are tried."""
    norm = Linf() if name == "cube" else L1()
    by_file = PolytopeNorm(norm.vertices(dim))
    assert ceiling(by_file, dim, 0.002, 0.5).epsilon <= ceiling(norm, dim, 0.002, 0.5).epsilon * (1 + 1e-9)


def test_a_scheme_is_below_the_ceiling_of_any_polytope():
    rng = np.random.default_rng(0)
    for _ in range(4):
        norm = PolytopeNorm(rng.standard_normal((9, 4)))
        for s, ell in ((0.003, 0.3), (0.02, 0.8)):
            top = ceiling(norm, 4, s, ell, even=True).epsilon
            assert all(scheme.epsilon <= top for scheme in schemes(norm, 4, s, ell))


@pytest.mark.parametrize("p", [8, math.inf])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_any_vectors_by_enumeration(p, seed):
    """Above the ceiling the theorem is violated, with π counted over all signs: some of these sums are long."""
    rng = np.random.default_rng(seed)
    x = np.eye(14) + 0.04 * rng.standard_normal((14, 14))
    s, ell, norm = 0.001, 0.6, lp(p)
    found = ceiling(norm, 14, s, ell, vectors=x)
    assert found.method == SIGNS
    scale = float(found.vectors.rpartition("times ")[2])
    y = x[: found.n] * scale * (1 + 1e-5)  # it was printed with six digits
    sums = norm.value(np.array(list(product([-1, 1], repeat=found.n))) @ y)
    pi = (sums >= found.m * found.epsilon * (1 + 2e-5)).mean()
    assert pi < 0.2
    tau = 2 * s / (1 + 2 * s)
    load = sum(Fraction(1, math.ceil(1 / (2 * v)) ** 2) for v in norm.value(y))
    delta = 1 - (1 - found.m * tau) * (1 - pi)
    assert excluded(load, Fraction(delta) / Fraction(ell))


def test_bad_input():
    with pytest.raises(InputError, match="accuracy must be in"):
        ceiling(L2(), 4, 0.01, 1.5)
    with pytest.raises(InputError, match="s must be"):
        ceiling(L2(), 4, float("nan"), 0.5)
    with pytest.raises(InputError, match="dim must be at least 1"):
        ceiling(L2(), 0, 0.01, 0.5)
    with pytest.raises(InputError, match="non-zero rows of 4"):
        ceiling(L2(), 4, 0.01, 0.5, vectors=np.ones((2, 3)))
    with pytest.raises(InputError, match="at most 18 vectors"):
        ceiling(Mixed(), 20, 0.01, 0.5, vectors=np.eye(20))
    with pytest.raises(InputError, match="vectors must be given beyond dim 18"):
        ceiling(Mixed(), 20, 0.01, 0.5)


# -- schemes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, math.inf])
def test_gaussian_scheme_is_useful_as_it_says(p):
    """ℓ at the shortest shift of norm 1 and s at the longest of norm ε, by SciPy's normal law, over random shifts."""
    dim, s, ell = 7, 0.03, 0.6
    sigma, epsilon = gaussian(lp(p), dim, s, ell)
    rng = np.random.default_rng(0)
    shifts = np.concatenate([rng.standard_normal((4000, dim)), np.eye(dim), np.ones((1, dim))])
    shifts /= lp(p).value(shifts)[:, None]
    lengths = np.linalg.norm(shifts, axis=1)
    assert (2 * normal.cdf(lengths / (2 * sigma)) - 1).min() == pytest.approx(ell, rel=1e-12)
    assert (normal.cdf(epsilon * lengths / sigma) - 0.5).max() == pytest.approx(s, rel=1e-12)


def test_cuts_against_l1_are_independent():
    """Axis-parallel cuts with intensity c on each axis: x and y are together with probability ∏ exp(-c|v_i|)."""
    s, ell = 0.02, 0.4
    c = math.log(1 / (1 - ell))  # at ‖v‖_1 = 1
    assert 1 - math.exp(-c * random_cuts(L1(), 5, s, ell)) == pytest.approx(s, rel=1e-12)
    assert random_cuts(lp(1.7), 9, s, ell) == random_cuts(L2(), 2, s, ell) == random_cuts(L1(), 5, s, ell)


@pytest.mark.parametrize("dim", [1, 2, 3, 10, 101])
def test_sign_cuts_with_exact_integers(dim):
    """E|σ_1 + … + σ_d| as a fraction; no v with ‖v‖∞ = 1 is harder to tell apart than e_1 (d ≤ 10)."""
    mean = sum(Fraction(math.comb(dim, k) * abs(dim - 2 * k), 2**dim) for k in range(dim + 1))
    s, ell = 0.01, 0.3
    assert sign_cuts(dim, s, ell) == pytest.approx(
        math.log(1 / 0.99) / math.log(1 / 0.7) / float(mean), rel=1e-12
    )
    if dim <= 10:
        signs = np.array(list(product([-1, 1], repeat=dim)))
        v = np.random.default_rng(0).uniform(-1, 1, (500, dim))
        v /= np.abs(v).max(axis=1)[:, None]
        rate = np.abs(v @ signs.T).mean(axis=1)
        assert rate.min() >= 1 - 1e-12 and rate.max() <= float(mean) + 1e-12


def test_the_gaussian_is_not_optimal_against_linf():
    """Sign cuts reach 1.25 times as far when s and ℓ are small: √(π/2)."""
    s, ell, dim = 1e-6, 1e-3, 100_001
    assert sign_cuts(dim, s, ell) / gaussian(Linf(), dim, s, ell)[1] == pytest.approx(
        math.sqrt(math.pi / 2), rel=1e-3
    )


def test_one_sided_noise_needs_the_higher_ceiling():
    """Exp(1)/λ on a line, moved by ε, has ε = λ log(1+2s) and ℓ = 1 - exp(-1/λ): above what even noise can do."""
    s, ell = 0.01, 0.38
    reached = math.log(1 + 2 * s) / math.log(1 / (1 - ell))
    assert ceiling(L1(), 1, s, ell, even=True).epsilon < reached < ceiling(L1(), 1, s, ell).epsilon
