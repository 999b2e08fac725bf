"""Every body keeps the contract: gauge and support are dual, samples are uniform, three ways to the shadow agree."""

import math

import numpy as np
import pytest
from body_examples import SHEAR, convex_bodies, star_bodies, voxel_bodies
from scipy.stats import kstest

from geometry.bodies import (
    Affine,
    Ball,
    Box,
    CrossPolytope,
    LpBall,
    Polar,
    Polytope,
    StarBody,
    Voxels,
    cube,
    polar,
)
from geometry.bodies import ellipsoid as make_ellipsoid
from geometry.body import Symmetry
from geometry.crystals import explicit
from geometry.errors import InputError
from geometry.growth import growth_rate

DIMS = (2, 3)
CONVEX = [pytest.param(body, id=f"{name}, d={d}") for d in DIMS for name, body in convex_bodies(d).items()]
STAR = [pytest.param(body, id=f"{name}, d={d}") for d in DIMS for name, body in star_bodies(d).items()]
VOXELS = [pytest.param(body, id=f"{name}, d={d}") for d in DIMS for name, body in voxel_bodies(d).items()]


def directions(dim, count=7):
    rng = np.random.default_rng(1)
    return np.concatenate([np.eye(dim), np.ones((1, dim)), rng.normal(size=(count, dim))])


@pytest.mark.parametrize("body", CONVEX)
def test_gauge_and_support_are_dual(body):
    u, x = directions(body.dim), 3 * directions(body.dim, 40)[::-1]
    support, gauge = body.support(u), body.gauge(x)
    # <x, u> ≤ gauge(x) · support(u), with equality at the support point and at the gauge's gradient
    assert (x @ u.T <= gauge.upper[:, None] * support.upper * (1 + 1e-10)).all()
    points = body.support_point(u)
    np.testing.assert_allclose((points * u).sum(axis=1), support, rtol=1e-9)
    assert (body.gauge(points).lower <= 1 + 1e-9).all()
    gradient = body.gauge_gradient(x)
    np.testing.assert_allclose((gradient * x).sum(axis=1), gauge, rtol=1e-7)
    assert (body.support(gradient).lower <= 1 + 1e-6).all()


@pytest.mark.parametrize("body", CONVEX + STAR)
def test_gauge_is_homogeneous_and_its_gradient_a_derivative(body):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, body.dim))
    np.testing.assert_allclose(body.gauge(2.5 * x), 2.5 * body.gauge(x).value, rtol=1e-9)
    np.testing.assert_allclose(body.gauge_gradient(4 * x), body.gauge_gradient(x), rtol=1e-6, atol=1e-8)
    step = 1e-5 * rng.normal(size=x.shape)
    slope = (body.gauge(x + step).value - body.gauge(x - step).value) / 2
    # generic points: a corner of the gauge within the step would be bad luck, and this seed has none
    np.testing.assert_allclose((body.gauge_gradient(x) * step).sum(axis=1), slope, rtol=2e-3, atol=1e-9)
    assert float(body.gauge(np.zeros(body.dim))) == 0
    assert body.contains(np.zeros(body.dim))


@pytest.mark.parametrize("body", CONVEX + STAR)
def test_samples_are_uniform_along_rays(body):
    """P(gauge ≤ t) = t^d for uniform points. Kolmogorov's test at 1e-6 a body: 3e-5 in all."""
    x = body.sample(4000, seed=3)
    assert x.shape == (4000, body.dim)
    assert kstest(body.gauge(x).value ** body.dim, "uniform").pvalue > 1e-6
    boundary = body.sample_boundary(50, seed=4)
    np.testing.assert_allclose(body.gauge(boundary), 1, rtol=1e-9)
    assert np.array_equal(body.sample(5, seed=3), body.sample(5, seed=3))


@pytest.mark.parametrize("body", CONVEX + STAR)
def test_volume_is_what_a_box_of_points_says(body):
    """Hit or miss in a box around the body: five standard errors, 6e-7 a body."""
    rng, points = np.random.default_rng(5), body.sample(20_000, seed=6)
    ends = np.stack([points.min(axis=0), points.max(axis=0)]) * 1.2
    n = 100_000
    share = body.contains(rng.uniform(ends[0], ends[1], (n, body.dim))).mean()
    box = np.prod(ends[1] - ends[0])
    error = 5 * box * math.sqrt(share * (1 - share) / n) + body.volume.error
    assert abs(box * share - body.volume.value) <= error


