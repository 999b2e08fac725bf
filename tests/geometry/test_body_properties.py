"""What holds for every body, on random ones: duality, convexity of shadows, invariance, and Φ above its bound."""

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geometry.bodies import Affine, Box, Polytope, Voxels, Zonotope, ellipsoid
from geometry.covariogram import covariogram
from geometry.isoperimetry import phi
from geometry.norms import L1, L2, Linf, lp

NORMS = st.one_of(st.sampled_from([L1(), L2(), Linf()]), st.floats(1.05, 8).map(lp))


@st.composite
def whole_rows(draw, dim, count):
    rows = draw(arrays(np.int64, (count, dim), elements=st.integers(-4, 4))).astype(float)
    assume(np.linalg.matrix_rank(rows) == dim)
    return rows


@st.composite
def convex(draw, dims=(2, 3)):
    """A box, an ellipsoid, a zonotope, or a polytope that need not be symmetric."""
    dim = draw(st.sampled_from(dims))
    match draw(st.sampled_from(["box", "ellipsoid", "zonotope", "symmetric polytope", "polytope"])):
        case "box":
            return Box(draw(arrays(np.float64, dim, elements=st.floats(0.2, 5))))
        case "ellipsoid":
            return ellipsoid(draw(whole_rows(dim, dim)))
        case "zonotope":
            return Zonotope(draw(whole_rows(dim, dim + 2)))
        case "symmetric polytope":
            return Polytope.symmetric(draw(whole_rows(dim, dim + 2)))
    corners = draw(whole_rows(dim, dim + 3))
    simplex = np.concatenate([np.eye(dim), -np.ones((1, dim))])  # the origin is inside of it
    return Polytope(np.concatenate([corners, simplex]))


def vectors(dim, count):
    return arrays(np.float64, (count, dim), elements=st.floats(-3, 3, allow_subnormal=False))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_gauge_and_support_are_dual(data):
    body = data.draw(convex())
    x, u = data.draw(vectors(body.dim, 4)), data.draw(vectors(body.dim, 4))
    gauge, support = body.gauge(x).upper, body.support(u).upper
    scale = 1 + np.abs(x).max() * np.abs(u).max()
    assert (x @ u.T <= np.multiply.outer(gauge, support) + 1e-9 * scale).all()
    points = body.support_point(u)
    assert np.allclose((points * u).sum(axis=1), body.support(u), rtol=1e-9, atol=1e-9)
    assert (body.gauge(points).lower <= 1 + 1e-9).all()


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_shadows_are_even_and_convex(data):
    body = data.draw(convex())
    v, w = data.draw(vectors(body.dim, 5)), data.draw(vectors(body.dim, 5))
    here, there = body.relative_shadow(v).value, body.relative_shadow(w).value
    assert np.allclose(body.relative_shadow(-v), here, rtol=1e-12)
    assert (body.relative_shadow(v + w).value <= (here + there) * (1 + 1e-9) + 1e-12).all()
    assert np.allclose(body.relative_shadow(2.5 * v), 2.5 * here, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(convex(), NORMS)
@example(ellipsoid(np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 1]])), lp(2.00001))
@example(ellipsoid(np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 1]])), lp(2.00390625))
def test_phi_is_above_the_bound(body, norm):
    found = phi(body, norm)
    assert found.value.upper >= found.lower_bound.value * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(
    convex(dims=(3,)),
    NORMS,
    st.permutations(range(3)),
    st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3),
)
def test_symmetries_of_the_norm_keep_phi(body, norm, order, signs):
    """Signed permutations keep volumes and every ℓp: the intervals that Φ is known to lie in meet."""
    turned = Affine(body, np.eye(3)[list(order)] * np.array(signs)[:, None])
    here, there = phi(body, norm).value, phi(turned, norm).value
    assert here.lower <= there.upper * (1 + 1e-8) and there.lower <= here.upper * (1 + 1e-8)


@settings(max_examples=40, deadline=None)
@given(convex(), st.floats(0.2, 5), NORMS)
def test_phi_does_not_depend_on_size(body, factor, norm):
    scaled = Affine(body, factor * np.eye(body.dim))
    here, there = phi(body, norm).value, phi(scaled, norm).value
    assert here.lower <= there.upper * (1 + 1e-8) and there.lower <= here.upper * (1 + 1e-8)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_loss_is_at_most_its_first_slope(data):
    """1 - covariogram(r v) ≤ r · relative shadow, with its root concave between (Brunn and Minkowski)."""
    body = data.draw(convex())
    v = data.draw(vectors(body.dim, 1))[0]
    assume(np.abs(v).max() > 1e-3)
    steps = np.array([0.0, 0.1, 0.2, 0.3])[:, None] / max(
        float(body.gauge(v).value), float(body.gauge(-v).value)
    )
    kept = covariogram(body, steps * v)
    slope = float(body.relative_shadow(v).value)
    assert (1 - kept.value <= steps[:, 0] * slope * (1 + 1e-9) + 1e-9).all()
    roots = kept.value ** (1 / body.dim)
    assert (np.diff(roots, 2) <= 1e-7).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3).flatmap(lambda d: arrays(bool, (3,) * d)), NORMS)
def test_voxels_keep_their_contract(grid, norm):
    if not grid.any():
        return
    body = Voxels(grid)
    v = np.linspace(-1, 1, body.dim) + 0.1
    # the overlap at rest is all, and its loss starts with the faces' slope, exactly while cells overlap by r < 1
    assert np.isclose(body.overlap(0 * v), body.volume.value)
    short = 1e-4
    loss = 1 - body.overlap(short * v) / body.volume.value
    assert loss <= short * float(body.relative_shadow(v).value) * (1 + 1e-9)
    assert loss >= short * float(body.relative_shadow(v).value) * (1 - 1e-2)
    assert phi(body, norm).value.upper >= phi(body, norm).lower_bound.value * (1 - 1e-9)
