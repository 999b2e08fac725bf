"""Φ against published and exact numbers, never below the bound over all sets, and the same by three ways."""

import itertools
import math

import numpy as np
import pytest
from body_examples import convex_bodies, star_bodies
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from marks import slow

from geometry.bodies import Affine, Ball, Box, CrossPolytope, Polytope, Voxels, Zonotope, cube, ellipsoid
from geometry.crystals import crystal_generators, explicit, wulff_crystal
from geometry.errors import InputError
from geometry.growth import growth_rate
from geometry.isoperimetry import lower_bound, phi
from geometry.largest_shadow import largest_shadow
from geometry.norms import L1, L2, Linf, lp
from geometry.polytope_norm import PolytopeNorm
from geometry.relaxation import boundary_normals, quadratic_bound, sum_bound

NORMS = [L1(), L2(), Linf(), lp(3), lp(1.5)]

# Exact integer arithmetic, Qhull, PPL, Normaliz; eight decimals. Columns: dimensions 2, 3, 4, 5.
UNIT_VOLUME = {
    ("cube", "linf"): (2, 3, 4, 5),
    ("cube", "l1"): (1, 1, 1, 1),
    ("cube", "l2"): tuple(math.sqrt(d) for d in (2, 3, 4, 5)),
    ("ball", "l1"): (1.12837917, 1.20899397, 1.26513333, 1.30686573),
    ("ball", "l2"): (1.12837917, 1.20899397, 1.26513333, 1.30686573),
    ("ball", "linf"): (1.59576912, 2.09403897, 2.53026666, 2.92224062),
    ("cross-polytope", "l1"): (1.41421356, 1.65096362, 1.80720401, 1.91925975),
    ("cross-polytope", "l2"): (1.41421356, 1.65096362, 1.80720401, 1.91925975),
    ("cross-polytope", "linf"): (1.41421356, 2.47644544, 2.71080601, 3.59861203),
    ("crystal", "l1"): (1.41421356, 1.25992105, 1.24818524, 1.26180956),
    ("crystal", "linf"): (1.4142135624, 1.8898815748, 2.3403473193, 2.7602084031),
}
MAKE = {
    "cube": cube,
    "ball": Ball,
    "cross-polytope": CrossPolytope,
    "crystal": lambda dim: wulff_crystal(Linf(), dim),
}


@pytest.mark.parametrize(("body", "norm"), UNIT_VOLUME, ids=lambda x: str(x))
def test_published_values(body, norm):
    from geometry.norms import parse_norm

    for dim, expected in zip((2, 3, 4, 5), UNIT_VOLUME[body, norm], strict=True):
        found = phi(MAKE[body](dim), parse_norm(norm))
        assert float(found.value) == pytest.approx(expected, rel=6e-9), dim
        assert found.gap.upper >= 1 - 1e-12


def test_the_rhombic_dodecahedron_against_l2():
    assert float(phi(wulff_crystal(Linf(), 3), L2()).value) == pytest.approx(
        math.sqrt(5) / 2 ** (2 / 3), rel=1e-12
    )


@pytest.mark.parametrize(
    ("dim", "smallest"),
    [(2, 1.4142135624), (3, 1.8898815748), (4, 2.3403473193), (5, 2.7602084031), (6, 3.1500926023)],
)
def test_least_phi_against_linf(dim, smallest):
    assert float(lower_bound(Linf(), dim)) == pytest.approx(smallest, abs=6e-11)


def test_bounds_in_high_dimension():
    """Against ℓ∞ the least Φ grows as √(e d); the ball approaches it, cube and cross-polytope do not."""
    for dim in (100, 3072, 150_528):
        bound = lower_bound(Linf(), dim)
        assert bound.lower <= bound.value <= bound.upper
        assert float(bound.value) == pytest.approx(math.sqrt(math.e * dim), rel=3 * math.log(dim) / dim)
    gaps = [float(phi(Ball(d), Linf()).gap.upper) for d in (10, 100, 1000, 3072)]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 1.003
    assert float(phi(cube(3072), Linf()).gap.lower) > 30
    assert float(phi(CrossPolytope(3072), Linf()).gap.lower) > 1.25


