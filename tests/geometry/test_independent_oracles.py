"""Zonotopes, polytopes and crystals beside programs that share nothing with ours.

Normaliz and the Parma Polyhedra Library compute in exact integers: hulls, facets, f-vectors, volumes. WulffPack, which
materials scientists draw nanoparticles with, finds crystals from surface energies. scikit-geometry adds polyhedra
exactly by CGAL; it is on conda-forge only, so the same sums are also made here, in fractions, on hulls that Qhull
proposes and exact arithmetic confirms.
"""

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import ConvexHull

from geometry import skeleton
from geometry.bodies import Affine, CrossPolytope, LinfCrystal, Polytope, Zonotope, cube
from geometry.covariogram import covariogram
from geometry.crystals import crystal_generators, explicit, wulff_crystal
from geometry.isoperimetry import lower_bound, phi
from geometry.norms import L1, Linf
from geometry.polytope_norm import PolytopeNorm
from geometry.zonotopes import crystal_determinants, f_vector, facets, sum_abs_det, vertices

INSTALL = 'pip install -e ".[geometry]"'


@pytest.fixture(scope="module")
def normaliz():
    return pytest.importorskip("PyNormaliz", reason=f"PyNormaliz is missing: {INSTALL}")


@pytest.fixture(scope="module")
def ppl():
    return pytest.importorskip("ppl", reason=f"pplpy is missing (no wheels from Python 3.13 on): {INSTALL}")


@pytest.fixture(scope="module")
def wulffpack():
    return pytest.importorskip("wulffpack", reason=f"wulffpack is missing: {INSTALL}")


@pytest.fixture(scope="module")
def skgeom():
    reason = "scikit-geometry is missing (conda-forge only); TestMinkowskiSumsInFractions makes the same sums"
    return pytest.importorskip("skgeom", reason=reason)


def signs(dim):
    """The 2^{d-1} sign vectors up to sign: the crystal's generators, times 2^{d-1}."""
    return np.array([(1, *rest) for rest in product((1, -1), repeat=dim - 1)])


def signed_sums(generators):
    """All Σ ±g, shape (2^n, d): the zonotope is their hull."""
    return np.array(list(product((1, -1), repeat=len(generators)))) @ generators


def points_of(rows):
    return {tuple(row) for row in np.asarray(rows).tolist()}


