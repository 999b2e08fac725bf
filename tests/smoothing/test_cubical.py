"""Level-set radii of cubical noise along e₁ and the diagonal: closed forms, sums over grids, Monte Carlo, and order."""

import numpy as np
import pytest
from marks import slow

from smoothing import certify_radius
from smoothing.methods.cubical import AlongAxis, AlongDiagonal
from smoothing.methods.neyman_pearson import DirectionRadius
from smoothing.noises import parse_noise
from smoothing.profiles.radial import radial_law
from smoothing.special import log_odds_of_half, normal_quantile, root_share

RHO = np.array(
    [0.5 + 1e-9, 0.5 + 1e-6, 0.501, 0.6, 0.749, 0.751, 0.9, 0.99, 0.9999, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12]
)
ALONG = {"l1": AlongAxis, "linf": AlongDiagonal}


def solver(spec, dim, norm):
    profile = parse_noise(spec, dim=dim, scale=1.0).profile
    law = radial_law(profile)
    return DirectionRadius(ALONG[norm](law))


@pytest.mark.parametrize("dim", [1, 2, 3, 10, 784, 150528])
def test_diagonal_of_the_first_exponential(dim):
    """ψ(r) = r: L is -e or e, but for a small part, and the closed form is tight. (L is all but an atom.)"""
    radius, error = solver("exp-linf:k=1", dim, "linf")(RHO)
    np.testing.assert_allclose(radius, log_odds_of_half(RHO), rtol=1e-12)
    assert (error <= 1e-12 * radius).all()


def test_one_dimension_is_gaussian():
    radius, _ = solver("exp-linf:k=2", 1, "linf")(RHO)
    np.testing.assert_allclose(radius, normal_quantile(RHO) / np.sqrt(2), rtol=1e-12)


def needed(log_ratio, weight=None):
    """min over τ of E(1 - exp(L-τ))₊ + exp(-τ)/2: the ρ that is needed, from values of L. In μ = exp(-τ) it is convex

    and linear between the exp(-L), so the minimum is at one of them.
    """
    order = np.argsort(log_ratio)
    gain = np.exp(log_ratio[order])
    weight = np.full(len(gain), 1 / len(gain)) if weight is None else weight[order]
    mass, moved = np.cumsum(weight), np.cumsum(weight * gain)
    return float((mass - moved / gain + 0.5 / gain).min())


@pytest.mark.parametrize("norm", ["l1", "linf"])
@pytest.mark.parametrize(
    ("spec", "potential", "edge"),
    [
        slow("exp-linf:k=1", lambda r: r, 26.0),
        slow("exp-linf:k=2", lambda r: r**2, 5.0),
        ("exp-linf:k=3,j=0.5", lambda r: r**3 + 0.5 * np.log(r), 3.0),
        ("pow-linf:k=2,a=8", lambda r: 8 * np.log1p(r * r), 12.0),
    ],
)
def test_two_dimensions_on_a_grid(spec, potential, edge, norm):
    """The definition, on the midpoints of a grid of 1600² cells, which errs by their size squared."""
    rho = np.array([0.6, 0.9, 0.98])
    radius, _ = solver(spec, 2, norm)(rho)
    axis = edge * (np.arange(1600) + 0.5) / 800 - edge
    x, y = np.meshgrid(axis, axis)
    here = potential(np.maximum(abs(x), abs(y)))
    weight = np.exp(-here)
    weight /= weight.sum()
    for e, expected in zip(radius, rho, strict=True):
        there = potential(np.maximum(abs(x - e), abs(y - e) if norm == "linf" else abs(y)))
        found = needed((here - there).ravel(), weight.ravel())
        assert found == pytest.approx(expected, abs=1e-4 if edge < 20 else 4e-4)


