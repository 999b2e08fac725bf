"""Uniform noise on polytopes against its shaped twins, and the crystal against its place in the theory."""

import numpy as np
import pytest
from scipy import stats

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf
from smoothing.noises import parse_noise
from smoothing.theorems import certify_radius


@pytest.mark.parametrize(("body", "twin"), [("cube", "uniform"), ("cross-polytope", "uniform-l1")])
@pytest.mark.parametrize("dim", [1, 2, 3, 5, 6])
def test_twins(body, twin, dim):
    ours, other = (parse_noise(text, dim=dim, scale=1.7) for text in (f"body:{body}", twin))
    assert ours.sigma == pytest.approx(other.sigma, rel=1e-12)
    x = np.random.default_rng(1).uniform(-2, 2, size=(200, dim))
    np.testing.assert_allclose(ours.log_prob(x), other.log_prob(x), rtol=1e-12)
    rho = np.array([0.6, 0.9])
    for norm in (L1(), L2(), Linf()):
        # against ℓ∞ overlaps are known for the polytope, and for its twin only the bound by Φ
        known = "body-uniform" if body == "cross-polytope" and norm == Linf() else None
        general = certify_radius(ours, norm, rho, theorem=known).radius
        assert (general <= certify_radius(other, norm, rho).radius * (1 + 1e-12)).all()
    if body == "cross-polytope":
        exact = certify_radius(other, Linf(), rho, theorem="uniform-cross-polytope").radius
        bound = certify_radius(ours, Linf(), rho, theorem="body-uniform").radius
        np.testing.assert_allclose(bound, exact, rtol=1e-11)
        assert (certify_radius(ours, Linf(), rho).radius >= exact * (1 - 1e-11)).all()


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 6])
def test_samples_fill_the_crystal_uniformly(dim):
    """gauge^dim is uniform on [0, 1]; Kolmogorov-Smirnov at a false-alarm rate of 1e-6 each."""
    noise = parse_noise("body:wulff-linf", dim=dim, sigma=0.7)
    x = noise.sample(20_000, generator=3).double().numpy()
    radius = noise.body.gauge(x / noise.scale).value ** dim
    assert stats.kstest(radius, "uniform").pvalue > 1e-6
    assert np.sqrt((x**2).mean()) == pytest.approx(0.7, rel=0.02)
    assert noise.log_prob(noise.sample(10, generator=0)).isfinite().all()
    edge = x[:50] / radius[:50, None] ** (1 / dim)
    assert np.isfinite(noise.log_prob(0.999 * edge)).all() and (noise.log_prob(1.001 * edge) == -np.inf).all()


def test_the_crystal_is_the_best_body_against_linf_at_equal_volume():
    rho, dim = 0.6, 3
    radii = {}
    for body in ("wulff-linf", "cube", "cross-polytope"):
        unit = parse_noise(f"body:{body}", dim=dim, scale=1.0)
        scale = 1 / unit.body.edge
        radii[body] = certify_radius(parse_noise(f"body:{body}", dim=dim, scale=scale), Linf(), rho).radius
    assert radii["wulff-linf"] == max(radii.values())
    assert radii["wulff-linf"] == pytest.approx(0.1 / 1.8898815748, rel=1e-9)  # (ρ - 1/2) / Φ


def test_the_crystal_in_six_dimensions():
    """Its share lost per r is d/2 in its own norm, whatever the direction: the radius is (ρ - 1/2) 2/d.

    The overlap itself is not known there, its bound by Φ is; samples repeat by their seed.
    """
    noise = parse_noise("body:wulff-linf", dim=6, scale=1.0)
    found = certify_radius(noise, Linf(), [0.6, 0.9])
    np.testing.assert_allclose(found.radius, np.array([0.1, 0.4]) * 2 / 6, rtol=1e-11)
    assert found.theorem.tolist() == ["body-uniform"] * 2
    one, two = (noise.sample(50, generator=5) for _ in range(2))
    assert (one == two).all() and not (one == noise.sample(50, generator=6)).any()


def test_errors_name_what_exists():
    with pytest.raises(InputError, match="wulff-linf"):
        parse_noise("body:dodecahedron", dim=3, scale=1)
    with pytest.raises(InputError, match="wulff-linf"):
        parse_noise("body", dim=3, scale=1)
    with pytest.raises(InputError, match="dim <= 6"):
        parse_noise("body:wulff-linf", dim=784, scale=1)