def whole_halfspace(coefficients, constant):
    """(normal, height) of <a, x> + b ≥ 0 as <normal, x> ≤ height, with a primitive normal."""
    a, b = [int(c) for c in coefficients], int(constant)
    common = math.gcd(*a)
    return tuple(-c // common for c in a), Fraction(b, common)


def our_halfspaces(generators):
    normals, heights = facets(generators)
    rows = zip(normals.tolist(), heights.tolist(), strict=True)
    return {(tuple(side * c for c in n), Fraction(h)) for n, h in rows for side in (1, -1)}


class ByNormaliz:
    """The hull of integer points: ``vertices``, ``halfspaces``, ``f_vector`` and ``volume``, exactly."""

    def __init__(self, normaliz, points):
        points = np.asarray(points)
        self.cone = normaliz.Cone(vertices=[[*row, 1] for row in points.tolist()])
        self.dim = points.shape[1]

    @property
    def vertices(self):
        return {tuple(Fraction(c, row[-1]) for c in row[:-1]) for row in self.cone.VerticesOfPolyhedron()}

    @property
    def halfspaces(self):
        return {whole_halfspace(row[:-1], row[-1]) for row in self.cone.SupportHyperplanes()}

    @property
    def f_vector(self):
        return tuple(self.cone.FVector()[1:-1])

    @property
    def volume(self):
        """Normaliz counts unit simplices, of volume 1/d!."""
        return Fraction(self.cone.Volume()) / math.factorial(self.dim)


class ByPPL:
    """The hull of integer points: ``vertices`` and ``halfspaces``, exactly."""

    def __init__(self, ppl, points):
        system = ppl.Generator_System()
        for row in np.asarray(points).tolist():
            system.insert(ppl.point(ppl.Linear_Expression(row, 0)))
        self.polyhedron = ppl.C_Polyhedron(system)

    @property
    def vertices(self):
        return {
            tuple(Fraction(int(c), int(point.divisor())) for c in point.coefficients())
            for point in self.polyhedron.minimized_generators()
        }

    @property
    def halfspaces(self):
        rows = self.polyhedron.minimized_constraints()
        return {whole_halfspace(row.coefficients(), row.inhomogeneous_term()) for row in rows}


@st.composite
def integer_rows(draw, fewest, most, size=4):
    """Integer rows that span, d = 2 to 4."""
    dim = draw(st.integers(2, 4))
    shape = (draw(st.integers(dim + fewest, dim + most)), dim)
    rows = draw(arrays(np.int64, shape, elements=st.integers(-size, size)))
    assume(np.linalg.matrix_rank(rows) == dim)
    return rows


@st.composite
def centred_points(draw):
    """Integer points in general or special position, with their mean at the origin."""
    rows = draw(integer_rows(2, 6))
    rows = len(rows) * rows - rows.sum(axis=0)
    assume(np.linalg.matrix_rank(rows) == rows.shape[1])
    return rows


class TestCrystal:
    """2^{d-1} W_d has integer vertices."""

    @pytest.mark.parametrize("dim", [2, 3, 4])
    def test_all_signed_sums(self, normaliz, ppl, dim):
        generators = signs(dim)
        for exact in (
            ByNormaliz(normaliz, signed_sums(generators)),
            ByPPL(ppl, np.unique(signed_sums(generators), axis=0)),
        ):
            assert points_of(vertices(generators)) == exact.vertices
            assert our_halfspaces(generators) == exact.halfspaces

    @pytest.mark.parametrize("dim", [2, 3, 4, 5])
    def test_volume_and_faces(self, normaliz, ppl, dim):
        """The hull of our vertices lies within the crystal; of the same volume, it is the crystal."""
        generators = signs(dim)
        exact, again = ByNormaliz(normaliz, vertices(generators)), ByPPL(ppl, vertices(generators))
        assert exact.volume == 2**dim * sum_abs_det(generators) == 2**dim * crystal_determinants(dim)
        assert exact.f_vector == f_vector(generators)
        assert exact.vertices == again.vertices == points_of(vertices(generators))
        assert exact.halfspaces == again.halfspaces == our_halfspaces(generators)
        volume = float(exact.volume / 2 ** (dim * (dim - 1)))
        assert float(LinfCrystal(dim).volume) == pytest.approx(volume, rel=1e-14)

    @pytest.mark.parametrize("dim", [2, 3, 4, 5])
    def test_as_a_polytope(self, ppl, dim):
        polytope = explicit(LinfCrystal(dim, 2.0 ** (dim - 1)))
        exact = ByPPL(ppl, np.rint(polytope.vertices).astype(int))
        assert points_of(polytope.vertices) == exact.vertices
        assert_same_facets(polytope, exact.halfspaces)

    @pytest.mark.parametrize("dim", [2, 3, 4])
    @pytest.mark.parametrize("name", ["cube", "cross-polytope", "crystal"])
    def test_phi_against_linf_by_volumes(self, normaliz, name, dim):
        """‖v‖ Vol(Π_v S) = Vol(S + [0, v]) - Vol(S) for convex S; all sign vectors v lose as much as (1, …, 1)."""
        body, corners = {
            "cube": (cube(dim), signed_sums(np.eye(dim, dtype=int))),
            "cross-polytope": (CrossPolytope(dim), np.concatenate([np.eye(dim), -np.eye(dim)]).astype(int)),
            "crystal": (LinfCrystal(dim), vertices(signs(dim))),
        }[name]
        volume, shadow = volume_and_shadow(normaliz, corners, np.ones(dim, dtype=int))
        others = [
            volume_and_shadow(normaliz, corners, v)[1]
            for v in signed_sums(np.eye(dim, dtype=int))[: 2 ** (dim - 1)]
        ]
        assert set(others) == {shadow}
        # shadows scale with the power d-1 of a body's size, volumes with d
        expected = float(shadow) / float(volume) ** ((dim - 1) / dim)
        assert float(phi(body, Linf()).value) == pytest.approx(expected, rel=1e-12)
        least = float(lower_bound(Linf(), dim))
        assert expected == pytest.approx(least, rel=1e-12) if name == "crystal" else expected >= least

    @pytest.mark.parametrize(
        "shift", [(1, 0), (1, 1), (0, 1, 0), (1, 1, 1), (2, -1, 1), (1, 0, 0, 0), (1, 1, 1, 1)]
    )
    def test_covariogram(self, normaliz, shift):
        """The volume of 2^{d-1} W ∩ (2^{d-1} W + v), which Normaliz finds from both sets of halfspaces."""
        dim = len(shift)
        rows = []
        for normal, height in our_halfspaces(signs(dim)):
            moved = height + sum(n * v for n, v in zip(normal, shift, strict=True))
            rows += [[*(-n for n in normal), int(height)], [*(-n for n in normal), int(moved)]]
        kept = Fraction(normaliz.Cone(inhom_inequalities=rows).Volume()) / math.factorial(dim)
        share = covariogram(LinfCrystal(dim, 2.0 ** (dim - 1)), np.array(shift, dtype=float))
        expected = float(kept / (2**dim * sum_abs_det(signs(dim))))
        assert 0 < expected < 1 and abs(float(share) - expected) <= share.error + 1e-14


def volume_and_shadow(normaliz, corners, v):
    """(Vol(S), ‖v‖ Vol(Π_v S)) of the hull S of integer corners, for an integer v."""
    corners = np.asarray(corners)
    volume = ByNormaliz(normaliz, corners).volume
    swept = ByNormaliz(normaliz, np.unique(np.concatenate([corners, corners + v]), axis=0)).volume
    return volume, swept - volume


def assert_same_facets(polytope, halfspaces):
    """Our <a, x> ≤ 1 beside exact <n, x> ≤ h."""
    exact = np.array([[float(c / height) for c in normal] for normal, height in halfspaces])
    assert len(polytope.facets) == len(exact)
    nearest = np.abs(polytope.facets[:, None] - exact).max(axis=2)
    assert (nearest.min(axis=1) <= 1e-12 * np.abs(exact).max()).all()
    assert len(set(nearest.argmin(axis=1).tolist())) == len(exact)


class TestRandomBodies:
    @settings(max_examples=40)
    @given(integer_rows(0, 4))
    def test_zonotopes(self, normaliz, ppl, generators):
        exact = ByNormaliz(normaliz, signed_sums(generators))
        again = ByPPL(ppl, np.unique(signed_sums(generators), axis=0))
        assert points_of(vertices(generators)) == exact.vertices == again.vertices
        assert our_halfspaces(generators) == exact.halfspaces == again.halfspaces
        assert f_vector(generators) == exact.f_vector
        assert 2 ** generators.shape[1] * sum_abs_det(generators) == exact.volume

    @settings(max_examples=40)
    @given(centred_points())
    def test_polytopes(self, normaliz, ppl, points):
        exact, again = ByNormaliz(normaliz, points), ByPPL(ppl, points)
        body = Polytope(points)
        assert points_of(body.vertices) == exact.vertices == again.vertices
        assert exact.halfspaces == again.halfspaces
        assert_same_facets(body, exact.halfspaces)
        assert skeleton.f_vector(body) == exact.f_vector
        assert float(body.volume) == pytest.approx(float(exact.volume), rel=1e-12)

    @settings(max_examples=25)
    @given(integer_rows(1, 3, size=3), st.integers(0, 10**6))
    def test_shadows(self, normaliz, generators, seed):
        """Of a zonotope, of the polytope with its generators as vertices, and of a linear image of that."""
        dim = generators.shape[1]
        rng = np.random.default_rng(seed)
        v, matrix = rng.integers(-3, 4, dim), rng.integers(-2, 3, (dim, dim))
        assume(v.any() and round(np.linalg.det(matrix)) != 0)
        both = np.concatenate([generators, -generators])
        for body, corners in (
            (Zonotope(generators), vertices(generators)),
            (Polytope(both), both),
            (Affine(Polytope(both), matrix.astype(float)), both @ matrix.T),
        ):
            volume, shadow = volume_and_shadow(normaliz, corners, v)
            found = body.relative_shadow(v)
            assert float(found) == pytest.approx(float(shadow / volume), rel=1e-11)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")  # spglib's own use of spglib
class TestMaterialsScience:
    """A crystal's surface energy is ∮ h(n), and Φ ≥ half of it for every body of volume 1: the mean over the vertices v
    of the cube of ½ ∮ |<n, v>|. For bodies with the cube's symmetries all v are alike, so that Φ is half the energy.
    """

    @pytest.fixture
    def particle(self, wulffpack):
        """From Miller indices, WulffPack's particle of cubic symmetry with h(n) = E|<σ, n>| as surface energies."""

        def energy(miller):
            sums = signed_sums(np.array(miller)[:, None])
            return float(np.abs(sums).mean()) / math.hypot(*miller)

        return lambda *millers: wulffpack.SingleCrystal({miller: energy(miller) for miller in millers})

    @staticmethod
    def energy_at_unit_volume(particle):
        return particle.surface_energy / particle.volume ** (2 / 3)

    def test_the_rhombic_dodecahedron(self, particle):
        """Of all these surfaces only the twelve {110} are left, and the energy is 3·2^{1/3}, twice the least Φ."""
        found = particle((1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 0), (2, 1, 1), (2, 2, 1), (3, 2, 1))
        assert [form.parent_miller_indices for form in found.forms] == [(1, 1, 0)]
        assert len(found.facets) == 12 and found.number_of_corners == 14
        assert self.energy_at_unit_volume(found) == pytest.approx(3 * 2 ** (1 / 3), rel=1e-12)
        assert float(lower_bound(Linf(), 3)) == pytest.approx(
            self.energy_at_unit_volume(found) / 2, rel=1e-12
        )
        assert float(phi(LinfCrystal(3), Linf()).value) == pytest.approx(
            self.energy_at_unit_volume(found) / 2, rel=1e-12
        )

    def test_its_corners_and_normals(self, particle):
        found = particle((1, 1, 0))
        size = (2 / found.volume) ** (1 / 3)  # Vol(W_3) = 2
        corners = np.unique(
            np.round([size * c for facet in found.facets for c in facet.vertices], 9) + 0.0, axis=0
        )
        ours = np.unique(Zonotope(crystal_generators(Linf(), 3)).vertices + 0.0, axis=0)
        np.testing.assert_allclose(corners, ours, atol=1e-9)
        normals = np.array([facet.normal for facet in found.facets])
        np.testing.assert_allclose(
            LinfCrystal(3).support(normals), [facet.energy for facet in found.facets], rtol=1e-12
        )

    @pytest.mark.parametrize(("miller", "body"), [((1, 0, 0), cube(3)), ((1, 1, 1), CrossPolytope(3))])
    def test_other_shapes(self, particle, miller, body):
        """Cube and octahedron, by cutting with one kind of surface only."""
        energy = self.energy_at_unit_volume(particle(miller))
        assert float(phi(body, Linf()).value) == pytest.approx(energy / 2, rel=1e-12)
        assert energy > 3 * 2 ** (1 / 3)


def rationals(rows):
    """Floats, exactly."""
    return [tuple(map(Fraction, row)) for row in np.asarray(rows).tolist()]


def add(p, q):
    return tuple(a + b for a, b in zip(p, q, strict=True))


def minus(p, q):
    return tuple(a - b for a, b in zip(p, q, strict=True))


def cross(p, q):
    return (p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0])


