"""Formulas and numbers of crystals, Φ and E|<σ,u>|, each against another way to them; the tables themselves are in
test_zonotopes, test_linf_crystal and test_phi. Expected: exact integers and fractions, closed forms, plain sums.
"""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from geometry.bodies import Ball, CrossPolytope, LinfCrystal, LpBall, Zonotope, cube, ellipsoid
from geometry.crystal_facts import combinatorics, radii
from geometry.isoperimetry import lower_bound, phi
from geometry.norms import L1, L2, Linf
from geometry.rademacher import average_and_gradient, rademacher_average, rademacher_gradient

# By Normaliz and PPL: d to (Σ|det| over d-subsets, f-vector).
CRYSTAL = {
    2: (2, (4, 4)),
    3: (16, (14, 24, 12)),
    4: (480, (104, 256, 192, 40)),
    5: (53760, (1882, 5920, 6080, 2320, 280)),
    6: (22487040, None),
}
# The least Φ against linf at volume 1, ten decimals; by exact integers.
LEAST = {2: 1.4142135624, 3: 1.8898815748, 4: 2.3403473193, 5: 2.7602084031, 6: 3.1500926023}
# Φ at volume 1 in dimensions 2 to 5, eight decimals; by exact integers and Qhull.
BALL_L2 = (1.12837917, 1.20899397, 1.26513333, 1.30686573)
BALL_LINF = (1.59576912, 2.09403897, 2.53026666, 2.92224062)
CROSS_L1 = (1.41421356, 1.65096362, 1.80720401, 1.91925975)
CROSS_LINF = (1.41421356, 2.47644544, 2.71080601, 3.59861203)
CRYSTAL_L1 = (1.41421356, 1.25992105, 1.24818524, 1.26180956)
DIMS = (2, 3, 4, 5)


def volume(dim):
    """Vol(W_d), exactly; W_1 = [-1, 1]."""
    total = CRYSTAL[dim][0] if dim > 1 else 1
    return Fraction(2**dim * total, 2 ** (dim * (dim - 1)))


def kappa(dim):
    return math.pi ** (dim / 2) / math.gamma(dim / 2 + 1)


