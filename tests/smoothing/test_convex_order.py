"""Products and cross-polytopes against ℓ2: scores are smaller in convex order than the law that stands for them."""

import itertools
import math

import numpy as np
import pytest
from marks import slow
from scipy import stats
from scipy.integrate import quad

from geometry.norms import L2, parse_norm
from smoothing import certify_radius, parse_noise
from smoothing.methods.cosine import cosine_radius, mean_cosine
from validation.oracle import radius as oracle_radius

LEVELS = (0.0, 0.1, 0.3, 0.7, 1.0, 1.5, 2.5, 4.0)


def hinge(density, t, top=np.inf):
    """E(Y - t)₊ for a density of Y."""
    return quad(lambda y: (y - t) * density(y), t, top, limit=200)[0] if t < top else 0.0


@pytest.mark.parametrize("dim", [2, 3, 4, 7])
def test_sums_of_signs_are_below_a_direction(dim):
    """E(Σ v_i σ_i - t)₊, sign by sign, against E(θ₁/E|θ₁| - t)₊ by quadrature, in special and random directions."""
    law = stats.beta(0.5 * (dim - 1), 0.5 * (dim - 1), loc=-1, scale=2)
    assert law.expect(abs) == pytest.approx(mean_cosine(dim), rel=1e-7)
    signs = np.array(list(itertools.product((-1, 1), repeat=dim)))
    rng = np.random.default_rng(dim)
    directions = [np.eye(dim)[0], np.ones(dim), np.r_[1, 1, np.zeros(dim - 2)], *rng.normal(size=(8, dim))]
    for t in LEVELS:
        above = hinge(lambda y: law.pdf(y * mean_cosine(dim)) * mean_cosine(dim), t, 1 / mean_cosine(dim))
        for v in directions:
            sums = signs @ (v / np.linalg.norm(v))
            assert np.maximum(sums - t, 0).mean() <= above + 1e-9


@pytest.mark.parametrize(
    "spec", ["exp-power:p=1.05", "exp-power:p=1.5", "exp-power:p=1.95", "pareto:a=1", "pareto:a=7"]
)
def test_one_score_is_below_a_gaussian_of_its_mean(spec):
    """E(|s| - t)₊ ≤ E(c|G| - t)₊ with c = E|s| √(π/2), by quadrature over one coordinate; equal at t = 0."""
    _, _, value = spec.partition("=")
    k = float(value)
    if spec.startswith("pareto"):
        density, score = lambda x: k * (1 + x) ** -(k + 1), lambda x: (k + 1) / (1 + x)
    else:
        density, score = lambda x: math.exp(-(x**k)) / math.gamma(1 + 1 / k), lambda x: k * x ** (k - 1)
    noise = parse_noise(spec, dim=784, scale=1.0)
    slope = 1 / float(certify_radius(noise, L2(), stats.norm.cdf(1.0)).radius)  # R = Φ⁻¹(ρ) / c
    mean = (
        quad(lambda x: score(x) * density(x), 0, 1)[0] + quad(lambda x: score(x) * density(x), 1, np.inf)[0]
    )
    assert slope == pytest.approx(mean * math.sqrt(math.pi / 2), rel=1e-7)
    for t in np.array(LEVELS[1:]) * mean:
        part = sum(
            quad(lambda x, t=t: max(score(x) - t, 0) * density(x), *ends, limit=400)[0]
            for ends in ((0, 0.3), (0.3, 1), (1, 5), (5, np.inf))
        )
        above = 2 * hinge(lambda y: stats.norm.pdf(y, scale=slope), t)
        assert part <= above * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("rho", [0.55, slow(0.75), 0.95])
