"""Where numbers underflow, radii may become small but never too large."""

import flint
import mpmath
import numpy as np
import pytest
import torch
from marks import slow

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf
from smoothing import SmoothedClassifier
from smoothing.confidence import check_alpha, clopper_pearson_lower
from smoothing.methods.differential import ReciprocalIntegral
from smoothing.noises import parse_noise
from smoothing.theorems import certify_radius
from validation.oracle import radius as oracle_radius

EXTREME = [
    ("exp-linf:k=1000,j=62.9", 64, Linf()),
    ("exp-linf:k=1000,j=62.999", 64, Linf()),
    ("exp-l1:k=1000,j=62.9", 64, L1()),
    ("exp-linf:k=100,j=62.9", 64, Linf()),
    ("exp-linf:k=50,j=0.9", 2, L1()),
    ("pow-linf:k=2,a=1.05", 2, Linf()),
    ("pow-linf:k=30,a=0.2", 2, L1()),
    ("exp-linf:k=2,j=3", 10, Linf()),
    ("pow-linf:k=2,a=12", 10, L1()),
]


@pytest.mark.parametrize(("spec", "dim", "norm"), EXTREME, ids=lambda v: str(v))
def test_no_explicit_set_refutes_a_radius(spec, dim, norm):
    """Neyman-Pearson sets along the worst direction, by samples of their own: at the certified radius they stay
    below 1/2. Six standard errors of both quantile and mass: a false alarm in 1e8.
    """
    noise = parse_noise(spec, dim=dim, scale=1.0)
    n = 100_000
    x, y = (noise.sample(n, generator=seed, dtype=torch.float64).numpy() for seed in (1, 2))
    for rho in (0.7, 0.9, 0.97):
        v = certify_radius(noise, norm, rho).radius * norm.direction(dim)
        ratio = noise.log_prob(x - v) - noise.log_prob(x)
        # a threshold whose set has mass 1-ρ less six standard errors at the most
        p = 1 - rho
        at = np.quantile(ratio, 1 - (p - 6 * np.sqrt(p * rho / n)))
        mass = (noise.log_prob(y) - noise.log_prob(y + v) > at).mean()
        assert mass <= 0.5 + 6 * 0.5 / np.sqrt(n)


def test_a_score_that_is_too_small_in_the_tail_is_found_out():
    """T(q) = q has J = log(1/q₀). Lost to underflow from some mass on, T may only make J smaller."""
    from scipy.special import ndtr

    def broken(w):
        return ndtr(-w) * np.where(w > 3, 0.1, 1.0)

    q0 = np.array([0.5, 1e-2, 1e-4, 1e-8, 1e-12])
    for upper in (broken, lambda w: np.where(w > 2, np.nan, ndtr(-w)), lambda w: ndtr(-w) * (w < 2)):
        value = ReciprocalIntegral(upper)(q0, 1 - q0)[0]
        assert (value <= np.log(1 / q0) * (1 + 1e-12)).all() and (np.diff(value) > 0).all()
    exact, error = ReciprocalIntegral(lambda w: ndtr(-w))(q0, 1 - q0)
    np.testing.assert_allclose(exact, np.log(1 / q0), rtol=1e-13)
    assert (error < 1e-12 * exact).all()


@pytest.mark.parametrize("spec", ["exp-l1:k=1e-6", "pow-linf:k=1e-6,a=3000000", "pow-linf:k=2,a=1.0001"])
def test_what_floating_point_cannot_hold_is_refused_or_sound(spec):
    try:
        radius = certify_radius(parse_noise(spec, dim=2, scale=1.0), L1(), [0.6, 0.9, 1 - 1e-9]).radius
    except InputError:
        return
    assert (radius >= 0).all() and np.isfinite(radius).all()


@pytest.mark.parametrize("scale", [1e-300, 3.7e-200, 1.0, 1e100, 1e300])
def test_gaussian_radius_stays_below_the_truth_at_every_scale(scale):
    mpmath.mp.dps = 40
    for rho in (0.6, 0.99):
        exact = mpmath.mpf(scale) * mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(rho) - 1)
        radius = float(certify_radius(parse_noise("gaussian", dim=5, scale=scale), L2(), rho).radius)
        assert 0 <= exact - mpmath.mpf(radius) < exact * mpmath.mpf(1e-13)


@pytest.mark.parametrize(
    ("k", "n", "alpha"),
    [
        (8236, 100_000, 1e-9),
        (32, 64, 1e-3),
        (99_000, 100_000, 1e-3),
        # SciPy's inverse misses these tails by up to 1e-11 of them
        slow(506, 1000, 1.74e-6),
        (188, 300, 6.5e-9),
        slow(1011, 2000, 5.2e-11),
        (684, 1000, 3.983574825583032e-45),
        (900, 1000, 1e-90),
    ],
)
def test_clopper_pearson_is_rounded_down(k, n, alpha):
    """P(Binomial(n, bound) ≥ k) = I_bound(k, n-k+1) is at most α, and hardly less."""
    with flint.ctx.workprec(1000):
        bound = flint.arb(float(clopper_pearson_lower(k, n, alpha)))
        tail = bound.beta_lower(k, n - k + 1, regularized=1)
        assert tail <= flint.arb(alpha) and tail > flint.arb(alpha) * (1 - flint.arb("1e-8"))


def test_a_promise_beyond_floats_is_not_made():
    for alpha in (1e-91, 1e-150, 0.0, 1.0, float("nan")):
        with pytest.raises(InputError, match="alpha"):
            check_alpha(alpha)
    with pytest.raises(InputError, match="alpha"):
        clopper_pearson_lower(99_972, 100_000, 1e-300)


def test_a_batch_is_its_images_under_their_numbers():
    torch.manual_seed(0)
    g = SmoothedClassifier(torch.nn.Linear(6, 3), parse_noise("laplace", dim=6, sigma=0.5), 3)
    x = torch.randn(4, 6)
    whole = g.certify(x, norm="l1", n0=20, n=300)
    for i in range(4):
        one = g.certify(x[i : i + 1], norm="l1", n0=20, n=300, first=i)
        assert (one.counts[0] == whole.counts[i]).all() and one.radius[0] == whole.radius[i]
        assert g.predict(x[i : i + 1], n=200, first=i)[0] == g.predict(x, n=200)[i]
    with pytest.raises(InputError, match="at least 0"):
        g.predict(x, seed=-1)


def test_norms_may_be_named():
    noise = parse_noise("uniform", dim=4, scale=1.0)
    assert certify_radius(noise, "l1", 0.75).radius == certify_radius(noise, L1(), 0.75).radius


@pytest.mark.parametrize(
    ("noise", "parameters", "dim", "norm"),
    [
        (
            "laplace",
            {},
            3000,
            "linf",
        ),  # the last piece of Φ is found from the outside, where masses are exact
        ("pow-linf", {"k": 7.69, "a": 15.735078023407022}, 2, "linf"),  # a split at 1e-17 of its bracket
    ],
)
def test_the_last_digits_before_certainty(noise, parameters, dim, norm):
    pairs = ",".join(f"{key}={value!r}" for key, value in parameters.items())
    rho = np.array([1 - 1e-12, 1 - 1e-14, 1 - 2.0**-53])
    radii = certify_radius(parse_noise(f"{noise}:{pairs}", dim=dim, scale=1.0), norm, rho).radius
    for r, value in zip(rho[: 3 if noise == "laplace" else 2], radii, strict=False):
        exact = oracle_radius(noise, parameters, dim, norm, float(r))
        assert 0 <= exact - mpmath.mpf(float(value)) < exact * mpmath.mpf(1e-12)
