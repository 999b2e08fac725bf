"""Overlaps of polytopes with their shifts: closed forms, Qhull's volumes, counted points, and concavity."""

import math

import mpmath as mp
import numpy as np
import pytest
from marks import slow
from scipy.spatial import ConvexHull, HalfspaceIntersection

from geometry.bodies import CrossPolytope, Polytope
from geometry.bodies import cube as box
from geometry.crystals import explicit
from geometry.crystals import wulff_crystal as crystal
from geometry.norms import L1, Linf
from geometry.overlap import OverlapCurve, overlap_share


def cube(dim, half=1.0):
    return explicit(box(dim, half))


def cross_polytope(dim):
    return explicit(CrossPolytope(dim))


def wulff_crystal(norm, dim):
    return explicit(crystal(norm, dim))


LOSS = np.array([1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.25, 0.4, 0.499, 0.5])
CRYSTALS = [(wulff_crystal(Linf(), d), d) for d in (2, 3, 4, 5)]


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 6])
def test_closed_forms(dim):
    """A cube along e₁ and along the diagonal, a cross-polytope along e₁ (a smaller copy remains)."""
    root = -np.expm1(np.log1p(-LOSS) / dim)
    for body, direction, exact in (
        (cube(dim), L1().direction(dim), 2 * LOSS),
        (cube(dim), Linf().direction(dim), 2 * root),
        (cross_polytope(dim), L1().direction(dim), 2 * root),
    ):
        curve = OverlapCurve(body, direction)
        radius, error = curve.radius(LOSS)
        np.testing.assert_allclose(radius, exact, rtol=1e-13)
        assert (np.abs(radius - exact) <= error).all() and (error <= 2e-12 * radius).all()
        np.testing.assert_allclose(curve.loss(exact), LOSS, rtol=1e-13)


def test_octahedron_along_its_diagonal():
    """The slope from E|σ₁+σ₂+σ₃| = 3/2, and one share by counting the cells of a grid."""
    curve = OverlapCurve(cross_polytope(3), np.ones(3))
    assert curve.slope == pytest.approx(9 / 4, rel=1e-13)
    axis = (np.arange(200) + 0.5) / 100 - 1
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = abs(x) + abs(y) + abs(z) <= 1
    both = inside & (abs(x - 0.15) + abs(y - 0.15) + abs(z - 0.15) <= 1)
    assert both.sum() / inside.sum() == pytest.approx(float(1 - curve.loss(0.15)), abs=4e-3)


def diagonal_share(dim, r):
    """The share of {‖x‖₁ ≤ 1} that also lies in {‖x - r(1, …, 1)‖₁ ≤ 1}, coordinate by coordinate.

    Left of 0, between 0 and r and right of r, (|x|, |x - r|) is (s, s+r), (s, r-s) and (s+r, s). With a, m and b
    coordinates there, u the sum of the s outside and t of those between (Irwin-Hall), the body's two inequalities say
    u ≤ 1 - t - br and u ≤ 1 + t - (a+m)r, and such u have the volume (·)ⁿ/n!, n = a + b.
    """
    total = mp.mpf(0)
    for a in range(dim + 1):
        for m in range(dim + 1 - a):
            b = dim - a - m
            n = a + b

            def room(t, a=a, m=m, b=b, n=n):
                least = min(1 - t - b * r, 1 + t - (a + m) * r)
                return least**n / mp.factorial(n) if least >= 0 else mp.mpf(0)

            def between(t, m=m):
                below = [k for k in range(m + 1) if k * r < t]
                terms = [(-1) ** k * mp.binomial(m, k) * (t - k * r) ** (m - 1) for k in below]
                return mp.fsum(terms) / mp.factorial(m - 1)

            if m == 0:
                volume = room(mp.mpf(0))
            else:
                corners = {k * r for k in range(m + 1)} | {1 - b * r, (a + m) * r - 1, (a + m - b) * r / 2}
                knots = sorted(t for t in corners if 0 <= t <= m * r)
                volume = mp.quad(lambda t, room=room, between=between: room(t) * between(t), knots)
            ways = mp.factorial(dim) / (mp.factorial(a) * mp.factorial(m) * mp.factorial(b))
            total += ways * volume
    return total * mp.factorial(dim) / 2**dim