def dot(p, q):
    return sum(a * b for a, b in zip(p, q, strict=True))


def turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def plane_hull(points):
    """Andrew's monotone chain in fractions: the vertices, counter-clockwise."""

    def chain(ordered):
        kept = []
        for point in ordered:
            while len(kept) > 1 and turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    ordered = sorted(set(points))
    return chain(ordered) + chain(ordered[::-1])


def space_hull(points):
    """(vertices, volume) of the hull in fractions. Qhull proposes triangles; every point is then shown to lie on the
    inner side of each of their planes, exactly, and the volume is summed from their exact determinants.
    """
    points = sorted(set(points))
    middle = tuple(sum(column) / len(points) for column in zip(*points, strict=True))
    hull = ConvexHull(np.array(points, dtype=float))
    planes, total = {}, Fraction(0)
    for triangle in hull.simplices.tolist():
        a, b, c = (points[i] for i in triangle)
        normal = cross(minus(b, a), minus(c, a))
        height = dot(normal, a)
        side = dot(normal, middle) - height
        if side == 0:  # Qhull cut a facet into triangles, one of them flat
            assert not any(normal)
            continue
        if side > 0:
            normal, height = tuple(-n for n in normal), -height
        total += abs(side)
        scale = max(map(abs, normal))
        planes[tuple(n / scale for n in normal)] = height / scale
    assert all(dot(normal, p) <= height for normal, height in planes.items() for p in points)
    on = {p: [n for n, height in planes.items() if dot(n, p) == height] for p in points}
    corners = {
        p for p, normals in on.items() if any(dot(cross(k, m), n) for k, m, n in combinations(normals, 3))
    }
    return corners, total / 6


