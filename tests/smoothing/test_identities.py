"""Noises that are the same, or become the same in a limit, have the same radii.

What they are compared with is mpmath's, or the oracle's where a name says so: never another radius of smoothing.
"""

import math

import mpmath as mp
import numpy as np
import pytest
from marks import slow

from geometry.norms import parse_norm
from smoothing.noises import parse_noise
from smoothing.theorems import certify_radius
from validation.oracle import radius as oracle_radius

RHO = (0.5 + 1e-6, 0.501, 0.6, 0.75, 0.9, 0.99, 0.9999, 1 - 1e-6, 1 - 1e-9)
DIMS = (1, 2, 3, 10, 784, 3072, 150528)
WITHIN = 1e-10


def gaussian(rho, norm, dim):
    """λ = 1, σ = 1/√2: R = Φ_N⁻¹(ρ)/√2 = erf⁻¹(2ρ-1), over √d against l∞."""
    return mp.erfinv(2 * mp.mpf(rho) - 1) / (mp.sqrt(dim) if norm == "linf" else 1)


def laplace(rho, norm, dim):
    """-log 2(1-ρ) against l1; the oracle's sum over the binomial law against l∞; against l2 E|θ₁| times the oracle's
    radius for the score θ₁, a coordinate of a uniform direction, or more from the other two (d = 2 and 3, ρ near 1)."""
    l1 = -mp.log(2 * (1 - mp.mpf(rho)))
    if norm == "l1" or dim == 1:
        return l1
    linf = oracle_radius("laplace", {}, dim, "linf", rho)
    if norm == "linf":
        return linf
    mean = mp.exp(mp.loggamma(mp.mpf(dim) / 2) - mp.loggamma(mp.mpf(dim + 1) / 2)) / mp.sqrt(mp.pi)
    return max(mean * oracle_radius("exp-l2", {"k": 1}, dim, "l2", rho), l1 / mp.sqrt(dim), linf)


def assert_is(truth, spec, norm, dim, *, theorem=None, scale=1.0, certified=WITHIN):
    """Never above; within 1e-10 before the stated error is subtracted, and within ``certified`` after it."""
    found = certify_radius(parse_noise(spec, dim=dim, scale=scale), norm, RHO, theorem=theorem)
    with mp.workdps(40):
        for rho, radius, error in zip(RHO, found.radius, found.error, strict=True):
            exact = truth(rho, norm, dim)
            lower = mp.mpf(float(radius)) / exact - 1
            whole = (mp.mpf(float(radius)) + mp.mpf(float(error))) / exact - 1
            assert -certified <= lower <= 0, (rho, float(lower))
            assert abs(whole) <= WITHIN, (rho, float(whole))


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(
    ("theorem", "certified"), [("ball-level-set", 4e-10), ("differential", WITHIN), ("ball-gaussian", WITHIN)]
)
def test_ball_exponential_two_is_gaussian(theorem, certified, dim):
    """The level-set theorem and the differential one find exp(-r²) Gaussian, which neither of them knows.

    The former subtracts 3e-10 for SciPy's incomplete betas, whatever the digits that it has.
    """
    if theorem == "ball-level-set" and dim == 1:
        pytest.skip("the theorem starts at d = 2")
    for norm in ("l1", "l2", "linf"):
        assert_is(gaussian, "exp-l2:k=2", norm, dim, theorem=theorem, certified=certified)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(
    ("spec", "norm", "theorem"),
    [
        ("laplace", "l1", "laplace-l1"),
        ("laplace", "l1", "differential"),
        ("laplace", "l2", None),
        ("laplace", "linf", "laplace-linf"),
        ("exp-l1:k=1", "l1", "cross-polytope-l1-exp"),
        ("exp-l1:k=1", "l1", "cross-polytope-l1"),
        ("exp-l1:k=1", "l2", None),
        ("exp-l1:k=1", "linf", "cross-polytope-linf-exp"),
        ("exp-power:p=1", "l1", "exp-power-l1"),
        ("exp-power:p=1", "l1", "differential"),
        ("exp-power:p=1", "l2", None),
        ("exp-power:p=1", "linf", "exp-power-linf-laplace"),
    ],
)
def test_three_names_of_laplace(spec, norm, theorem, dim):
    assert_is(laplace, spec, norm, dim, theorem=theorem)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(
    ("spec", "norm", "theorem"),
    [
        *[("gaussian", norm, theorem) for norm in ("l1", "l2", "linf") for theorem in ("gaussian", "differential")],
        *[("exp-power:p=2", norm, "exp-power-gaussian") for norm in ("l1", "l2", "linf")],
        ("exp-power:p=2", "l1", "exp-power-l1"),
        ("exp-power:p=2", "l1", "differential"),
    ],
)  # fmt: skip
def test_two_names_of_gaussian(spec, norm, theorem, dim):
    assert_is(gaussian, spec, norm, dim, theorem=theorem, scale=math.sqrt(0.5) if spec == "gaussian" else 1.0)