def walk(dim):
    """E|S_d| = d 2^{1-d} C(d-1, ⌊(d-1)/2⌋)."""
    return Fraction(dim * math.comb(dim - 1, (dim - 1) // 2), 2 ** (dim - 1))


def mean_of_signs(u):
    """E|<σ,u>| over all signs."""
    signs = np.array(list(product((1.0, -1.0), repeat=np.shape(u)[-1])))
    return np.abs(u @ signs.T).mean(axis=-1)


class TestCrystal:
    @pytest.mark.parametrize("dim", CRYSTAL)
    def test_least_phi_by_the_mean_determinant(self, dim):
        """(d/2) Vol^{1/d} = d (E|det M| / d!)^{1/d}."""
        mean = Fraction(CRYSTAL[dim][0] * math.factorial(dim), 2 ** (dim * (dim - 1)))
        least = dim * float(mean / math.factorial(dim)) ** (1 / dim)
        assert least == pytest.approx(LEAST[dim], abs=6e-11)
        assert float(lower_bound(Linf(), dim)) == pytest.approx(least, rel=1e-14)
        assert float(phi(LinfCrystal(dim), Linf()).value) == pytest.approx(least, rel=1e-14)

    @pytest.mark.parametrize("dim", [2, 3, 4, 5])
    def test_facts(self, dim):
        facts, counts = combinatorics(LinfCrystal(dim), Linf()), CRYSTAL[dim][1]
        assert tuple(facts["f_vector"]) == counts
        assert (facts["vertices"], facts["facets"]) == (counts[0], counts[-1])
        assert radii(LinfCrystal(dim), Linf()) == {
            "inradius": pytest.approx(math.sqrt(0.5), rel=1e-15),
            "circumradius": 1.0,
        }

    @pytest.mark.parametrize("dim", [2, 3, 9, 30, 3072])
    def test_both_bounds_are_sharp(self, dim):
        """2^{-1/2} ‖u‖₂ ≤ h(u) ≤ ‖u‖₂, with equality at (1, 1, 0, …) and e₁."""
        low, high = np.zeros(dim), np.zeros(dim)
        low[:2], high[-1] = math.sqrt(0.5), 1
        assert float(rademacher_average(low)) == pytest.approx(math.sqrt(0.5), rel=1e-15)
        assert float(rademacher_average(high)) == 1

    @pytest.mark.parametrize("dim", [2, 3, 4, 5])
    def test_vertices_are_chow_vectors(self, dim):
        """Each is E[sgn(<σ,u>) σ] for u inside its normal cone, such as the sum of the normals of its facets."""
        signs = np.array([(1, *rest) for rest in product((1, -1), repeat=dim - 1)])
        body = Zonotope(signs)
        both = np.concatenate([body.facets, -body.facets])
        on = np.abs(body.vertices @ both.T - 1) < 1e-12
        assert len(body.vertices) == CRYSTAL[dim][1][0] and on.sum(axis=1).min() >= dim
        chow = rademacher_gradient(on @ both)
        np.testing.assert_array_equal(np.rint(chow * 2 ** (dim - 1)), body.vertices)


class TestShadows:
    """‖v‖₂ Vol(Π_v S) in closed form."""

    V = np.random.default_rng(0).normal(size=(8, 4))

    def test_cube(self):
        expected = 1.4**3 * np.abs(self.V).sum(axis=1)
        np.testing.assert_allclose(cube(4, 0.7).shadow(self.V), expected, rtol=1e-13)

    def test_ball(self):
        expected = kappa(3) * 1.3**3 * np.linalg.norm(self.V, axis=1)
        np.testing.assert_allclose(Ball(4, 1.3).shadow(self.V), expected, rtol=1e-13)

    def test_cross_polytope(self):
        expected = 1.8**3 / 6 * mean_of_signs(self.V)
        np.testing.assert_allclose(CrossPolytope(4, 0.9).shadow(self.V), expected, rtol=1e-13)

    def test_ellipsoid(self):
        """A B₂: κ_{d-1} |det A| ‖A⁻¹ v‖₂, A no symmetric matrix."""
        matrix = np.eye(4) + 0.3 * np.eye(4, k=1) - 0.2 * np.eye(4, k=-2)
        moved = np.linalg.solve(matrix, self.V.T)
        expected = kappa(3) * np.linalg.det(matrix) * np.linalg.norm(moved, axis=0)
        np.testing.assert_allclose(ellipsoid(matrix).shadow(self.V), expected, rtol=1e-12)

    @pytest.mark.parametrize("q", [1.0001, 1.5, 3.0])
    def test_lq_ball(self, q):
        """vol(B_q^{d-1}) Γ(1/q) E|Σ v_i X_i|, |X_i| = G^{(q-1)/q}, G ~ Gamma(1/q), random signs (literature).

        Along e_1 the expectation is 1/Γ(1/q); elsewhere 400 000 draws, five standard errors of them.
        """
        below = (2 * math.gamma(1 + 1 / q)) ** 3 / math.gamma(1 + 3 / q)
        body = LpBall(4, q)
        along = body.shadow(np.eye(4)[0])
        assert abs(float(along) - below) <= along.error + 1e-12
        rng = np.random.default_rng(1)
        x = rng.gamma(1 / q, size=(400_000, 4)) ** ((q - 1) / q) * rng.choice([-1, 1], (400_000, 4))
        terms = below * math.gamma(1 / q) * np.abs(x @ self.V.T)
        found, error = body.shadow(self.V), 5 * terms.std(axis=0) / math.sqrt(len(x))
        assert (np.abs(found.value - terms.mean(axis=0)) <= found.error + error).all()


class TestPhi:
    @pytest.mark.parametrize("dim", [*DIMS, 7, 20, 60])
    def test_closed_forms(self, dim):
        """At volume 1: cube 1, √d, d; ball κ_{d-1} κ_d^{-(d-1)/d}, times √d against linf; cross-polytope likewise with
        (2^{d-1}/(d-1)!) (2^d/d!)^{-(d-1)/d}, times E|S_d| against linf."""
        power = (dim - 1) / dim
        ball = kappa(dim - 1) / kappa(dim) ** power
        cross = 2 ** (dim - 1) / math.factorial(dim - 1) / (2**dim / math.factorial(dim)) ** power
        expected = {
            (cube, L1): 1,
            (cube, L2): math.sqrt(dim),
            (cube, Linf): dim,
            (Ball, L1): ball,
            (Ball, L2): ball,
            (Ball, Linf): ball * math.sqrt(dim),
            (CrossPolytope, L1): cross,
            (CrossPolytope, L2): cross,
            (CrossPolytope, Linf): cross * float(walk(dim)),
        }
        for (body, norm), value in expected.items():
            assert float(phi(body(dim), norm()).value) == pytest.approx(value, rel=1e-12), (body, norm)
        if dim in DIMS:
            place = dim - 2
            for (body, norm), row in {
                (Ball, L2): BALL_L2,
                (Ball, Linf): BALL_LINF,
                (CrossPolytope, L1): CROSS_L1,
                (CrossPolytope, Linf): CROSS_LINF,
            }.items():
                assert expected[body, norm] == pytest.approx(row[place], abs=6e-9)

    @pytest.mark.parametrize("dim", [2, 3, 4, 5, 6])
    def test_the_crystal_against_l1(self, dim):
        """Vol(W_{d-1}) Vol(W_d)^{-(d-1)/d}: its coordinate shadows are crystals."""
        expected = float(volume(dim - 1)) / float(volume(dim)) ** ((dim - 1) / dim)
        assert float(phi(LinfCrystal(dim), L1()).value) == pytest.approx(expected, rel=1e-12)
        if dim in DIMS:
            assert expected == pytest.approx(CRYSTAL_L1[dim - 2], abs=6e-9)


def series(u, half, last):
    """L/2 - (4L/π²) Σ_{k odd ≤ K} k⁻² Π cos(kπ u_i/L), as it is written."""
    k = np.arange(1, last + 1, 2)
    products = np.cos(np.multiply.outer(k * math.pi / half, u)).prod(axis=1)
    return half / 2 - 4 * half / math.pi**2 * float((products / k**2).sum())


class TestRademacherAverage:
    @pytest.mark.parametrize("dim", range(1, 80))
    def test_walk(self, dim):
        """E|S_d| by the binomial law."""
        law = sum(math.comb(dim, k) * abs(dim - 2 * k) for k in range(dim + 1))
        assert walk(dim) == Fraction(law, 2**dim)
        assert float(rademacher_average(np.ones(dim))) == pytest.approx(float(walk(dim)), rel=3e-14)

    @pytest.mark.parametrize("seed", range(5))
    def test_cosine_series(self, seed):
        """For ‖u‖₂ = 1 the series falls short of h(u) by at most (4/L) e^{-L²/2}: some 5e-15 at L = 8, K = 32."""
        u = np.random.default_rng(seed).normal(size=100)
        u /= np.linalg.norm(u)
        h = float(rademacher_average(u))
        for half in (2, 3, 4, 5, 6, 8):
            missing = h - series(u, half, 4 * half)
            assert -3e-15 <= missing <= 4 / half * math.exp(-(half**2) / 2) + 3e-15
        assert h - series(u, 2, 8) > 1e-3  # the bound says something
        assert abs(h - series(u, 8, 32)) <= 8e-15

    def test_arithmetic_vectors_need_the_lattice(self):
        """For u = (1, …, 1)/√d the product comes back to 1, and so short a series is wrong; E|S_d| is not."""
        u = np.full(100, 0.1)
        exact = float(walk(100)) / 10
        assert abs(series(u, 8, 32) - exact) > 1e-4
        assert float(rademacher_average(u)) == pytest.approx(exact, rel=1e-14)

    def test_gradient_by_leaving_one_out(self):
        """(4/π) Σ_{k odd} k⁻¹ sin(kπ u_i/L) Π_{j≠i} cos(kπ u_j/L)."""
        u = np.random.default_rng(3).normal(size=100)
        u /= np.linalg.norm(u)
        k = np.arange(1, 33, 2)[:, None]
        angles = k * math.pi * u / 8
        others = np.stack([np.delete(np.cos(angles), i, axis=1).prod(axis=1) for i in range(100)], axis=1)
        expected = 4 / math.pi * (np.sin(angles) * others / k).sum(axis=0)
        np.testing.assert_allclose(average_and_gradient(u)[1], expected, rtol=0, atol=5e-14)

    @pytest.mark.parametrize("dim", [2, 3, 5, 6, 9, 14, 41, 784])
    def test_gauge_of_axes_and_diagonals(self, dim):
        gauge = LinfCrystal(dim).gauge([np.eye(dim)[0], np.ones(dim)])
        np.testing.assert_allclose(gauge, [1, float(dim / walk(dim))], rtol=1e-12)