def sum_of_segments(generators):
    """(vertices, volume) of Σ [-g, g] in fractions, one segment after the other; g in the plane or in space."""
    points = {(Fraction(0),) * len(generators[0])}
    for number, g in enumerate(generators):
        back = tuple(-c for c in g)
        points = {add(p, step) for p in points for step in (g, back)}
        if number >= len(g):  # until then the sum may be flat, and has few points
            points = set(plane_hull(points)) if len(g) == 2 else space_hull(points)[0]
    if len(generators[0]) == 3:
        return space_hull(points)
    corners = plane_hull(points)
    turns = zip(corners, corners[1:] + corners[:1], strict=True)
    return set(corners), sum((a[0] * b[1] - a[1] * b[0] for a, b in turns), Fraction(0)) / 2


HEXAGON = PolytopeNorm(np.array([[2.0, 0], [1, 2], [-1, 2], [-2, 0], [-1, -2], [1, -2]]))
CUBOCTAHEDRON = PolytopeNorm(np.array([p for p in product((-1.0, 0, 1), repeat=3) if sum(map(abs, p)) == 2]))
SUMS = {
    "linf, d=2": (Linf(), 2),
    "linf, d=3": (Linf(), 3),
    "l1, d=2": (L1(), 2),
    "l1, d=3": (L1(), 3),
    "hexagon": (HEXAGON, 2),
    "cuboctahedron": (CUBOCTAHEDRON, 3),
}