def dilogarithm(rho, norm, dim):
    """∫ dp/Φ(p) for density ∝ exp(-√|x|), with u = √c ~ Gamma(2) and Φ = (1 - exp(-u)) / (2 Γ(3)).

    2p = P(Gamma(2) < u) makes dp = u exp(-u) du / 2, so R = 2 ∫ u du / (exp(u) - 1) = 2 (Li₂(y) - u log(1-y)) at
    y = exp(-u₀), where (1+u₀) y = 2ρ-1: u₀ is -1 less the lower branch of Lambert's W.
    """
    t = 2 * mp.mpf(rho) - 1
    u = -1 - mp.re(mp.lambertw(-t / mp.e, -1))
    y = mp.exp(-u)
    assert abs((1 + u) * y - t) < mp.mpf(10) ** -30
    return 2 * (mp.polylog(2, y) - u * mp.log1p(-y))


@pytest.mark.parametrize("dim", [1, 784, 150528])
@pytest.mark.parametrize("theorem", ["exp-power-l1-heavy", "differential"])
def test_root_exponential_is_a_dilogarithm(theorem, dim):
    assert_is(dilogarithm, "exp-power:p=0.5", "l1", dim, theorem=theorem)


def mean_of_signs(dim):
    """E|σ_1 + … + σ_d| = d 2^(1-d) C(d-1, ⌊(d-1)/2⌋)."""
    return dim * math.comb(dim - 1, (dim - 1) // 2) / 2 ** (dim - 1)


@pytest.mark.parametrize("dim", [3, 10, 784])
@pytest.mark.parametrize(
    ("spec", "norm", "slope"),
    [
        ("exp-linf:k={}", "l1", lambda dim: 1),
        ("exp-linf:k={}", "linf", lambda dim: 1 / dim),
        ("exp-l1:k={}", "l1", lambda dim: 1 / dim),
        slow("exp-l1:k={}", "linf", lambda dim: 1 / dim / mean_of_signs(dim)),
        ("exp-power:p={}", "l1", lambda dim: 1),
    ],
)
def test_steep_profiles_tend_to_uniform_noise(spec, norm, slope, dim):
    """R_k = R_∞ (1 - γ/k + O(d/k²)), R_∞ = (ρ-1/2)/Φ the differential radius of the uniform body, γ Euler's constant.

    Away from ρ = 1 the mean score alone counts, and d / E[score] = Γ(1+d/k) / Γ(1+(d-1)/k).
    """
    rho = np.array([0.5 + 1e-6, 0.6, 0.8, 0.9])
    limit = (2 * rho - 1) * slope(dim)
    for k in (1000 * dim, 8000 * dim):
        radius = certify_radius(parse_noise(spec.format(k), dim=dim, scale=1.0), norm, rho).radius
        gap = k * (1 - radius / limit)
        np.testing.assert_allclose(gap, np.euler_gamma, rtol=0, atol=2 * dim / k + 1e-11 * k)


@pytest.mark.parametrize(
    ("dim", "k"),
    [
        (3, 30),
        (3, 100),
        (3, 300),
        (10, 100),
        (10, 300),
        (10, 1000),
        (100, 1000),
        (3, 3000),
        (10, 10_000),
    ],
)
def test_steep_spheres_tend_to_the_uniform_ball(dim, k):
    """R_k = R_∞ (1 - γ/k + O(d/k²)) for the tight radii too; R_∞ = 2 sqrt(B⁻¹_{1/2,(d+1)/2}(ρ-1/2)) by the oracle."""
    rho = (0.6, 0.75)
    found = certify_radius(parse_noise(f"exp-l2:k={k}", dim=dim, scale=1.0), "l2", rho)
    limit = [float(oracle_radius("uniform-l2", {}, dim, "l2", r)) for r in rho]
    assert found.tight.all()
    np.testing.assert_allclose(k * (1 - found.radius / limit), np.euler_gamma, rtol=0, atol=2 * dim / k)


@pytest.mark.parametrize(("dim", "k"), [slow(3, 30_000), slow(10, 100_000)])
def test_spheres_too_steep_for_the_level_set_are_nearly_the_uniform_ball(dim, k):
    """Beyond k = 100 max(d, 100) the differential method answers: sound, and within a percent of R_∞ at ρ = 0.6."""
    rho = (0.6, 0.75, 0.99)
    found = certify_radius(parse_noise(f"exp-l2:k={k}", dim=dim, scale=1.0), "l2", rho)
    limit = np.array([float(oracle_radius("uniform-l2", {}, dim, "l2", r)) for r in rho])
    assert (found.radius <= limit).all() and not found.tight.any()
    assert found.radius[0] > 0.99 * limit[0] and (found.radius > 0.8 * limit).all()


@pytest.mark.parametrize(
    ("spec", "dim"),
    [
        ("exp-l2:k=2352", 784),
        slow("exp-l2:k=23520", 784),
    ],
)
def test_steep_spheres_stay_below_the_oracle(spec, dim):
    noise, _, text = spec.partition(":")
    parameters = {key: float(value) for key, value in (pair.split("=") for pair in text.split(","))}
    found = certify_radius(parse_noise(spec, dim=dim, scale=1.0), "l2", 0.6)
    exact = oracle_radius(noise, parameters, dim, "l2", 0.6, method="tight")
    assert -1e-9 < float(mp.mpf(float(found.radius)) / exact - 1) <= 0


@pytest.mark.slow
@pytest.mark.parametrize(("k", "a", "dim"), [(900, 0.02223, 10), (100, 0.025, 2)])
def test_steep_heavy_spheres_stay_below_the_oracle(k, a, dim):
    """A wall before heavy tails: no radius exceeds the tight one."""
    found = certify_radius(parse_noise(f"pow-l2:k={k},a={a}", dim=dim, scale=1.0), "l2", 0.6)
    exact = oracle_radius("pow-l2", {"k": k, "a": a}, dim, "l2", 0.6, method="tight")
    assert -1e-9 < float(mp.mpf(float(found.radius)) / exact - 1) <= 0


@pytest.mark.parametrize("k", [300, 1000])
def test_steep_cubes_along_the_diagonal_tend_to_the_uniform_cube(k):
    """The upper bound of the sandwich has the tight radius 2 (1 - (3/2-ρ)^(1/d)) as its limit, at the same rate."""
    rho, dim = np.array([0.6, 0.75]), 10
    noise = parse_noise(f"exp-linf:k={k}", dim=dim, scale=1.0)
    radius = certify_radius(noise, "linf", rho, theorem="cube-level-set-linf").radius
    limit = 2 * -np.expm1(np.log(1.5 - rho) / dim)
    np.testing.assert_allclose(k * (1 - radius / limit), np.euler_gamma, rtol=0, atol=2 * dim / k)


@pytest.mark.parametrize("a", [1e2, 1e3, 1e5])
@pytest.mark.parametrize(
    ("norm", "dim", "theorem"), [("l1", 1, None), ("l1", 784, None), ("linf", 1, "differential")]
)
def test_light_pareto_tends_to_laplace(norm, dim, theorem, a):
    """At λ = a: R_a = R_∞ (1 - c/a + O(1/a²)), c = -∫₀ᵗ u log u / (1-u)² du / log(1/(1-t)), t = 2ρ-1.

    From R_a = ∫₀ᵗ du / (1 - u^(1+1/a)), to first order in 1/a.
    """
    rho = (0.6, 0.9, 0.9999)
    found = certify_radius(
        parse_noise(f"pareto:a={a}", dim=dim, scale=a), parse_norm(norm), rho, theorem=theorem
    )
    with mp.workdps(30):
        for r, radius in zip(rho, found.radius, strict=True):
            t = 2 * mp.mpf(r) - 1
            limit = -mp.log(1 - t)
            c = -mp.quad(lambda u: u * mp.log(u) / (1 - u) ** 2, [0, t / 2, t]) / limit
            assert abs(a * (1 - mp.mpf(float(radius)) / limit) - c) < 1 / a + 1e-11 * a


@pytest.mark.parametrize(
    ("dim", "a"),
    [
        (3, 25),
        slow(3, 100),
        (784, 20),
        slow(5, 100),
        slow(10, 25),
        slow(3, 1000),
    ],
)
def test_light_pareto_tends_to_laplace_against_linf(dim, a):
    """At λ = a the difference is of the order of 1/a: 0 < a (1 - R_a / R_∞) < 1, R_∞ Laplace's radius by the oracle."""
    found = certify_radius(parse_noise(f"pareto:a={a}", dim=dim, scale=float(a)), "linf", (0.6, 0.9))
    limit = [float(oracle_radius("laplace", {}, dim, "linf", rho)) for rho in (0.6, 0.9)]
    gap = a * (1 - found.radius / limit)
    assert (gap > 0).all() and (gap < 1).all(), gap