@pytest.mark.parametrize("direction", [(1.0, 0.0), (1.0, 1.0), (2.0, 1.0)])
@pytest.mark.parametrize("spec", ["laplace", "exp-l1:k=2", "exp-power:p=1.5", "pareto:a=3"])
def test_explicit_sets_in_the_plane_do_not_flip_the_radius(spec, direction, rho):
    """The Neyman-Pearson set on a fine grid, shifted by the certified radius: still more than half remains."""
    noise = parse_noise(spec, dim=2, scale=1.0)
    radius = float(certify_radius(noise, L2(), rho).radius)
    assert radius > 0
    v = radius * np.array(direction) / np.linalg.norm(direction)
    u = (np.arange(1200) + 0.5) / 1200
    axis = np.sinh(18 * (u - 0.5)) * 0.05  # to ±200, fine about 0
    width = np.gradient(axis)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    here = np.exp(noise.log_prob(points)) * np.outer(width, width).ravel()
    there = np.exp(noise.log_prob(points - v)) * np.outer(width, width).ravel()
    assert here.sum() == pytest.approx(1, abs=3e-3)
    # the set of mass ρ under q that loses most: smallest ratio of there to here first
    order = np.argsort(np.log(there + 1e-300) - np.log(here + 1e-300))
    mass = np.cumsum(here[order])
    kept = np.cumsum(there[order])[np.searchsorted(mass, rho * mass[-1])] / there.sum()
    assert kept >= 0.5 - 4e-3


@pytest.mark.parametrize("dim", [1, 2, 10, 784, 150_528])
def test_closed_form_of_a_direction_meets_its_limits(dim):
    """At d = 1 a fair sign; for large d the normal quantile over √d."""
    rho = np.array([0.5 + 1e-9, 0.6, 0.9])
    scaled = cosine_radius(dim, rho) * mean_cosine(dim)
    if dim == 1:
        np.testing.assert_allclose(scaled, -np.log1p(1 - 2 * rho), rtol=1e-12)
    # Φ(1/2) = E|θ₁|/2, so that the slope at ρ = 1/2 is 2, whatever the dimension
    assert scaled[0] == pytest.approx(2e-9, rel=1e-6)
    if dim > 2:
        normal = math.sqrt(2 / math.pi) * stats.norm.ppf(rho[1:])
        np.testing.assert_allclose(scaled[1:], normal, rtol=2 / dim)


@pytest.mark.parametrize(
    "spec", ["laplace", "exp-power:p=1.3", "pareto:a=2", "exp-l1:k=1.5", "pow-l1:k=1,a=3100"]
)
def test_inclusion_is_left_far_behind(spec):
    """From ℓ1 or ℓ∞ a factor √d is lost; these rows lose none."""
    noise = (
        parse_noise(spec, dim=3072, sigma=1.0)
        if spec != "pareto:a=2"
        else parse_noise(spec, dim=3072, scale=1.0)
    )
    ours = certify_radius(noise, L2(), 0.7).radius
    assert ours > 20 * certify_radius(noise, L2(), 0.7, theorem="inclusion").radius
    assert certify_radius(noise, parse_norm("lp:p=1.5"), 0.7).radius >= ours * (1 - 1e-12)


@pytest.mark.parametrize("dim", [10, 784, 150_528])
@pytest.mark.parametrize(
    ("noise", "parameters"),
    [("laplace", {}), ("exp-power", {"p": 1.5}), ("pareto", {"a": 3}), slow("exp-l1", {"k": 2, "j": 1})],
)
def test_rows_against_the_oracle(noise, parameters, dim):
    """Never above fifty digits (fourteen for exp-l1), and within their accuracy of them."""
    spec = noise + (":" if parameters else "") + ",".join(f"{k}={v}" for k, v in parameters.items())
    names = {"laplace": "laplace-l2", "exp-l1": "cross-polytope-l2"}
    rho = (0.5 + 1e-6, 0.7, 0.99)
    found = certify_radius(
        parse_noise(spec, dim=dim, scale=1.0), L2(), rho, theorem=names.get(noise, "product-l2")
    )
    for value, r in zip(found.radius, rho, strict=True):
        exact = float(oracle_radius(noise, parameters, dim, "l2", r))
        assert -1e-9 <= value / exact - 1 <= 1e-14
