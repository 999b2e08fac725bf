"""Proven bounds of cotype constants: the table of known ones, inequalities between them, distances by other ways."""

import itertools
import math
import re
from pathlib import Path

import mpmath
import numpy as np
import pytest
from cotype_examples import HEXAGONAL, Mixed, by_definition, sequences
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from cotype.constants import cotype_bounds, khinchin, mean_walk
from cotype.distances import distance_to_l1, distance_to_l2
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp
from geometry.polytope_norm import PolytopeNorm

EXPONENTS = (1, 1.2, 1.5, 1.84, 1.85, 1.9, 1.99, 2, 2.01, 3, 4, 8, 100, math.inf)
DIMS = (1, 2, 3, 4, 5, 8, 64, 3072, 150_528)
SQRT2 = math.sqrt(2)


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("dim", DIMS)
def test_what_is_known_of_lp(p, dim):
    """C₁ = √2 for p ≤ 2; C₂ = d^{1/2-1/p} for p ≥ 2; max(√2, d^{1/2-1/p}) ≤ C₁ ≤ √2 d^{1/2-1/p}; C₂ ≤ C₁ ≤ √2 C₂."""
    first, second = (cotype_bounds(lp(p), dim, moment=moment) for moment in (1, 2))
    distance = dim ** abs(0.5 - 1 / p)
    for bounds in (first, second):
        assert bounds.lower <= bounds.upper
    assert first.lower <= second.upper * SQRT2 * (1 + 1e-14) and second.lower <= first.upper
    if p <= 2:
        assert first.lower == pytest.approx(SQRT2, rel=1e-14) == first.upper
        assert 1 <= second.lower <= second.upper <= min(SQRT2, distance) * (1 + 1e-14)
    else:
        assert second.lower == pytest.approx(distance, rel=1e-14) == second.upper
        assert first.lower == pytest.approx(max(SQRT2, distance), rel=1e-14)
        assert first.upper <= SQRT2 * distance * (1 + 1e-14)


def test_rounding_is_outwards():
    """Fifty digits lie between the bounds, where these are equal but for rounding."""
    with mpmath.workdps(50):
        for p, dim in ((3, 5), (math.inf, 7), (2.01, 150_528), (100, 3072)):
            truth = mpmath.mpf(dim) ** (mpmath.mpf(1) / 2 - 1 / mpmath.mpf(p))
            bounds = cotype_bounds(lp(p), dim, moment=2)
            assert bounds.lower < truth < bounds.upper
        bounds = cotype_bounds(L1(), 9, moment=1)
        assert bounds.lower < mpmath.sqrt(2) < bounds.upper


@pytest.mark.parametrize("moment", [1, 2])
def test_numbers_and_the_plane(moment):
    """C₁ = √2 and C₂ = 1 of numbers; ℓ∞ in the plane is ℓ1 turned: both are √2; C₁ = √2 of any norm of the plane."""
    for norm in (L1(), L2(), Linf(), lp(3), PolytopeNorm(np.eye(1) / 3), Mixed()):
        bounds = cotype_bounds(norm, 1, moment=moment)
        assert bounds.lower == pytest.approx({1: SQRT2, 2: 1}[moment], rel=1e-14) == bounds.upper
    for norm in (L1(), Linf()):
        bounds = cotype_bounds(norm, 2, moment=moment)
        assert bounds.lower == pytest.approx(SQRT2, rel=1e-14) == bounds.upper
    hexagon = PolytopeNorm(np.array([[math.cos(a), math.sin(a)] for a in (0, math.pi / 3, 2 * math.pi / 3)]))
    for norm in (hexagon, lp(5), Mixed()):
        assert cotype_bounds(norm, 2, moment=1).upper == pytest.approx(SQRT2, rel=1e-14)


def test_khinchin_constants():
    """A_1 = 1/√2 (Szarek 1976), A_2 = 1, the two branches meet where Γ((p+1)/2) = √π/2 (Haagerup 1981)."""
    assert khinchin(1) == pytest.approx(1 / SQRT2, rel=1e-15) and khinchin(2) == pytest.approx(1, rel=1e-15)
    meeting = float(mpmath.findroot(lambda p: mpmath.gamma((p + 1) / 2) - mpmath.sqrt(mpmath.pi) / 2, 1.85))
    assert meeting == pytest.approx(1.84742, abs=1e-5)
    assert khinchin(meeting) == pytest.approx(2 ** (0.5 - 1 / meeting), rel=1e-14)
    assert khinchin(meeting + 0.05) < 2 ** (0.5 - 1 / (meeting + 0.05)) * (1 - 1e-5)
    # two signs and the Gaussian limit are the worst cases: none of a few hundred vectors is worse
    rng = np.random.default_rng(0)
    signs = np.array(list(itertools.product((-1, 1), repeat=8)))
    for p in (0.7, 1.3, 1.84, 1.86, 1.95):
        u = rng.normal(size=(300, 8)) * (rng.random((300, 8)) < 0.5) + np.eye(8)[0] * 1e-3
        moments = (np.abs(signs @ u.T) ** p).mean(axis=0) ** (1 / p)
        assert (moments >= khinchin(p) * np.linalg.norm(u, axis=1) * (1 - 1e-12)).all()


