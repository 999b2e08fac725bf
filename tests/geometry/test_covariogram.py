"""What a body keeps under a shift: closed forms, exact polytopes and samples agree; radii from it are exact."""

import math

import numpy as np
import pytest
from body_examples import convex_bodies, star_bodies, voxel_bodies
from scipy.integrate import quad

from geometry.bodies import Affine, Ball, CrossPolytope, LpBall, Polytope, Voxels, cube, ellipsoid
from geometry.covariogram import covariogram, overlap_radius, uniform_radius
from geometry.crystals import explicit, wulff_crystal
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp

RHO = np.array([0.5 + 1e-6, 0.6, 0.75, 0.9, 0.99, 1.0])


@pytest.mark.parametrize("dim", (2, 3))
def test_shares_are_what_samples_say(dim):
    """Hit or miss on uniform points, five standard errors each: 1e-4 in all."""
    rng = np.random.default_rng(dim)
    bodies = convex_bodies(dim) | star_bodies(dim) | voxel_bodies(dim)
    for name, body in bodies.items():
        v = 0.4 * body.edge * rng.normal(size=(3, dim))
        found = covariogram(body, v)
        x = body.sample(40_000, seed=11)
        for row, share, error in zip(v, found.value, found.error, strict=True):
            kept = body.contains(x - row).mean()
            assert abs(kept - share) <= 5 * math.sqrt(share * (1 - share) / len(x)) + 1e-3 / len(x) + error, (
                name
            )


def test_the_lens_of_two_balls():
    """By integrating discs: 2 ∫ from t/2 to 1 of κ_{d-1} (1-x²)^((d-1)/2) dx."""
    for dim in (2, 3, 6):
        kappa = math.pi ** ((dim - 1) / 2) / math.gamma((dim + 1) / 2)
        for t in (0.1, 1.0, 1.9, 2.5):
            half = quad(lambda x, d=dim: (1 - x * x) ** ((d - 1) / 2), min(t / 2, 1), 1, epsabs=1e-13)[0]
            share = covariogram(Ball(dim), t * np.eye(dim)[0])
            assert float(share) == pytest.approx(
                2 * kappa * half / Ball(dim).volume.value, rel=1e-9, abs=1e-12
            )


def test_a_triangle_keeps_the_square_of_what_is_left():
    """Vol(T ∩ (T + v)) for a simplex is a smaller simplex: along an edge of length 1 shifted by t it is (1-t)^d."""
    for dim in (2, 3):
        simplex = np.concatenate([np.zeros((1, dim)), np.eye(dim)])
        body = Polytope(simplex - simplex.mean(axis=0))
        for t in (0.0, 0.2, 0.7, 1.0):
            share = covariogram(body, t * np.eye(dim)[0])
            assert float(share) == pytest.approx((1 - t) ** dim, abs=1e-10)


@pytest.mark.parametrize("norm", [L1(), L2(), Linf()], ids=str)
def test_radii_of_cube_and_ball(norm):
    """The cube against ℓ1 and ℓ∞ and the ball against all three have formulas of their own."""
    for dim in (2, 5):
        if not isinstance(norm, L2):
            power = 1 if isinstance(norm, L1) else dim
            expected = 2 * (1 - (1.5 - RHO) ** (1 / power))
            np.testing.assert_allclose(overlap_radius(cube(dim), norm, RHO), expected, rtol=1e-9)
        from scipy.special import betaincinv

        lens = 2 - 4 * betaincinv((dim + 1) / 2, (dim + 1) / 2, 0.75 - RHO / 2)
        shrink = norm.direction(dim)
        radius = overlap_radius(Ball(dim), norm, RHO)
        np.testing.assert_allclose(radius, lens / np.linalg.norm(shrink), rtol=1e-8)


@pytest.mark.slow
def test_exact_radii_exceed_the_sound_ones():
    for name, body in convex_bodies(3).items():
        for norm in (L1(), Linf()):
            rho = RHO[::2]
            sound, exact = uniform_radius(body, norm, rho), overlap_radius(body, norm, rho)
            assert (sound.lower <= exact.upper * (1 + 1e-9)).all(), name
            # at ρ near 1/2 they meet
            if not exact.error.any() and name != "moved ball":
                assert float(sound.value[0]) == pytest.approx(float(exact.value[0]), rel=1e-4), name


def test_a_crystal_by_its_facets():
    """The crystal, its explicit polytope and its image under a turn of the coordinates: the same radii."""
    crystal = wulff_crystal(Linf(), 3)
    turn = np.array([[0.0, -1, 0], [0, 0, 1], [1, 0, 0]])
    radii = overlap_radius(crystal, Linf(), RHO)
    np.testing.assert_allclose(overlap_radius(explicit(crystal), Linf(), RHO), radii, rtol=1e-10)
    np.testing.assert_allclose(overlap_radius(Affine(crystal, turn), Linf(), RHO), radii, rtol=1e-8)


def test_shapes_without_a_worst_shift_are_refused():
    with pytest.raises(InputError, match="not convex"):
        overlap_radius(LpBall(2, 0.5), L1(), 0.9)
    with pytest.raises(InputError, match="not known"):
        overlap_radius(CrossPolytope(3), lp(3), 0.9)
    with pytest.raises(InputError, match=r"\[1/2, 1\]"):
        overlap_radius(cube(2), L1(), 0.4)
    with pytest.raises(InputError, match="rows of length"):
        covariogram(cube(2), np.ones(3))


def test_nothing_is_kept_far_away_and_all_at_rest():
    for name, body in convex_bodies(2).items():
        assert float(covariogram(body, np.zeros(2)).value) == pytest.approx(1, abs=1e-9), name
        assert float(covariogram(body, np.full(2, 100.0)).value) == 0, name
    assert float(covariogram(Voxels(np.ones((2, 2), bool)), np.ones(2)).value) == pytest.approx(0.25)
    assert float(covariogram(ellipsoid(np.diag([1.0, 2])), np.array([0, 4.0])).value) == pytest.approx(
        0, abs=1e-12
    )