@pytest.mark.parametrize("body", CONVEX + STAR)
def test_shadow_three_ways(body):
    """The body's own way, Cauchy's formula on samples, finite differences of volumes: within their errors."""
    v = directions(body.dim, 2)[-3:]
    own, cauchy = body.relative_shadow(v), body.shadow_monte_carlo(v, seed=7)
    assert (np.abs(own.value - cauchy.value) <= own.error + cauchy.error).all()
    moved = growth_rate(body, v[0], samples=100_000, seed=8)
    assert abs(own.value[0] - moved.value) <= own.error[0] + moved.error
    np.testing.assert_allclose(body.shadow(v), own.value * body.volume.value, rtol=1e-12)


@pytest.mark.parametrize("body", VOXELS)
def test_voxels_count_their_faces(body):
    x = body.sample(20_000, seed=0)
    assert body.contains(x).all()
    v = directions(body.dim, 2)[-3:]
    for row in v:
        moved = growth_rate(body, row, samples=100_000, seed=9)
        assert abs(body.relative_shadow(row).value - moved.value) <= moved.error
    for row in 0.4 * v:
        # the overlap by its definition on samples, five standard errors
        share = body.contains(x - row).mean()
        exact = body.overlap(row) / body.volume.value
        assert abs(share - exact) <= 5 * math.sqrt(exact * (1 - exact) / len(x))
    with pytest.raises(InputError, match="no gauge"):
        body.gauge(v)


def test_a_voxel_cube_is_the_cube():
    body, plain = Voxels(np.ones((3, 3, 3), bool)), cube(3, 1.5)
    assert body.symmetry is Symmetry.SIGNED_PERMUTATIONS and math.isclose(body.volume.value, 27)
    np.testing.assert_allclose(body.relative_shadow(directions(3)), plain.relative_shadow(directions(3)))
    corner = Voxels(np.eye(3, dtype=bool)[:, :, None] & np.eye(3, dtype=bool)[None])
    assert corner.symmetry is Symmetry.NONE or corner.symmetry is Symmetry.CENTRAL


@pytest.mark.parametrize("body", CONVEX)
def test_shadow_is_an_even_norm_of_the_shift(body):
    rng = np.random.default_rng(10)
    v, w = rng.normal(size=(2, 12, body.dim))
    ends = body.relative_shadow(np.concatenate([v, w])).value
    middle, mirrored = body.relative_shadow(0.5 * (v + w)), body.relative_shadow(-v)
    slack = 2 * body.relative_shadow(v).error.max()
    assert (middle.value <= 0.5 * (ends[:12] + ends[12:]) * (1 + 1e-9) + slack).all()
    np.testing.assert_allclose(mirrored, ends[:12], rtol=1e-9, atol=slack)


@pytest.mark.parametrize("dim", (2, 3, 4))
def test_closed_forms_against_qhull(dim):
    """Box, cross-polytope and zonotope beside the polytope that Qhull makes of their vertices."""
    bodies = convex_bodies(dim)
    for name in ("cube", "box", "cross-polytope", "sheared cross-polytope", "zonotope", "crystal"):
        body = bodies[name]
        hull, v = explicit(body), directions(dim)
        np.testing.assert_allclose(body.volume, hull.volume, rtol=1e-11, err_msg=name)
        np.testing.assert_allclose(body.relative_shadow(v), hull.relative_shadow(v), rtol=1e-11, err_msg=name)
        np.testing.assert_allclose(body.support(v), hull.support(v), rtol=1e-11, err_msg=name)
        np.testing.assert_allclose(body.gauge(v), hull.gauge(v), rtol=1e-9, err_msg=name)
        assert hull.symmetry >= body.symmetry, name


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (Ball(3), CrossPolytope),
        (CrossPolytope(3, 2.0), Box),
        (cube(3), CrossPolytope),
        (Box(np.array([1.0, 2, 3])), Affine),
        (LpBall(3, 3.0), LpBall),
        (make_ellipsoid(SHEAR[3]), Affine),
    ],
)
def test_polar_bodies(body, expected):
    other, x = polar(body), directions(3)
    if not isinstance(body, Ball):
        assert isinstance(other, expected)
    np.testing.assert_allclose(other.gauge(x), body.support(x), rtol=1e-12)
    np.testing.assert_allclose(other.support(x), body.gauge(x), rtol=1e-12)
    np.testing.assert_allclose(polar(other).gauge(x), body.gauge(x), rtol=1e-12)
    # the slow way agrees: volume by directions
    generic = Polar(body).log_volume
    assert abs(generic.value - other.log_volume.value) <= generic.error + 1e-12


