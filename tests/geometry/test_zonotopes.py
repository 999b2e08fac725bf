"""Zonotopes against brute force over subsets in exact integers, Qhull, closed forms and published counts."""

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import ConvexHull
from scipy.special import factorial
from scipy.stats import chi2, kstest

from geometry.bodies import Polytope, Zonotope
from geometry.errors import InputError
from geometry.norms import Linf
from geometry.zonotopes import (
    crystal_determinants,
    crystal_log_determinant,
    determinants,
    edges,
    f_vector,
    facets,
    log_sum_abs_det,
    sample_zonotope,
    sum_abs_det,
    sum_abs_det_monte_carlo,
    vertices,
)
from geometry.zonotopes.determinants import bareiss
from geometry.zonotopes.flats import flats
from geometry.zonotopes.segments import segments
from geometry.zonotopes.tiling import _HEIGHTS, random_bases

# The linf crystal by Normaliz and PPL, in exact integers: d to (vertices, facets, Σ|det|, volume).
CRYSTAL = {
    2: (4, 4, 2, Fraction(2)),
    3: (14, 12, 16, Fraction(2)),
    4: (104, 40, 480, Fraction(15, 8)),
    5: (1882, 280, 53760, Fraction(105, 64)),
    6: (94572, 6508, 22487040, Fraction(2745, 2048)),
}
F_VECTORS = {2: (4, 4), 3: (14, 24, 12), 4: (104, 256, 192, 40), 5: (1882, 5920, 6080, 2320, 280)}

# OEIS A089478: how many (0,1)-matrices of order n have determinant k = 0, 1, 2, …, and as many have -k.
BINARY_DETERMINANTS = {
    2: [10, 3],
    3: [338, 84, 3],
    4: [42976, 10020, 1200, 60],
    5: [21040112, 4851360, 1213920, 144720, 43560, 3600],
    6: [
        *(39882864736, 9240051240, 3868663680, 768723480, 418703040),
        *(63612360, 46569600, 6438600, 5014800, 529200),
    ],
}

# Seeded, so these never fail by chance; with fresh seeds each statistical test would once in this many runs.
FALSE_ALARM = 1e-6


def signs(dim):
    """The 2^{d-1} sign vectors up to sign."""
    return np.array([(1, *rest) for rest in product((1, -1), repeat=dim - 1)])


def crystal_generators(dim):
    return signs(dim) * 2.0 ** (1 - dim)


def permutohedron(dim):
    """The segments e_i - e_j in the plane Σ x = 0 of R^{d+1}, in the coordinates 1, …, d of that plane."""
    rows = np.eye(dim + 1, dtype=int)
    return np.array([(rows[i] - rows[j])[:dim] for i, j in combinations(range(dim + 1), 2)])


def det(matrix):
    """By Leibniz's expansion along the first row, in Python ints or Fractions."""
    if not matrix:
        return 1
    top, *rest = matrix
    return sum((-1) ** j * a * det([row[:j] + row[j + 1 :] for row in rest]) for j, a in enumerate(top) if a)


def brute_sum(rows):
    rows = [list(map(int, row)) for row in np.asarray(rows).tolist()]
    return sum(abs(det(list(subset))) for subset in combinations(rows, len(rows[0])))


def hull(generators):
    """Qhull's hull of all signed sums."""
    choices = np.array(list(product((1.0, -1.0), repeat=len(generators))))
    return ConvexHull(choices @ generators)


def qhull_facets(hull):
    return len(np.unique(np.round(hull.equations, 7) + 0.0, axis=0))


@st.composite
def integer_generators(draw, most=7, size=3):
    dim = draw(st.integers(2, 4))
    shape = (draw(st.integers(dim, most)), dim)
    rows = draw(arrays(np.int64, shape, elements=st.integers(-size, size)))
    assume(np.linalg.matrix_rank(rows) == dim)
    return rows