@pytest.mark.parametrize("dim", (2, slow(3)))
@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_no_body_beats_the_bound(dim, norm):
    for name, body in (convex_bodies(dim) | star_bodies(dim)).items():
        found = phi(body, norm)
        assert found.gap.upper >= 1 - 1e-12, name
        assert found.value.upper >= found.lower_bound.value * (1 - 1e-12), name
        # the shift has norm 1 and its shadow is what was reported
        assert norm.value(found.direction) == pytest.approx(1, rel=1e-9)
        reached = float(body.relative_shadow(found.direction).value) * body.edge
        assert reached <= float(found.value.upper) * (1 + 1e-9), name


def rows(dim, count):
    whole = st.integers(-3, 3).map(float)
    return arrays(np.float64, (count, dim), elements=whole)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 3).flatmap(lambda d: rows(d, d + 3)), st.sampled_from(NORMS))
def test_no_zonotope_or_polytope_beats_the_bound(points, norm):
    dim = points.shape[1]
    if np.linalg.matrix_rank(points) < dim:
        return
    for body in (Zonotope(points), Polytope.symmetric(points)):
        found = phi(body, norm)
        assert found.value.upper >= found.lower_bound.value * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 3).flatmap(lambda d: arrays(bool, (3,) * d)), st.sampled_from([L1(), L2(), Linf()]))
def test_no_union_of_voxels_beats_the_bound(grid, norm):
    if grid.any():
        found = phi(Voxels(grid), norm)
        assert found.value.upper >= found.lower_bound.value * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(rows(3, 3), st.lists(st.floats(0.1, 10), min_size=3, max_size=3), st.sampled_from(NORMS))
def test_no_ellipsoid_or_box_beats_the_bound(matrix, widths, norm):
    assert phi(Box(np.array(widths)), norm).gap.upper >= 1 - 1e-12
    if abs(np.linalg.det(matrix)) > 0.5:
        assert phi(ellipsoid(matrix), norm).gap.upper >= 1 - 1e-12


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_signed_permutations_change_nothing(norm):
    """They keep the ball and volumes, so that Φ of any body stays as it is."""
    turn = np.array([[0.0, -1, 0], [0, 0, 1], [1, 0, 0]])
    for name in ("polytope", "zonotope", "ellipsoid", "box"):
        body = convex_bodies(3)[name]
        here, there = phi(body, norm).value, phi(Affine(body, turn), norm).value
        assert here.lower <= there.upper * (1 + 1e-9) and there.lower <= here.upper * (1 + 1e-9), name


@pytest.mark.parametrize("norm", [L1(), slow(L2()), slow(Linf())], ids=str)
def test_three_ways_agree(norm):
    for name, body in convex_bodies(3).items():
        found = phi(body, norm)
        for other in (
            body.shadow_monte_carlo(found.direction, seed=3),
            growth_rate(body, found.direction, seed=4),
        ):
            own = body.relative_shadow(found.direction)
            assert abs(own.value - other.value) <= own.error + other.error, name


@pytest.mark.parametrize("dim", (3, 8, 12))
def test_a_sum_of_absolute_values_is_bracketed(dim):
    """All sign vectors, one by one, beside ascent and relaxation."""
    normals = np.random.default_rng(dim).normal(size=(3 * dim, dim))
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=dim)))
    exact = np.abs(signs @ normals.T).sum(axis=1).max()
    upper = sum_bound(normals, Linf())
    assert exact <= upper <= 1.3 * exact  # Nesterov's factor √(π/2) = 1.2533 holds for the exact solution
    assert (
        np.abs(normals).sum(axis=0).max() <= sum_bound(normals, L1()) <= 3 * np.abs(normals).sum(axis=0).max()
    )
    matrix = normals.T @ normals
    largest = ((signs @ normals.T) ** 2).sum(axis=1).max()
    assert largest <= quadratic_bound(matrix, Linf()) <= 1.6 * largest  # π/2