def test_mean_of_a_walk():
    for dim in range(1, 15):
        signs = np.array(list(itertools.product((-1, 1), repeat=dim)))
        assert mean_walk(dim) == np.abs(signs.sum(axis=1)).mean()
    for dim in (1999, 2000, 2001, 150_528):
        exact = (
            mpmath.mpf(2 * ((dim + 1) // 2))
            * mpmath.rf(0.5, (dim + 1) // 2)
            / mpmath.factorial((dim + 1) // 2)
        )
        assert 0 <= (mean_walk(dim) * (1 + 4e-16) - exact) / exact < 2e-8


@settings(max_examples=150)
@given(sequences(4), st.sampled_from([1, 1.5, 1.9, 2, 2.5, 4, math.inf]), st.sampled_from([1, 2]))
def test_no_sequence_beats_an_upper_bound(x, p, moment):
    norm = lp(p)
    ratio = math.sqrt((norm.value(x) ** 2).sum()) / by_definition(x, norm, moment)
    assert ratio <= cotype_bounds(norm, 4, moment=moment).upper * (1 + 1e-14)


BALLS = arrays(np.float64, (5, 3), elements=st.integers(-4, 4).map(float)).filter(
    lambda points: np.linalg.matrix_rank(points) == 3
)


@settings(max_examples=15)
@given(BALLS, st.data())
def test_no_sequence_beats_the_bounds_of_a_polytope(points, data):
    norm = PolytopeNorm(points)
    bounds = {moment: cotype_bounds(norm, 3, moment=moment) for moment in (1, 2)}
    assert bounds[1].upper <= SQRT2 * bounds[2].upper * (1 + 1e-12)
    for _ in range(10):
        x = data.draw(sequences(3, most=4))
        for moment in (1, 2):
            ratio = math.sqrt((norm.value(x) ** 2).sum()) / by_definition(x, norm, moment)
            assert 1 - 1e-12 <= bounds[moment].lower <= bounds[moment].upper * (1 + 1e-12)
            assert ratio <= bounds[moment].upper * (1 + 1e-12)


@pytest.mark.parametrize("dim", [2, 3, 4, 5])
def test_distances_of_cube_and_cross_polytope(dim):
    """√d from ℓ2 (John 1948: the cube is as far as can be); 0 and E|σ₁ + … + σ_d| from L₁."""
    cube, cross = PolytopeNorm(Linf().vertices(dim)), PolytopeNorm(np.eye(dim))
    for norm in (cube, cross):
        assert 1 <= distance_to_l2(norm) / math.sqrt(dim) < 1 + 1e-6
    assert 1 <= distance_to_l1(cross) < 1 + 1e-6
    walk = np.abs(np.array(list(itertools.product((-1, 1), repeat=dim))).sum(axis=1)).mean()
    assert 1 <= distance_to_l1(cube) / walk < 1 + 1e-6


def test_the_distance_to_l2_by_descent():
    """Nelder and Mead over ellipsoids come near the distance of the semidefinite program and never below it by more
    than its accuracy; linear maps do not change it."""
    vertices, facets = HEXAGONAL.ball.vertices, HEXAGONAL.ball.facets

    def distance(entries):
        root = np.zeros((3, 3))
        root[np.tril_indices(3)] = entries
        if np.abs(np.diag(root)).min() < 1e-3:
            return 1e9
        return (
            np.linalg.norm(vertices @ root, axis=1).max()
            * np.linalg.norm(facets @ np.linalg.inv(root).T, axis=1).max()
        )

    starts = np.random.default_rng(0).normal(scale=0.2, size=(6, 6)) + np.eye(3)[np.tril_indices(3)]
    least = min(
        minimize(
            distance, x, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-9, "fatol": 1e-10}
        ).fun
        for x in starts
    )
    found = distance_to_l2(HEXAGONAL)
    assert 0.995 * least <= found <= least * (1 + 1e-6)
    turned = PolytopeNorm(HEXAGONAL.points @ np.array([[3.0, 1, 0], [0, 0.01, 2], [40, 0, 1]]))
    assert distance_to_l2(turned) == pytest.approx(found, rel=1e-6)


def test_without_a_solver_the_bounds_still_hold(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cvxpy", None)
    bounds = cotype_bounds(PolytopeNorm(Linf().vertices(3)), 3, moment=2)
    assert bounds.upper == pytest.approx(math.sqrt(3), rel=1e-8)
    assert cotype_bounds(HEXAGONAL, 3, moment=2).upper <= math.sqrt(3) * (1 + 1e-12)


def test_any_norm_has_bounds():
    for moment, upper in ((1, math.sqrt(14)), (2, math.sqrt(7))):
        bounds = cotype_bounds(Mixed(), 7, moment=moment)
        assert bounds.upper == pytest.approx(upper, rel=1e-14)


def test_sources_are_in_the_bibliography():
    keys = set(
        re.findall(r"@\w+\{(\w+),", (Path(__file__).parents[2] / "docs" / "references.bib").read_text())
    )
    for norm, dim in ((L1(), 3), (lp(1.9), 2), (Linf(), 5), (Mixed(), 1), (HEXAGONAL, 3)):
        for moment in (1, 2):
            bounds = cotype_bounds(norm, dim, moment=moment)
            assert all(set(fact.citation.split(", ")) <= keys for fact in bounds.facts)
            assert [source.split(":")[0] for source in bounds.sources] == ["lower", "upper"]


def test_errors():
    with pytest.raises(InputError, match="moment"):
        cotype_bounds(L1(), 3, moment=0)
    with pytest.raises(InputError, match="dim"):
        cotype_bounds(L1(), 0)
    with pytest.raises(InputError, match="dimension 3"):
        cotype_bounds(HEXAGONAL, 4)