class TestCrystal:
    @pytest.mark.parametrize("dim", CRYSTAL)
    def test_determinants_and_volume(self, dim):
        _, _, total, volume = CRYSTAL[dim]
        assert sum_abs_det(signs(dim)) == total == crystal_determinants(dim)
        assert Fraction(2**dim * total, 2 ** (dim * (dim - 1))) == volume
        assert Zonotope(crystal_generators(dim)).volume.value == pytest.approx(float(volume), rel=1e-14)

    @pytest.mark.parametrize("order", BINARY_DETERMINANTS)
    def test_determinants_are_those_of_published_counts(self, order):
        """det of a ±1 matrix of order d is ±2^{d-1} det of a (0,1)-matrix of order d-1, all equally often."""
        counts, dim = BINARY_DETERMINANTS[order], order + 1
        assert counts[0] + 2 * sum(counts[1:]) == 2 ** (order * order)
        mean = 2**order * Fraction(2 * sum(k * c for k, c in enumerate(counts)), 2 ** (order * order))
        # d! orders of 2^{d-1} choices up to sign for each row
        assert crystal_determinants(dim) == mean * 2 ** (dim * order) / math.factorial(dim)

    @pytest.mark.parametrize("dim", F_VECTORS)
    def test_faces(self, dim):
        for generators in (signs(dim), crystal_generators(dim), signs(dim) * 0.3):
            assert f_vector(generators) == F_VECTORS[dim]
            assert len(vertices(generators)) == F_VECTORS[dim][0]
            assert len(edges(generators)) == F_VECTORS[dim][1]
            assert 2 * len(facets(generators)[0]) == F_VECTORS[dim][-1]

    def test_faces_in_six_dimensions(self):
        points, (normals, heights) = vertices(signs(6)), facets(signs(6))
        assert points.dtype == np.int64 and normals.dtype == np.int64
        assert len(points) == CRYSTAL[6][0] and 2 * len(normals) == CRYSTAL[6][1]
        counts = f_vector(signs(6))
        assert (counts[0], counts[-1]) == CRYSTAL[6][:2] and sum(
            (-1) ** k * f for k, f in enumerate(counts)
        ) == 0
        # all inside, each on at least d facets; every thirtieth vertex, in floats that hold these integers
        reach = np.abs(points[::30].astype(float) @ normals.T.astype(float))
        assert (reach <= heights).all() and (reach == heights).sum(axis=1).min() >= 6

    def test_float_generators_find_the_same_faces(self):
        """An irrational rotation leaves no lattice, and the same faces."""
        turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))
        turned = signs(4) @ turn
        assert not segments(turned).exact and f_vector(turned) == F_VECTORS[4]
        assert len(vertices(turned)) == 104 and len(edges(turned)) == 256
        assert math.exp(log_sum_abs_det(turned).value) == pytest.approx(480, rel=1e-13)

    @pytest.mark.parametrize("dim", [2, 3, 4, 5, 6])
    def test_shadow_along_an_axis_is_the_crystal_one_dimension_below(self, dim):
        below = float(CRYSTAL[dim - 1][3]) if dim > 2 else 2.0
        shadow = Zonotope(crystal_generators(dim)).shadow(np.eye(dim))
        np.testing.assert_allclose(shadow.value, below, rtol=1e-12)

    @pytest.mark.parametrize(
        ("dim", "linf", "l1"),
        [
            (2, 1.4142135624, 1.41421356),
            (3, 1.8898815748, 1.25992105),
            (4, 2.3403473193, 1.24818524),
            (5, 2.7602084031, 1.26180956),
            (6, 3.1500926023, None),
        ],
    )
    def test_largest_shadows_at_unit_volume(self, dim, linf, l1):
        body = Zonotope(crystal_generators(dim))
        share = math.exp(body.log_volume.value / dim)
        assert body.relative_shadow(signs(dim)).value.max() * share == pytest.approx(linf, rel=1e-9)
        if l1:
            assert body.relative_shadow(np.eye(dim)).value.max() * share == pytest.approx(l1, rel=1e-8)

    def test_gauge_of_axes_and_diagonal(self):
        """|e_i| = 1 and |(1, …, 1)| = d / E|S_d|, E|S_d| = d 2^{1-d} C(d-1, ⌊(d-1)/2⌋)."""
        for dim in (2, 3, 4, 5, 6):
            body = Zonotope(crystal_generators(dim))
            walk = dim * 2.0 ** (1 - dim) * math.comb(dim - 1, (dim - 1) // 2)
            np.testing.assert_allclose(body.gauge(np.eye(dim)).value, 1, rtol=1e-13)
            assert body.gauge(np.ones(dim)).value == pytest.approx(dim / walk, rel=1e-13)

    def test_log_determinant_by_monte_carlo(self):
        """E|det M| beyond d = 7 lies below (E det²)^½ = √d!, by about the spread of its logarithm."""
        for dim in (8, 30, 100):
            estimate = crystal_log_determinant(dim, samples=400, seed=1)
            root = 0.5 * math.lgamma(dim + 1)
            assert root - 2 < estimate.value < root and 0 < estimate.error < 2
        exact = 3 * math.log(2) + math.log(Fraction(2 * sum(k * c for k, c in enumerate([338, 84, 3])), 2**9))
        assert crystal_log_determinant(4).value == pytest.approx(exact, abs=1e-13)


class TestClosedForms:
    def test_cube(self):
        for dim in (1, 2, 3, 5):
            cube = Zonotope(np.eye(dim, dtype=int))
            assert math.exp(cube.log_volume.value) == pytest.approx(2**dim, rel=1e-14)
            # k-faces of the cube: 2^{d-k} C(d, k)
            assert cube.f_vector == tuple(2 ** (dim - k) * math.comb(dim, k) for k in range(dim))
            assert {tuple(v) for v in cube.vertices} == set(product((-1, 1), repeat=dim))
            assert len(cube.edges) == (dim * 2 ** (dim - 1))

    def test_hexagon(self):
        generators = np.array([[1, 0], [0, 1], [1, 1], [2, 2], [0, 0], [0, -1]])
        # merged: (1,0), 2·(0,1), 3·(1,1); area 4 (1·2 + 1·3 + 2·3), from the lower left along x first
        expected = [[-4, -5], [-2, -5], [4, 1], [4, 5], [2, 5], [-4, -1]]
        np.testing.assert_array_equal(vertices(generators), expected)
        assert sum_abs_det(generators) == 11 and f_vector(generators) == (6, 6)
        assert Zonotope(generators).volume.value == pytest.approx(44, rel=1e-14)

    @pytest.mark.parametrize("dim", [2, 3, 4, 5])
    def test_permutohedron(self, dim):
        """(d+1)! vertices; 2^{d+1} - 2 facets; k-faces are ordered partitions; Σ|det| counts the (d+1)^{d-1} trees."""

        def ordered_partitions(n, blocks):
            return sum((-1) ** j * math.comb(blocks, j) * (blocks - j) ** n for j in range(blocks + 1))

        generators = permutohedron(dim)
        assert sum_abs_det(generators) == (dim + 1) ** (dim - 1)
        assert f_vector(generators) == tuple(ordered_partitions(dim + 1, dim + 1 - k) for k in range(dim))
        assert len(vertices(generators)) == factorial(dim + 1, exact=True)
        assert len(edges(generators)) == dim * factorial(dim + 1, exact=True) // 2  # a simple polytope

    def test_shadow_is_the_zonotope_of_projected_generators(self):
        rng = np.random.default_rng(2)
        rows = rng.integers(-4, 5, size=(7, 4))
        # along e_4 the generators lose their last entry
        shadow = Zonotope(rows).shadow([0, 0, 0, 1.0])
        assert shadow.value == pytest.approx(2**3 * brute_sum(rows[:, :3]), rel=1e-13)


class TestDeterminants:
    @given(integer_generators())
    def test_brute_force(self, rows):
        total = brute_sum(rows)
        assert sum_abs_det(rows) == total
        assert log_sum_abs_det(rows * 0.1).value == pytest.approx(
            math.log(total) - rows.shape[1] * math.log(10), abs=1e-12
        )

    def test_beyond_sixty_four_bits(self):
        rows = np.random.default_rng(3).integers(-(10**12), 10**12, size=(6, 4))
        assert flats(rows).segments.rows.dtype == object
        assert sum_abs_det(rows) == brute_sum(rows) > 2**63
        huge = [[10**30 + 1, 10**30], [10**30, 10**30 - 1], [1, 0]]
        assert sum_abs_det(np.array(huge, dtype=object)) == brute_sum_of(huge)

    def test_few_more_generators_than_dimensions(self):
        """d = 24: the middle ranks have millions of flats, the subsets are 25. |det| of I and one column: 1 + Σ|x|."""
        row = np.arange(-11, 13)
        rows = np.vstack([np.eye(24, dtype=int), row])
        assert sum_abs_det(rows) == 1 + int(np.abs(row).sum())
        estimate = log_sum_abs_det(rows)
        assert abs(estimate.value - math.log(1 + np.abs(row).sum())) <= estimate.error + 1e-15

    def test_elimination(self):
        rng = np.random.default_rng(4)
        matrices = rng.integers(-2, 3, size=(200, 5, 5))
        expected = [det(matrix) for matrix in matrices.tolist()]
        assert bareiss(matrices).tolist() == expected and 0 in expected

    def test_monte_carlo_covers_the_exact_value(self):
        for seed in range(5):
            estimate = sum_abs_det_monte_carlo(signs(5), samples=4000, seed=seed)
            assert abs(estimate.value - math.log(CRYSTAL[5][2])) < estimate.error < 0.2

    def test_floats_with_more_subsets_than_are_listed(self, monkeypatch):
        """The sum over flats, forced here, against LU over all subsets."""
        rows = np.random.default_rng(16).normal(size=(15, 4))
        dets = np.linalg.det(rows[list(combinations(range(15), 4))])
        by_subsets = log_sum_abs_det(rows)
        monkeypatch.setattr(determinants, "MOST_SUBSETS", 100)
        by_flats = log_sum_abs_det(rows)
        for estimate, bound in ((by_subsets, 1e-13), (by_flats, 1e-7)):
            assert abs(estimate.value - math.log(np.abs(dets).sum())) < 1e-13 and estimate.error < bound
            assert estimate.method == "exact"

    def test_monte_carlo_in_a_hundred_dimensions(self):
        """Gaussian matrices: E|det| = 2^{d/2} Γ((d+1)/2) / Γ(1/2)."""
        estimate = determinants.log_mean_abs_det(
            lambda size, rng: rng.normal(size=(size, 100, 100)), samples=1000, seed=0, numbers=10**4
        )
        expected = 50 * math.log(2) + math.lgamma(50.5) - math.lgamma(0.5)
        assert abs(estimate.value - expected) < estimate.error < 0.6

    def test_kinds_of_integers(self):
        rows = np.array([[2, 1], [1, 3], [1, 0]])
        for kind in (np.int8, np.uint16, np.uint64, object):
            assert sum_abs_det(rows.astype(kind)) == 5 + 1 + 3
        for zeros in (np.zeros((3, 2)), np.zeros((3, 2), dtype=int)):
            with pytest.raises(InputError, match="span"):
                log_sum_abs_det(zeros)

    def test_generators_that_do_not_span(self):
        assert sum_abs_det([[1, 2, 3], [2, 4, 6], [1, 0, 0], [0, 0, 0]]) == 0
        assert sum_abs_det([[1, 2, 3]]) == 0
        for question in (vertices, facets, f_vector, log_sum_abs_det, Zonotope):
            with pytest.raises(InputError, match="span"):
                question(np.array([[1, 2, 3], [2, 4, 6], [1, 0, 0], [0, 0, 0]]))


def brute_sum_of(rows):
    return sum(abs(det(list(subset))) for subset in combinations(rows, len(rows[0])))


class TestFaces:
    @settings(max_examples=40)
    @given(integer_generators())
    def test_against_qhull(self, rows):
        qhull, counts = hull(rows), f_vector(rows)
        points, (normals, heights) = vertices(rows), facets(rows)
        assert points.dtype == np.int64
        expected = {tuple(v) for v in np.rint(qhull.points[qhull.vertices]).astype(int).tolist()}
        assert {tuple(v) for v in points.tolist()} == expected and len(points) == len(expected) == counts[0]
        assert 2 * len(normals) == qhull_facets(qhull) == counts[-1]
        assert (np.gcd.reduce(normals, axis=1) == 1).all()
        assert (np.abs(points @ normals.T).max(axis=0) == heights).all()
        assert sum((-1) ** k * f for k, f in enumerate(counts)) == 1 - (-1) ** rows.shape[1]  # Euler
        assert len(edges(rows)) == counts[1]
        assert 2.0 ** rows.shape[1] * sum_abs_det(rows) == pytest.approx(qhull.volume, rel=1e-9)

    @settings(max_examples=20)
    @given(st.integers(0, 10**6), st.integers(2, 4), st.integers(0, 3))
    def test_floats_against_qhull(self, seed, dim, more):
        rows = np.random.default_rng(seed).normal(size=(dim + more, dim))
        qhull = hull(rows)
        assert f_vector(rows)[0] == len(vertices(rows)) == len(qhull.vertices)
        assert 2 * len(facets(rows)[0]) == qhull_facets(qhull)
        # generic zonotopes: f_0 = 2 Σ_{i<d} C(n-1, i)
        assert len(qhull.vertices) == 2 * sum(math.comb(len(rows) - 1, i) for i in range(dim))

    def test_edges_are_edges(self):
        """The two ends of an edge share d - 1 or more independent facets; other pairs fewer."""
        rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, -1, 0]])
        points, (normals, heights) = vertices(rows), facets(rows)
        both = np.concatenate([normals, -normals])
        on = points @ both.T == np.concatenate([heights, heights])
        expected = {
            (i, j)
            for i, j in combinations(range(len(points)), 2)
            if np.linalg.matrix_rank(both[on[i] & on[j]]) == 2
        }
        assert {tuple(pair) for pair in edges(rows).tolist()} == expected

    def test_polygon_goes_around(self):
        for rows in (np.random.default_rng(6).normal(size=(9, 2)), signs(2), [[3, 1], [-1, 2], [0, -1]]):
            points = vertices(rows).astype(float)
            step = np.roll(points, -1, axis=0) - points
            turn = step[:, 0] * np.roll(step[:, 1], -1) - step[:, 1] * np.roll(step[:, 0], -1)
            assert (turn > 0).all() and len(points) == 2 * len(segments(rows).rows)