@pytest.mark.parametrize("dim", [2, 3, 4, slow(5), slow(6)])
def test_cross_polytopes_along_the_diagonal(dim):
    """Against piecewise polynomials integrated in thirty digits."""
    curve = OverlapCurve(cross_polytope(dim), np.ones(dim))
    with mp.workdps(30):
        for loss in (1e-6, 0.1, 0.25, 0.4, 0.499):
            r = float(curve.radius(loss)[0])
            exact = 1 - diagonal_share(dim, mp.mpf(r))
            assert float(exact) == pytest.approx(loss, rel=1e-9)
            assert exact <= loss * (1 + mp.mpf(10) ** -11)


@pytest.mark.parametrize(("body", "dim"), CRYSTALS[:3], ids=[f"wulff-{d}" for _, d in CRYSTALS[:3]])
@pytest.mark.parametrize("norm", [L1(), Linf()], ids=["l1", "linf"])
def test_against_qhull(body, dim, norm):
    """The same volume by the vertices of the intersection and their hull."""
    direction = norm.direction(dim)
    curve = OverlapCurve(body, direction)
    for r in np.linspace(0.03, 0.97, 7) * float(curve.radius(0.5)[0]):
        offsets = 1 - 0.5 * np.abs(body.facets @ direction) * r
        points = HalfspaceIntersection(np.column_stack([body.facets, -offsets]), np.zeros(dim)).intersections
        points = np.unique(np.round(points, 12), axis=0)
        volume = ConvexHull(points).volume / math.exp(body.log_volume)
        assert float(1 - curve.loss(r)) == pytest.approx(volume, rel=1e-10)
        assert overlap_share(body, r * direction) == pytest.approx(volume, rel=1e-10)


@pytest.mark.parametrize("norm", [L1(), Linf()], ids=["l1", "linf"])
def test_five_dimensions_by_counting(norm):
    """300 000 points of the crystal: a standard deviation of at most 0.0010; five of them, false alarms 6e-7 a line."""
    body = wulff_crystal(Linf(), 5)
    generator = np.random.default_rng(3)
    which = generator.choice(len(body.cones), 300_000, p=body.cones / body.cones.sum())
    weights = generator.standard_exponential((300_000, 6))
    weights = weights[:, 1:] / weights.sum(axis=1, keepdims=True)
    x = np.einsum("nv,nvd->nd", weights, body.simplices[which])
    curve = OverlapCurve(body, norm.direction(5))
    radius, error = curve.radius(np.array([0.05, 0.25, 0.45]))
    assert (error <= 2e-12 * radius).all()
    for r, loss in zip(radius, (0.05, 0.25, 0.45), strict=True):
        stayed = body.contains(x - r * norm.direction(5))
        assert stayed.mean() == pytest.approx(1 - loss, abs=0.005)


@pytest.mark.parametrize(("body", "dim"), CRYSTALS, ids=[f"wulff-{d}" for _, d in CRYSTALS])
@pytest.mark.parametrize("norm", [L1(), Linf()], ids=["l1", "linf"])
def test_concave_and_above_the_linear_bound(body, dim, norm):
    curve = OverlapCurve(body, norm.direction(dim))
    radius, _ = curve.radius(LOSS)
    assert (radius >= LOSS / curve.slope * (1 - 1e-13)).all() and (np.diff(radius) > 0).all()
    np.testing.assert_allclose(radius[:2], LOSS[:2] / curve.slope, rtol=1e-8)
    r = np.linspace(0, radius[-1], 400)
    root = (1 - curve.loss(r)) ** (1 / dim)
    assert (np.diff(root, 2) <= 1e-13).all()
    # the polynomials of two pieces agree where they meet
    ends, centres, coefficients = curve._pieces
    for i in range(len(ends) - 1):
        both = [np.polynomial.polynomial.polyval(ends[i] - centres[k], coefficients[k]) for k in (i, i + 1)]
        assert both[0] == pytest.approx(both[1], abs=1e-13)


def test_vertices_are_worst():
    """Inside the adversary's ball no shift leaves less than its vertices do."""
    body = wulff_crystal(Linf(), 3)
    for norm in (L1(), Linf()):
        least = overlap_share(body, 0.3 * norm.direction(3))
        generator = np.random.default_rng(1)
        for v in generator.normal(size=(40, 3)):
            assert overlap_share(body, 0.3 * v / norm.value(v)) >= least - 1e-13


def test_apart():
    assert overlap_share(cube(3), np.array([2.5, 0, 0])) == 0
    body = Polytope.symmetric(np.array([[2.0], [-0.5]]))
    assert overlap_share(body, np.array([1.0])) == pytest.approx(0.75)