@pytest.mark.parametrize("norm", ["l1", "linf"])
@pytest.mark.parametrize(
    ("spec", "dim"),
    [
        ("exp-linf:k=2", 10),
        slow("exp-linf:k=0.5,j=3", 10),
        slow("exp-linf:k=1,j=700", 784),
        ("pow-linf:k=2,a=800", 784),
    ],
)
def test_monte_carlo(spec, dim, norm):
    """ρ from the densities of 40 000 samples: a mean of values in [0, 1], standard deviation ≤ 0.0025. A false alarm is

    five of them: 6e-7 a line. At a shift 15 % larger ρ is larger by more than twice that.
    """
    noise = parse_noise(spec, dim=dim, scale=1.0)
    e = float(solver(spec, dim, norm)(np.array([0.75]))[0][0])
    x = noise.sample(40_000, generator=11).numpy().astype(np.float64)
    here = noise.log_prob(x)

    def estimate(shift):
        moved = x - shift if norm == "linf" else np.concatenate([x[:, :1] - shift, x[:, 1:]], axis=1)
        return needed(noise.log_prob(moved) - here)

    assert estimate(e) == pytest.approx(0.75, abs=0.0125)
    assert estimate(1.15 * e) > 0.75 + 0.0125
    assert estimate(0.85 * e) < 0.75 - 0.0125


SPREAD = [
    "exp-linf:k=1", "exp-linf:k=3", "exp-linf:k=0.5", "exp-linf:k=20", "exp-linf:k=2,j={part}", "pow-linf:k=1,a={a1}",
    "pow-linf:k=2,a={a2}",
]  # fmt: skip


@pytest.mark.parametrize("norm", ["l1", "linf"])
@pytest.mark.parametrize("dim", [slow(2), 10, slow(784), slow(150528)])
@pytest.mark.parametrize("spec", SPREAD)
def test_above_the_differential_radius(spec, dim, norm):
    """The other half of the sandwich, from rows of the table that share no numerics with this method."""
    spec = spec.format(part=(dim - 1) / 3, a1=dim + 1.5, a2=dim / 2 + 1.0)
    radius, error = solver(spec, dim, norm)(RHO)
    below = certify_radius(parse_noise(spec, dim=dim, scale=1.0), norm, RHO).radius
    assert (radius + error >= below * (1 - 1e-13)).all()
    assert (np.diff(radius) > 0).all()
    assert (error <= 2e-10 * radius).all()


@pytest.mark.parametrize("norm", ["l1", "linf"])
def test_the_gap_closes_in_high_dimension(norm):
    rho, gaps = np.array([0.9]), []
    for dim in (4, 32, 256, 2048):
        below = certify_radius(parse_noise("exp-linf:k=2", dim=dim, scale=1.0), norm, rho).radius
        gaps.append(float((solver("exp-linf:k=2", dim, norm)(rho)[0] / below)[0]) - 1)
    assert (np.diff(gaps) < 1e-12).all() and gaps[-1] < 0.35 * gaps[0]


@pytest.mark.parametrize("norm", ["l1", slow("linf")])
def test_steep_profiles_tend_to_the_uniform_cube(norm):
    rho = np.array([0.6, 0.75, 0.9])
    uniform = 2 * rho - 1 if norm == "l1" else 2 * root_share(rho, 3)
    gaps = [np.abs(solver(f"exp-linf:k={k}", 3, norm)(rho)[0] / uniform - 1).max() for k in (20, 100, 500)]
    assert gaps[2] < 0.02 and gaps[2] < 0.3 * gaps[1] < 0.1 * gaps[0]


@pytest.mark.parametrize("dim", [2, slow(10), slow(784)])
def test_singular_at_the_origin(dim):
    """d-1 ≤ j < d: the differential method has nothing; the radius falls continuously in j."""
    for norm in ("l1", "linf"):
        near, _ = solver(f"exp-linf:k=1,j={dim - 0.5!r}", dim, norm)(RHO[2:9])
        less, _ = solver(f"exp-linf:k=1,j={dim - 0.5 - 1e-6!r}", dim, norm)(RHO[2:9])
        assert (near > 0).all() and (near < less).all()
        np.testing.assert_allclose(near, less, rtol=1e-4)