class TestSamples:
    @pytest.mark.parametrize("dim", [2, 3, 4, 5])
    def test_gauge_of_uniform_points(self, dim):
        """P(gauge ≤ t) = t^d."""
        body = Zonotope(crystal_generators(dim))
        gauge = body.gauge(body.sample(20_000, seed=dim)).value
        assert gauge.max() <= 1 and kstest(gauge**dim, "uniform").pvalue > FALSE_ALARM

    def test_gauge_of_uniform_points_in_six_dimensions(self):
        body = Zonotope(crystal_generators(6))
        gauge = body.gauge(body.sample(3000, seed=6)).value
        assert gauge.max() <= 1 and kstest(gauge**6, "uniform").pvalue > FALSE_ALARM

    def test_cells(self):
        """Counts of points of a polygon in the cells of a grid, against the areas of the cells that lie within."""
        rows = np.array([[3, 1], [-1, 2], [2, 2], [0, 1]])
        x = sample_zonotope(rows, 200_000, seed=7)
        normals, heights = facets(rows)
        cells, counts = np.unique(np.floor(x), axis=0, return_counts=True)
        ends = cells[:, None, :] + np.array(list(product((0, 1), repeat=2)))
        whole = (np.abs(ends @ normals.T) <= heights).all(axis=(1, 2))
        expected = len(x) / (4 * brute_sum(rows))
        assert whole.sum() > 50
        statistic = ((counts[whole] - expected) ** 2 / expected).sum()
        assert chi2.sf(statistic, whole.sum()) > FALSE_ALARM

    def test_bases_by_determinant(self):
        rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, -1, 2], [0, 1, 1]])
        bases = np.sort(random_bases(flats(rows), 50_000, np.random.default_rng(8)), axis=1)
        volumes = {J: abs(det(rows[list(J)].tolist())) for J in combinations(range(6), 3)}
        found, counts = np.unique(bases, axis=0, return_counts=True)
        seen = {tuple(J): count for J, count in zip(found.tolist(), counts.tolist(), strict=True)}
        assert all(volumes[J] for J in seen)
        total = sum(volumes.values())
        terms = [
            (seen.get(J, 0) - 50_000 * v / total) ** 2 / (50_000 * v / total) for J, v in volumes.items() if v
        ]
        assert chi2.sf(sum(terms), len(terms) - 1) > FALSE_ALARM

    def test_seed_and_count(self):
        same = sample_zonotope(signs(3), 5, seed=1)
        np.testing.assert_array_equal(same, sample_zonotope(signs(3), 5, seed=1))
        assert sample_zonotope(signs(3), 0, seed=1).shape == (0, 3)
        with pytest.raises(InputError, match="count"):
            sample_zonotope(signs(3), -1, seed=1)

    @pytest.mark.parametrize("dim", [4, 5, 6])
    def test_no_height_of_the_crystals_tiling_is_near_a_hyperplane(self, dim):
        """Rounding (some 1e-14 here) decides no tile's place, over all bases of the crystal."""
        corners = Linf().vertices(dim)  # in the order that LinfCrystal takes them
        rows = flats(corners[corners[:, 0] > 0]).segments.rows.astype(float)
        heights = np.random.default_rng(_HEIGHTS).uniform(-1, 1, len(rows)) * math.sqrt(dim)
        subsets = np.array(list(combinations(range(len(rows)), dim)))
        nearest = np.inf
        for basis in np.array_split(subsets, 20):
            basis = basis[np.abs(np.linalg.det(rows[basis])) > 0.5]
            slope = np.linalg.solve(rows[basis], heights[basis][..., None])[..., 0]
            gap = np.abs(slope @ rows.T - heights)
            np.put_along_axis(gap, basis, np.inf, axis=1)
            nearest = min(nearest, gap.min(initial=np.inf))
        assert nearest > 1e-10