def test_polar_of_a_polytope_is_one():
    body = convex_bodies(3)["polytope"]
    twice = polar(polar(body))
    assert len(twice.vertices) == len(body.vertices)
    np.testing.assert_allclose(twice.volume, body.volume, rtol=1e-10)


def test_polytopes_from_halfspaces():
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    body = Polytope.from_halfspaces(2 * normals, np.array([1.0, 2, 3, 1, 2, 3]))
    np.testing.assert_allclose(body.volume, 1 * 2 * 3)
    assert len(body.vertices) == 8 and body.symmetry is Symmetry.CENTRAL
    with pytest.raises(InputError, match="unbounded"):
        Polytope.from_halfspaces(normals[:4], np.ones(4))
    with pytest.raises(InputError, match="positive"):
        Polytope.from_halfspaces(normals, np.zeros(6))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box(np.array([1.0, -1])), "positive"),
        (lambda: Ball(0), "dim must be"),
        (lambda: CrossPolytope(3, math.inf), "radius must be"),
        (lambda: LpBall(3, 0.0), "p must be"),
        (lambda: make_ellipsoid(np.ones((2, 2))), "invertible"),
        (lambda: Affine(Ball(2), np.eye(3)), "shape"),
        (lambda: Affine(Ball(2), np.eye(2), np.array([2.0, 0])), "origin inside"),
        (lambda: Polytope(np.eye(3) + 1).volume, "origin|interior"),
        (lambda: StarBody(2, lambda x: (x**2).sum(axis=-1)), "function"),
        (lambda: StarBody(2, lambda x: np.linalg.norm(x, axis=-1)).sample(3, seed=0), "outer_radius"),
        (lambda: Voxels(np.zeros((2, 2), bool)), "at least one cell"),
        (lambda: Voxels(np.ones((2, 2), bool), (np.arange(2.0),) * 2), "growing cuts"),
        (lambda: polar(LpBall(2, 0.5)), "convex hull"),
    ],
)
def test_errors(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_high_dimensions_stay_floats():
    for body in (cube(150_528), Ball(150_528), CrossPolytope(3072), LpBall(300, 3.0)):
        v = np.ones(body.dim)
        assert np.isfinite(body.log_volume.value) and np.isfinite(body.relative_shadow(v).value)
        assert body.gauge(body.sample(2, seed=0)).value.max() <= 1


@pytest.mark.parametrize("q", (1e3, 1e6, 1e300))
def test_steep_lp_balls_are_nearly_cubes(q):
    """Φ against ℓ∞ tends to that of the cube, d, and samples fill the cube."""
    found = LpBall(3, q).relative_shadow(np.ones(3)).value * LpBall(3, q).edge
    assert found == pytest.approx(3, rel=20 / q + 1e-6)
    assert np.abs(LpBall(3, q).sample(2000, seed=0)).max() <= 1


def test_no_error_is_claimed_without_variance():
    assert np.isinf(LpBall(2, 0.3).relative_shadow(np.ones(2)).error)


@pytest.mark.slow
def test_no_error_is_claimed_where_one_direction_decides():
    thin = StarBody(50, lambda x: np.linalg.norm(x / np.geomspace(1, 10, 50), axis=-1))
    assert np.isinf(thin.log_volume.error) and np.isinf(thin.relative_shadow(np.ones(50)).error)


@pytest.mark.parametrize("low", (-1.0, -0.5))
def test_thin_polytopes_keep_their_facets(low):
    """A rectangle 10^10 times as long as it is high, symmetric or not."""
    body = Polytope(np.array([[1e10, 1], [-1e10, 1], [1e10, low], [-1e10, low]]))
    assert len(body.facets) == 4 and not body.contains(np.array([-5e10, 0.0]))
    assert body.symmetry is (Symmetry.CENTRAL if low == -1 else Symmetry.NONE)
    np.testing.assert_allclose(body.relative_shadow(np.eye(2)), [0.5e-10, 1 / (1 - low)], rtol=1e-9)


def test_norms_beyond_the_range_of_powers():
    from geometry.norms import L2, lp

    np.testing.assert_allclose(lp(300).value([[1e-2, 1e-2], [0, 0]]), [1e-2 * 2 ** (1 / 300), 0], rtol=1e-12)
    np.testing.assert_allclose(L2().value([1e-200, 0]), 1e-200)
    np.testing.assert_allclose(lp(3).value([[1e200, 0], [np.inf, 1]]), [1e200, np.inf])