def test_the_crystal_of_a_polytope_norm():
    """The bound over all sets is attained by the norm's own crystal where the ball is symmetric enough."""
    hexagon = PolytopeNorm(np.array([[math.cos(a), math.sin(a)] for a in (0, math.pi / 3, 2 * math.pi / 3)]))
    found = phi(wulff_crystal(hexagon, 2), hexagon)
    assert float(found.gap.value) == pytest.approx(1, abs=1e-9)
    assert float(phi(cube(2), hexagon).gap.lower) > 1.01
    octahedral = PolytopeNorm(np.eye(3))
    assert float(phi(cube(3), octahedral).value) == pytest.approx(1, rel=1e-12)
    assert float(lower_bound(octahedral, 3)) == pytest.approx(1, rel=1e-12)


def test_crystals_support_the_dual_mean():
    rng = np.random.default_rng(0)
    u = rng.normal(size=(20, 3))
    for norm in (L1(), Linf(), PolytopeNorm(rng.normal(size=(6, 3)))):
        mean = np.abs(u @ norm.vertices(3).T).mean(axis=1)
        np.testing.assert_allclose(wulff_crystal(norm, 3).support(u), mean, rtol=1e-11)
    # ℓ2: the mean over the sphere of |<y, u>|, whose first coordinate is uniform on [-1, 1] in three dimensions
    np.testing.assert_allclose(wulff_crystal(L2(), 3).support(u), 0.5 * np.linalg.norm(u, axis=1), rtol=1e-12)
    # ℓp: two quadratures of the cone measure, one through samples; five standard errors
    ball = convex_bodies(3)["lp-ball 4"]
    y = ball.sample_boundary(200_000, seed=1)
    terms = np.abs(y @ u[:5].T)
    error = 5 * terms.std(axis=0) / math.sqrt(len(y))
    assert (np.abs(wulff_crystal(lp(4), 3).support(u[:5]).value - terms.mean(axis=0)) <= error + 2e-3).all()


def test_shadows_of_crystals_are_crystals():
    """Π_{e_i} W_d = W_{d-1}: the shadow along an axis is the volume one dimension below."""
    for dim in (3, 4, 5):
        along = wulff_crystal(Linf(), dim).shadow(np.eye(dim))
        np.testing.assert_allclose(along, wulff_crystal(Linf(), dim - 1).volume.value, rtol=1e-11)
        projected = crystal_generators(Linf(), dim)[:, 1:]
        np.testing.assert_allclose(
            Zonotope(projected).volume, explicit(wulff_crystal(Linf(), dim - 1)).volume, rtol=1e-11
        )


def test_errors():
    with pytest.raises(InputError, match="dimension"):
        phi(cube(2), PolytopeNorm(np.eye(3)))
    with pytest.raises(InputError, match="drawn up to dim"):
        wulff_crystal(lp(3), 5)
    with pytest.raises(InputError, match="one of dimension"):
        PolytopeNorm(np.eye(3)).vertices(4)
    with pytest.raises(InputError, match="other than 0"):
        growth_rate(cube(2), np.zeros(2))


def test_boundary_normals_give_the_shadow():
    v = np.random.default_rng(0).normal(size=(6, 3))
    for name, body in convex_bodies(3).items():
        normals, exact = boundary_normals(body)
        found, shadow = np.abs(v @ normals.T).sum(axis=1), body.relative_shadow(v)
        if exact:
            np.testing.assert_allclose(found, shadow, rtol=1e-9, err_msg=name)
        else:
            assert (np.abs(found - shadow.value) <= 0.05 * shadow.value + shadow.error).all(), name


def test_the_largest_shadow_is_the_largest():
    """Random shifts of norm 1 never lose more than the one that was found."""
    rng = np.random.default_rng(5)
    for norm in NORMS:
        v = rng.normal(size=(2000, 3))
        v /= norm.value(v)[:, None]
        for name in ("polytope", "zonotope", "ellipsoid", "sheared cross-polytope", "crystal"):
            body = convex_bodies(3)[name]
            assert body.relative_shadow(v).value.max() <= largest_shadow(body, norm).value.upper * (
                1 + 1e-9
            ), name