class TestBody:
    @settings(max_examples=25)
    @given(integer_generators(), st.integers(0, 10**6))
    def test_support_and_gauge_are_dual(self, rows, seed):
        body, rng = Zonotope(rows), np.random.default_rng(seed)
        u, x = rng.normal(size=(2, 20, body.dim))
        gauge, support = body.gauge(x).value, body.support(u).value
        assert ((x @ u.T) <= np.outer(gauge, support) * (1 + 1e-12)).all()
        # both are reached: at the support point and at the gradient
        point, gradient = body.support_point(u), body.gauge_gradient(x)
        np.testing.assert_allclose((point * u).sum(axis=1), support, rtol=1e-12)
        np.testing.assert_allclose(body.gauge(point).value, 1, rtol=1e-12)
        np.testing.assert_allclose((gradient * x).sum(axis=1), gauge, rtol=1e-12)
        np.testing.assert_allclose(body.support(gradient).value, 1, rtol=1e-12)

    def test_linear_program_agrees_with_the_facets(self):
        body = Zonotope(crystal_generators(4))
        x = np.random.default_rng(9).normal(size=(10, 4))
        exact = body.gauge(x).value
        bounds = np.array([body._program(point)[:2] for point in x])
        assert (bounds[:, 0] <= exact * (1 + 1e-14)).all() and (exact <= bounds[:, 1] * (1 + 1e-14)).all()
        np.testing.assert_allclose(bounds, np.stack([exact, exact], axis=1), rtol=1e-9)

    def test_shadow_by_three_ways(self):
        rows = np.random.default_rng(10).integers(-3, 4, size=(9, 4))
        body, v = Zonotope(rows), np.random.default_rng(11).normal(size=(6, 4))
        dets = [
            np.linalg.det(np.concatenate([np.tile(rows[list(J)], (6, 1, 1)), v[:, None]], axis=1))
            for J in combinations(range(9), 3)
        ]
        shadow = 2**3 * np.abs(dets).sum(axis=0)
        np.testing.assert_allclose(body.shadow(v).value, shadow, rtol=1e-12)
        relative = shadow / (2**4 * brute_sum(rows))
        for estimate in (body._random_shadow(v, samples=20_000), body.shadow_monte_carlo(v, samples=20_000)):
            assert (np.abs(estimate.value - relative) < estimate.error).all()
            assert (estimate.error < 0.1 * relative).all()

    def test_beyond_what_can_be_listed(self):
        """Forty generators in twelve dimensions, twelve of them long: near a box, and bounded by it on one side."""
        rng = np.random.default_rng(12)
        rows = np.vstack([np.eye(12), 1e-3 * rng.normal(size=(28, 12))])
        body = Zonotope(rows)
        assert not body.exact
        x = rng.normal(size=12)
        gauge = body.gauge(x)
        size = np.abs(x).max()
        assert gauge.method == "linear program" and gauge.error < 1e-9 * size
        assert size / (1 + 28 * 5e-3) < gauge.value < size
        assert body.support(body.gauge_gradient(x)).value == pytest.approx(1, rel=1e-12)
        with pytest.raises(InputError, match="flats"):
            body.sample(1, seed=0)

    def test_shadow_beyond_what_can_be_listed(self):
        """d = 9 and 20 generators: flats in the middle are too many, subsets can still be summed here."""
        rows = np.random.default_rng(13).normal(size=(20, 9))
        v = np.random.default_rng(14).normal(size=(3, 9))
        body = Zonotope(rows)
        volume = np.abs(np.linalg.det(rows[list(combinations(range(20), 9))])).sum()
        assert not body.exact and abs(body.log_volume.value - math.log(2**9 * volume)) < body.log_volume.error
        assert body.log_volume.error < 1e-10
        facets = rows[list(combinations(range(20), 8))]
        dets = [np.linalg.det(np.insert(facets, 8, direction, axis=1)) for direction in v]
        shadow, estimate = np.abs(dets).sum(axis=1) / (2 * volume), body.relative_shadow(v)
        assert estimate.method == "Monte Carlo"
        assert (np.abs(estimate.value - shadow) < estimate.error).all() and (
            estimate.error < 0.05 * shadow
        ).all()

    def test_volume_beyond_what_can_be_listed(self):
        """Gaussian generators, d = 10: E Σ|det| = C(n, d) 2^{d/2} Γ((d+1)/2) / Γ(1/2); n = 200 is near its mean.

        The logarithm of the sum moves with each row by about its logarithm of length, d/n · N(0, 1/2d) a row: by
        √(d/2n) = 0.16 in all.
        """
        rows = np.random.default_rng(15).normal(size=(200, 10))
        estimate = Zonotope(rows).log_volume
        mean = math.log(2**10 * math.comb(200, 10)) + 5 * math.log(2) + math.lgamma(5.5) - math.lgamma(0.5)
        assert estimate.method == "Monte Carlo" and estimate.error < 0.05
        assert abs(estimate.value - mean) < 5 * 0.16

    def test_input(self):
        for wrong, words in [
            (np.ones(3), "shape"),
            (np.array([[1.0, np.nan]]), "finite"),
            ([["a", "b"]], "integers or floats"),
            (np.ones((2, 2, 2)), "shape"),
        ]:
            with pytest.raises(InputError, match=words):
                Zonotope(np.array(wrong))
        with pytest.raises(InputError, match="integer"):
            sum_abs_det([[0.5, 1.0], [1.0, 0.25]])
        with pytest.raises(InputError, match="1 to 7"):
            crystal_determinants(8)