class TestMinkowskiSumsInFractions:
    @pytest.mark.parametrize("name", SUMS)
    def test_crystals(self, name):
        """Σ [-g, g] over the pairs ±y of vertices of the ball, g = 2y/|Vert(B)|."""
        norm, dim = SUMS[name]
        ball = norm.vertices(dim)
        scale = len(ball)  # the crystal times this has generators 2y, integers
        whole = [tuple(2 * c for c in y) for y in rationals(ball) if y > (0,) * dim]
        corners, volume = sum_of_segments(whole)
        assert 2 * len(whole) == scale
        body = wulff_crystal(norm, dim)
        assert float(body.volume) == pytest.approx(float(volume / scale**dim), rel=1e-14)
        found = np.round(explicit(body).vertices * scale, 9)
        assert points_of(found + 0.0) == {tuple(map(float, p)) for p in corners}

    @settings(max_examples=30)
    @given(st.integers(2, 3), st.integers(0, 3), st.integers(0, 10**6))
    def test_random_segments(self, dim, more, seed):
        """Generators in quarters, which are floats exactly: the vertices agree to the last bit."""
        generators = np.random.default_rng(seed).integers(-6, 7, (dim + more, dim)) / 4
        assume(np.linalg.matrix_rank(generators) == dim)
        corners, volume = sum_of_segments(rationals(generators))
        assert set(rationals(vertices(generators))) == corners
        assert float(Zonotope(generators).volume) == pytest.approx(float(volume), rel=1e-14)


class TestMinkowskiSumsByCGAL:
    """CGAL adds solids and no bare segments, so that segments come in twos and threes: parallelograms, boxes."""

    def test_plane(self, skgeom):
        """Of a hexagonal norm: three parallelograms from the three pairs of generators add up to the crystal twice."""
        generators = rationals(2 * HEXAGON.vertices(2)[:3])
        total = None
        for pair in combinations(generators, 2):
            corners = plane_hull(
                [
                    tuple(a * x + b * y for x, y in zip(*pair, strict=True))
                    for a, b in product((1, -1), repeat=2)
                ]
            )
            tile = skgeom.Polygon([skgeom.Point2(*map(float, corner)) for corner in corners])
            total = tile if total is None else skgeom.minkowski.minkowski_sum(total, tile).outer_boundary()
        found = plane_hull([(Fraction(float(p.x())), Fraction(float(p.y()))) for p in total.vertices])
        assert {tuple(c / 2 for c in p) for p in found} == sum_of_segments(generators)[0]

    def test_space(self, skgeom, tmp_path):
        """Four boxes, each of three of the generators of 4 W_3, add up to 12 W_3."""
        total = None
        for number, triple in enumerate(combinations(signs(3), 3)):
            path = tmp_path / f"{number}.obj"
            path.write_text(_parallelepiped(np.array(triple)))
            tile = skgeom.polyhedron_from_string(str(path))
            total = tile if total is None else skgeom.minkowski.minkowski_sum(total, tile)
        points = [vertex.point() for vertex in total.vertices]
        found = [tuple(Fraction(float(c)) / 3 for c in (p.x(), p.y(), p.z())) for p in points]
        corners, volume = space_hull(found)
        assert corners == set(rationals(vertices(signs(3)))) and volume == 8 * sum_abs_det(signs(3))


def _parallelepiped(generators):
    """As a Wavefront file, its sides cut into triangles that turn outwards."""
    corners = signed_sums(generators)
    lines = [f"v {x} {y} {z}" for x, y, z in corners.tolist()]
    for a, b, c in ConvexHull(corners).simplices.tolist():
        p, q, r = corners[[a, b, c]]
        outwards = np.dot(np.cross(q - p, r - p), p) > 0
        lines.append("f " + " ".join(str(i + 1) for i in ((a, b, c) if outwards else (a, c, b))))
    return "\n".join(lines) + "\n"