def test_lattices_behind_floats():
    """Multiples of one number become integers with a scale, and nothing else does."""
    for scale in (0.1, 2.0**-31, 1 / 3, 1e-300):
        reduced = segments(signs(4) * scale)
        assert reduced.exact and np.array_equal(reduced.rows * reduced.scale, signs(4) * scale)
    assert not segments(np.array([[1.0, math.sqrt(2)], [0.0, 1.0]])).exact
    assert segments(np.array([[0.75, 0.5], [0.0, 1.25]])).scale == 0.25


def test_permutohedron_of_seven_things():
    """d = 6: 7^5 trees on seven nodes; the flats are the 877 - 1 partitions of seven things below the whole."""
    generators = permutohedron(6)
    assert sum_abs_det(generators) == 7**5
    assert sum(len(rank.plucker) for rank in flats(generators).ranks) == 877 - 1


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5])
def test_mean_square_by_tiles_and_by_cones(dim):
    """Two dissections of the linf crystal, and of a zonotope of real numbers: parallelotopes, and cones over faces."""
    floats = np.random.default_rng(dim).normal(size=(dim + 3, dim))
    for generators in (crystal_generators(dim), floats):
        zonotope = Zonotope(generators)
        assert zonotope.mean_square == pytest.approx(Polytope(zonotope.vertices).mean_square, rel=1e-11)


def test_mean_square_of_a_cube_and_of_too_much():
    """d/3 for the unit cube; a clear error where tiles are too many."""
    assert Zonotope(np.eye(4)).mean_square == pytest.approx(4 / 3, rel=1e-15)
    with pytest.raises(InputError, match="too many tiles"):
        _ = Zonotope(crystal_generators(7)).mean_square
