"""Every noise family against laws written independently (noise_laws.py): samples, densities, σ, names, profiles.

False alarms. The seeds are fixed, so that a run repeats; were they drawn anew, each statistical check would fail
with probability at most 1e-6, and there are fewer than 800 of them: below 1e-3 over the file. Kolmogorov-Smirnov
distances use Massart's bound, exact at every n. The z-tests of σ² reject beyond 5.5 (4e-8 for a normal mean): the
room up to 1e-6 is for skewness, and they run only where the skewness of the mean of ‖X‖² is below 0.05, which
leaves out infinite and barely finite fourth moments. ``test_a_wrong_law_is_rejected`` shows the power.
"""

import math
import zlib

import numpy as np
import pytest
import torch
from marks import thinned
from noise_laws import Radial, kolmogorov_excess, law, spec
from scipy import special as sp
from scipy import stats

from geometry.errors import InputError
from smoothing.noises import FAMILIES, Ball, ExpPower, Gaussian, parse_noise
from smoothing.profiles import Exponential, Power, Uniform

LEVEL = 1e-6
Z_CRITICAL = 5.5
MAX_SKEWNESS = 0.05
SCALE = 0.7
DRAWS = {1: 200_000, 2: 200_000, 5: 80_000, 784: 1500}
LARGE = 150_528
NAMES = sorted(set(FAMILIES) - {"body"})  # bodies live in small dimension and have a file of their own


def families(dim):
    """(name, parameters) of every family, light and heavy, at this dimension."""
    yield from ((name, {}) for name in ("gaussian", "laplace", "uniform", "uniform-l1", "uniform-l2"))
    yield from (("exp-power", {"p": p}) for p in (0.3, 0.5, 1.0, 3.0, 40.0))
    yield from (("pareto", {"a": a}) for a in (0.5, 3.0, 40.0))
    for body in ("l1", "l2", "linf"):
        for k, j in ((1, 0), (2, 0), (0.5, 0), (3, 0.4 * dim), (1, dim - 0.5), (0.5, dim - 0.05)):
            yield f"exp-{body}", {"k": float(k), "j": float(j)}
        for k, tail in ((1, 0.3), (2, 3.0), (0.5, 1.0), (1, 30.0)):
            yield f"pow-{body}", {"k": float(k), "a": dim / k + tail}


CASES = [(name, parameters, dim) for dim in DRAWS for name, parameters in families(dim)]
LOW = [(name, parameters, dim) for name, parameters, dim in CASES if dim <= 2]


def label(case):
    name, parameters, dim = case
    return f"{spec(name, parameters)}-d{dim}"


def make(name, parameters, dim, scale=1.0):
    return parse_noise(spec(name, parameters), dim=dim, scale=scale)


def draw(name, parameters, dim, n, scale=SCALE):
    """Draws in units of the scale, as float64 rows."""
    seed = zlib.crc32(label((name, parameters, dim)).encode())
    noise = make(name, parameters, dim, scale)
    return noise.sample(n, generator=seed, dtype=torch.float64).numpy() / scale


def one_coordinate_of_each(x):
    """A coordinate drawn at random from each row: as good as the first, and it looks at all of them."""
    picks = np.random.default_rng(7).integers(x.shape[1], size=len(x))
    return x[np.arange(len(x)), picks]


def skewness_allows(truth, n):
    return truth.square_skewness / math.sqrt(n) < MAX_SKEWNESS


# -- samples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "closed"),
    [
        ("exp-l1", {"k": 1.0}, stats.laplace.cdf),
        ("exp-l2", {"k": 2.0}, stats.norm(scale=math.sqrt(0.5)).cdf),
        ("uniform-linf", {}, stats.uniform(-1, 2).cdf),
    ],
)
@pytest.mark.parametrize("dim", [1, 2, 5, 784])
def test_the_reference_coordinate_law_where_it_is_known(name, parameters, closed, dim):
    x = np.linspace(-3, 3, 97)
    np.testing.assert_allclose(law(name, dim, **parameters).coordinate_cdf(x), closed(x), atol=2e-5)


@pytest.fixture(scope="module", params=CASES, ids=label)
def drawn(request):
    name, parameters, dim = request.param
    return law(name, dim, **parameters), draw(name, parameters, dim, DRAWS[dim])


def test_the_whole_vector_follows_its_law(drawn):
    truth, x = drawn
    assert kolmogorov_excess(truth.statistic(x), truth.statistic_cdf, LEVEL) < 1


def test_one_coordinate_follows_its_law(drawn):
    truth, x = drawn
    assert kolmogorov_excess(one_coordinate_of_each(x), truth.coordinate_cdf, LEVEL) < 1


def test_coordinates_are_signed_independently_of_size_and_of_each_other(drawn):
    truth, x = drawn
    signs = np.sign(x[:, [0, -1]])
    sizes = np.sign(truth.statistic(x) - np.median(truth.statistic(x)))
    products = [signs[:, 0], signs[:, 1], signs[:, 0] * sizes, signs.prod(axis=1) if x.shape[1] > 1 else 0]
    for product in products:  # fair signs: Hoeffding
        assert abs(np.mean(product)) < math.sqrt(2 * math.log(8 / LEVEL) / len(x))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if skewness_allows(law(case[0], case[2], **case[1]), DRAWS[case[2]])],
    ids=label,
)
def test_sigma_squared_is_the_mean_square(case):
    name, parameters, dim = case
    truth = law(name, dim, **parameters)
    square = (draw(name, parameters, dim, DRAWS[dim]) ** 2).mean(axis=1)
    error = square.std(ddof=1) / math.sqrt(len(square))
    assert abs(square.mean() - truth.variance) < Z_CRITICAL * error


def test_most_families_have_a_z_test_of_sigma():
    tested = {(c[0], c[2]) for c in CASES if skewness_allows(law(c[0], c[2], **c[1]), DRAWS[c[2]])}
    assert {name for name, _ in tested} == {case[0] for case in CASES}
    assert len(tested) >= 0.9 * len({(case[0], case[2]) for case in CASES})


@pytest.mark.parametrize("case", CASES, ids=label)
def test_sigma_is_the_closed_form(case):
    name, parameters, dim = case
    sigma, truth = make(name, parameters, dim, SCALE).sigma, law(name, dim, **parameters).variance
    if math.isinf(truth):
        assert math.isinf(sigma)
    else:
        assert sigma == pytest.approx(SCALE * math.sqrt(truth), rel=1e-10)


WRONG = [
    ("gaussian", {}, 1, {}, 1.02),
    ("laplace", {}, 2, {}, 1.02),
    ("exp-power", {"p": 0.5}, 784, {}, 1.02),
    ("exp-power", {"p": 3.0}, 5, {"p": 3.1}, 1.0),
    ("pareto", {"a": 3.0}, 1, {"a": 3.1}, 1.0),
    ("uniform-l2", {}, 5, {}, 1.02),
    ("exp-linf", {"k": 1.0}, 1, {}, 1.02),
    ("exp-linf", {"k": 1.0}, 5, {"k": 1.1}, 1.0),
    ("exp-l1", {"k": 2.0}, 784, {"k": 2.1}, 1.0),
    ("exp-l2", {"k": 3.0, "j": 2.0}, 5, {"j": 2.1}, 1.0),
    ("exp-linf", {"k": 1.0, "j": 783.5}, 784, {"j": 783.3}, 1.0),
    ("pow-linf", {"k": 2.0, "a": 5.5}, 5, {"k": 2.1}, 1.0),
    ("pow-l1", {"k": 1.0, "a": 814.0}, 784, {}, 1.2),
]


@pytest.mark.parametrize(("name", "parameters", "dim", "wrong", "stretch"), WRONG)
def test_a_wrong_law_is_rejected(name, parameters, dim, wrong, stretch):
    """The tests above have the power to see 2 % of scale, or 0.1 of a parameter, at their own level.

    More where the law is wide and the draws few: 0.2 of j next to d, and 20 % of a heavy-tailed scale at d = 784.
    """
    n = {1: 400_000, 2: 300_000, 5: 150_000, 784: 1500}[dim]
    x = stretch * draw(name, parameters, dim, n)
    truth = law(name, dim, **(parameters | wrong))
    assert kolmogorov_excess(truth.statistic(x), truth.statistic_cdf, LEVEL) > 1
    variance = (x**2).mean()
    if skewness_allows(truth, n) and dim < 784:
        error = (x**2).mean(axis=1).std() / math.sqrt(n)
        assert abs(variance - truth.variance) > Z_CRITICAL * error


@pytest.mark.parametrize("dim", [2, 5])
@pytest.mark.parametrize("pair", [("linf", "l2"), ("l2", "l1"), ("l1", "linf")])
def test_a_wrong_boundary_is_rejected(dim, pair):
    """The right radius on the wrong body: only the coordinate tells, so the coordinate test must."""
    true, wrong = pair
    x = one_coordinate_of_each(draw(f"exp-{true}", {"k": 1.0}, dim, DRAWS[dim]))
    assert kolmogorov_excess(x, law(f"exp-{wrong}", dim, k=1.0).coordinate_cdf, LEVEL) > 1


def test_a_cube_without_its_facets_is_rejected():
    """θ uniform in the cube in place of its boundary: seen by the coordinate even at d = 5."""
    dim, generator = 5, np.random.default_rng(3)
    x = generator.gamma(dim, size=DRAWS[dim]) * generator.uniform(-1, 1, DRAWS[dim])
    assert kolmogorov_excess(x, law("exp-linf", dim, k=1.0).coordinate_cdf, LEVEL) > 1


# -- densities ----------------------------------------------------------------------------------------------


def half_line(name, parameters):
    """Nodes and logarithms of weights on (0, ∞), for a coordinate of a product or the radius of a shaped density.

    Trapezoids in log x: exponentially accurate for densities that are analytic in log x. Where the density ends
    (uniform) or nearly does (p = 40), Gauss on panels.
    """
    if name.startswith("uniform") or parameters.get("p") == 40:
        edges = np.array([0.0, 1.0]) if name.startswith("uniform") else np.linspace(0, 1.4, 9)
        nodes, weights = np.polynomial.legendre.leggauss(40)
        widths = np.diff(edges)[:, None]
        return (edges[:-1, None] + widths * (1 + nodes) / 2).ravel(), np.log(widths * weights / 2).ravel()
    # far enough to both sides for |x|^-0.95 at the origin and for (1+|x|)^-1.3
    products = {"pareto": (0.1, -45, 90), "exp-power": (0.05, -45, 30)}
    products |= dict.fromkeys(("gaussian", "laplace"), (0.05, -45, 10))
    step, start, end = products.get(name, (0.05, -700, 140))
    t = np.arange(start, end, step)
    return np.exp(t), t + math.log(step)


@pytest.mark.parametrize("case", LOW, ids=label)
def test_density_integrates_to_one(case):
    name, parameters, dim = case
    noise = make(name, parameters, dim, SCALE)
    r, log_weight = half_line(name, parameters)
    r, log_weight = SCALE * r, math.log(SCALE) + log_weight
    if dim == 1:
        total = 2 * np.exp(noise.log_prob(r[:, None]) + log_weight).sum()
    elif "-" in name and name != "exp-power":
        # Polar coordinates in the gauge: x = r θ(φ), φ over one of eight equal octants.
        phi, share = np.polynomial.legendre.leggauss(24)
        phi, share = np.pi / 8 * (1 + phi), np.pi / 8 * share
        direction = np.stack([np.cos(phi), np.sin(phi)], axis=-1)
        gauge = law(name, 2, **parameters).statistic(direction)
        x = r[:, None, None] * (direction / gauge[:, None])
        total = 8 * (np.exp(noise.log_prob(x) + (log_weight + np.log(r))[:, None]) @ (share / gauge**2)).sum()
    else:
        total = sum(
            4 * np.exp(noise.log_prob(np.stack([np.full_like(r, s), r], axis=-1)) + log_weight + w).sum()
            for s, w in zip(r, log_weight, strict=True)
        )
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_density_is_the_formula_for_arrays_and_tensors(case):
    name, parameters, dim = case
    noise = make(name, parameters, dim, SCALE)
    x = draw(name, parameters, dim, 12).reshape(3, 4, dim)
    ours = noise.log_prob(SCALE * x)
    assert ours.shape == (3, 4)
    expected = law(name, dim, **parameters).log_density(x) - dim * math.log(SCALE)
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-10)
    tensor = noise.log_prob(torch.from_numpy(SCALE * x))
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64 and tensor.shape == (3, 4)
    np.testing.assert_allclose(tensor.numpy(), ours, rtol=1e-12, atol=1e-12)
    assert noise.log_prob(SCALE * x[0, 0]).shape == ()
    # even, and exchangeable
    np.testing.assert_allclose(noise.log_prob(-SCALE * x[..., ::-1]), ours, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["uniform", "uniform-linf", "uniform-l1", "uniform-l2"])
@pytest.mark.parametrize("dim", [1, 2, 5, 784])
def test_uniform_density_is_zero_off_its_support(name, dim):
    noise = make(name, {}, dim, SCALE)
    axis = np.zeros((2, dim))
    axis[:, -1] = SCALE * (1 - 1e-9), -SCALE * (1 + 1e-9)
    for x in (axis, torch.from_numpy(axis)):
        inside, outside = noise.log_prob(x)
        assert math.isfinite(inside) and outside == -math.inf


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dim", [784, LARGE])
def test_density_in_high_dimension(name, dim):
    parameters = {"exp-power": {"p": 1.5}, "pareto": {"a": 3.0}}.get(name, {})
    if name.startswith("exp-l"):
        parameters = {"k": 2.0, "j": 0.25 * dim}
    elif name.startswith("pow-"):
        parameters = {"k": 2.0, "a": 0.75 * dim}
    noise = make(name, parameters, dim, SCALE)
    x = noise.sample(2, generator=5, dtype=torch.float64).numpy() * (1 - 1e-12)
    value = noise.log_prob(x)
    assert np.isfinite(value).all()
    expected = law(name, dim, **parameters).log_density(x / SCALE) - dim * math.log(SCALE)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    single = noise.log_prob(torch.from_numpy(x * (1 - 1e-5)).float())
    assert single.dtype == torch.float32 and torch.isfinite(single).all()


# -- the mechanics of sampling ------------------------------------------------------------------------------

# a peak at the origin (j next to d) rounds to zeros, which repeat
ONE_OF_EACH = [(name, parameters) for name, parameters in families(5) if parameters.get("j", 0) < 4]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "parameters"), ONE_OF_EACH)
def test_sampling_fills_the_buffer_and_repeats(name, parameters, dtype):
    noise = make(name, parameters, 5)
    out = torch.full((64, 5), math.nan, dtype=dtype)
    address = out.data_ptr()
    assert noise.sample(out=out, generator=11) is out
    assert out.data_ptr() == address and out.dtype == dtype and torch.isfinite(out).all()
    assert len(out.unique()) > 300  # of 320: float32 repeats a few
    assert torch.equal(out, noise.sample(64, generator=11, dtype=dtype))
    generator, again = torch.Generator().manual_seed(11), torch.Generator().manual_seed(11)
    from_generator = noise.sample(64, generator=generator, dtype=dtype)
    assert torch.equal(from_generator, noise.sample(64, generator=again, dtype=dtype))
    assert not torch.equal(
        from_generator, noise.sample(64, generator=generator, dtype=dtype)
    )  # the state moved on
    assert not torch.equal(out, noise.sample(64, generator=12, dtype=dtype))
    torch.manual_seed(3)
    first = noise.sample(8)
    torch.manual_seed(3)
    assert torch.equal(first, noise.sample(8))
    assert noise.sample(0).shape == (0, 5)


@pytest.mark.parametrize("name", ["gaussian", "uniform", "exp-linf", "exp-l2", "exp-l1"])
def test_a_part_of_a_larger_buffer_is_filled_and_no_more(name):
    buffer = torch.zeros(6, 5)
    make(name, {}, 5).sample(2, out=buffer[2:4], generator=1)
    assert (buffer[2:4] != 0).all()
    assert (buffer[:2] == 0).all() and (buffer[4:] == 0).all()


@pytest.mark.parametrize(
    "out",
    [
        torch.empty(4, 6),
        torch.empty(5),
        torch.empty(2, 2, 5),
        torch.empty(5, 4).T,
        torch.empty(4, 10)[:, ::2],
    ],
    ids=["dim", "vector", "cube", "transposed", "strided"],
)
@pytest.mark.parametrize("name", ["gaussian", "exp-linf"])
def test_a_wrong_buffer_is_refused(name, out):
    with pytest.raises(InputError, match="contiguous floats with shape"):
        make(name, {}, 5).sample(out=out)


def test_a_wrong_number_of_draws_is_refused():
    with pytest.raises(InputError, match="n=3"):
        Gaussian(dim=5).sample(3, out=torch.empty(4, 5))
    with pytest.raises(InputError, match="number of draws"):
        Gaussian(dim=5).sample()


EXTREME = [
    *(("exp-linf", {"k": 0.05}, dim) for dim in (1, 5, 784)),
    *(("pareto", {"a": a}, dim) for a in (0.1, 0.01) for dim in (1, 784)),
    *(("exp-power", {"p": 0.05}, dim) for dim in (1, 784)),
    *((f"pow-{body}", {"k": 1.0, "a": dim + 1e-3}, dim) for body in ("l1", "l2", "linf") for dim in (1, 784)),
    *((f"exp-{body}", {"k": 1.0, "j": dim - 0.01}, dim) for body in ("l1", "l2", "linf") for dim in (1, 784)),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", EXTREME, ids=label)
def test_extreme_samples_are_finite(case, dtype):
    """Tails and peaks beyond the floats: the largest float, or zero, stands in; never an infinity or a NaN."""
    name, parameters, dim = case
    x = make(name, parameters, dim).sample(20_000 if dim == 1 else 300, generator=2, dtype=dtype)
    assert torch.isfinite(x).all()


SINGLE = [
    ("exp-linf", {}),
    ("exp-l2", {}),
    ("exp-l1", {}),
    ("uniform", {}),
    ("uniform-l1", {}),
    ("uniform-l2", {}),
]


@pytest.mark.parametrize(("name", "parameters"), SINGLE)
def test_single_precision_keeps_the_radius_in_high_dimension(name, parameters):
    """The radial draw comes first and in float64: float32 rows have its lengths.

    So radii are compared row by row, free of the statistical error 1/√(dn) ≈ 4e-4; that the float64
    radius has the right law is tested above and below, and here by its mean.
    """
    noise, n = make(name, parameters, LARGE), 40
    truth = law(name, LARGE, **parameters)
    single = truth.statistic(noise.sample(n, generator=1, dtype=torch.float32).double().numpy())
    if name == "uniform":  # one draw a coordinate; the largest of d is known to 1/(d√n)
        assert single.mean() == pytest.approx(LARGE / (LARGE + 1), rel=1e-5)
        return
    lengths, factor = noise.profile.sample_lengths(n, noise.scale, torch.Generator().manual_seed(1))
    double = lengths.numpy() * factor
    assert single.mean() == pytest.approx(double.mean(), rel=1e-5)
    np.testing.assert_allclose(single, double, rtol=1e-6)
    first, second = truth.radial.moment(1), truth.radial.moment(2)
    error = math.sqrt(max(LARGE, 1) / n) if name.startswith("exp") else 1 / (LARGE * math.sqrt(n))
    assert abs(single.mean() - first) < Z_CRITICAL * error + 1e-6 * first
    assert second >= first**2 * (1 - 1e-6)


def test_single_precision_products_keep_their_mean_size():
    """Means over d·n float32 entries, far more than their resolution: gaussian ‖x‖₂², laplace ‖x‖₁, Σ|x|^p."""
    for name, parameters, power, mean, variance in (
        ("gaussian", {}, 2, 1, 2),
        ("laplace", {}, 1, 1, 1),
        ("exp-power", {"p": 0.5}, 0.5, 2, 2),
    ):
        x = make(name, parameters, LARGE).sample(30, generator=4, dtype=torch.float32).double().abs_()
        error = math.sqrt(variance / x.numel())
        assert abs(x.pow_(power).mean().item() - mean) < Z_CRITICAL * error + 1e-6


# -- σ, λ and names -----------------------------------------------------------------------------------------


def common(dim):
    """Families of finite variance at any dimension."""
    yield from ((name, {}) for name in ("gaussian", "laplace", "uniform", "uniform-l1", "uniform-l2"))
    yield from (("exp-power", {"p": p}) for p in (0.05, 0.5, 40.0))
    yield "pareto", {"a": 2.1}
    for body in ("l1", "l2", "linf"):
        yield from ((f"exp-{body}", p) for p in ({}, {"k": 0.05}, {"k": 40.0}, {"k": 2.0, "j": dim - 0.01}))
        yield from ((f"pow-{body}", {"k": k, "a": dim / k + 2.5 / k}) for k in (0.5, 1.0, 10.0))


@pytest.mark.parametrize(
    "profile",
    [
        Uniform(3),
        Exponential(784, k=2),
        Exponential(3, k=1.5),
        Exponential(3, k=0.02),
        Exponential(3, k=40),  # no shape of at least 1, as in the next
        Exponential(784, k=1, j=783.5),
        Power(784, k=1, a=1000),
        Power(3, k=2, a=2.5),
        Power(3, k=2, a=1.75),
        Power(3, k=40, a=3),
    ],
)
def test_lengths_are_scaled_radii(profile):
    """Kolmogorov's distance to the profile's law at 1e-9, also where radii are large and the scale is small."""
    n = 20_000
    median = float(profile.quantile(np.zeros(1))[0])
    for scale in (1.0, 1e-6, 0.3 / median):
        lengths, factor = profile.sample_lengths(n, scale, torch.Generator().manual_seed(3))
        assert lengths.dtype == torch.float64
        uniform = np.sort(profile.cdf(lengths.numpy() * (factor / scale)))
        grid = np.arange(n + 1) / n
        assert max((uniform - grid[:-1]).max(), (grid[1:] - uniform).max()) < math.sqrt(
            math.log(2e9) / (2 * n)
        )


@pytest.mark.parametrize("name", ["exp-l1", "exp-l2", "exp-linf", "uniform-l1", "uniform-l2", "pow-linf"])
@pytest.mark.parametrize("dim", [1, 2, 784])
def test_single_and_double_precision_have_one_law(name, dim):
    """Rows resized in one go, or drawn on the boundary and multiplied: a coordinate and the gauge, by two samples."""
    noise = parse_noise(f"{name}:a=900" if name == "pow-linf" else name, dim=dim, scale=1.0)
    single = noise.sample(20_000, generator=1).double().numpy()
    double = noise.sample(20_000, generator=2, dtype=torch.float64).numpy()
    for f in (lambda x: x[:, 0], lambda x: x[:, -1], lambda x: noise._gauge(x, np)):
        assert stats.ks_2samp(f(single), f(double)).pvalue > 1e-6


@pytest.mark.parametrize("dim", [1, 784, LARGE])
def test_with_sigma(dim):
    for name, parameters in common(dim):
        noise = make(name, parameters, dim)
        for sigma in (1e-3, 0.5, 1.0, 100.0):
            scaled = noise.with_sigma(sigma)
            assert scaled.sigma == pytest.approx(sigma, rel=1e-12), noise
            assert scaled == parse_noise(spec(name, parameters), dim=dim, sigma=sigma)
            assert scaled.scale / noise.scale == pytest.approx(sigma / noise.sigma, rel=1e-11) or math.isinf(
                noise.sigma
            )


@pytest.mark.parametrize("dim", [1, 784])
def test_infinite_variance_has_no_sigma(dim):
    cases = [("pareto", {"a": a}) for a in (0.5, 1.0, 2.0)]
    cases += [(f"pow-{body}", {"k": 2.0, "a": dim / 2 + 1}) for body in ("l1", "l2", "linf")]
    for name, parameters in cases:
        noise = make(name, parameters, dim)
        assert math.isinf(noise.sigma)
        with pytest.raises(InputError, match="infinite variance"):
            noise.with_sigma(1.0)
        with pytest.raises(InputError, match="infinite variance"):
            parse_noise(spec(name, parameters), dim=dim, sigma=1.0)


def test_a_scale_beyond_floats_is_refused():
    with pytest.raises(InputError, match="beyond float64"):
        parse_noise("exp-l2:k=0.01", dim=LARGE, sigma=1.0)


AWKWARD = 0.1 + 0.2  # needs 17 digits


@pytest.mark.parametrize("dim", [1, 784, LARGE])
def test_spec_round_trip(dim):
    cases = [*common(dim), *families(dim)]
    cases += [
        ("exp-power", {"p": AWKWARD}),
        ("pareto", {"a": 1 / 3}),
        ("pow-l1", {"k": 1.0, "a": dim + AWKWARD}),
    ]
    cases += [("exp-linf", {"k": 1 / 3, "j": AWKWARD}), ("exp-l2", {"k": 1e-7 / 3})]
    for name, parameters in cases:
        for scale in (1.0, AWKWARD, 1e-30):
            noise = make(name, parameters, dim, scale)
            assert parse_noise(noise.spec, dim=dim, scale=noise.scale) == noise, noise.spec
            assert str(noise) == noise.spec


def test_specs_are_short_and_named_as_typed():
    assert parse_noise("exp-linf:k=2,j=100", dim=3072, scale=1).spec == "exp-linf:k=2,j=100"
    assert parse_noise("exp-power:p=0.1", dim=3, scale=1).spec == "exp-power:p=0.1"
    assert parse_noise("uniform-linf", dim=3, scale=1).spec == "uniform"
    assert parse_noise("exp-l1", dim=3, scale=1) == parse_noise("exp-l1:j=0,k=1.0", dim=3, scale=1)
    assert hash(parse_noise("exp-l1", dim=3, scale=1)) == hash(parse_noise("exp-l1:k=1", dim=3, scale=1))


def test_every_family_is_made_by_its_name():
    for name in NAMES:
        needs = {"exp-power": ":p=2", "pareto": ":a=3"}.get(name, ":a=9" if name.startswith("pow") else "")
        made = parse_noise(name + needs, dim=3, scale=1)
        assert made.family == ("uniform" if name == "uniform-linf" else name) and made.dim == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gauss", "unknown noise 'gauss'; known: .*exp-linf.*gaussian.*pow-l2"),
        ("", "unknown noise"),
        ("Gaussian", "known: .*gaussian"),
        ("exp-l2:q=2", "exp-l2 takes k, j; got 'q=2'"),
        ("gaussian:k=2", "gaussian takes no parameters; got 'k=2'"),
        ("exp-l2:k", "takes k, j; got 'k'"),
        ("pareto", "needs a: write pareto:a=VALUE"),
        ("exp-power:", "needs p"),
        ("pow-linf:k=2", "needs a"),
        ("exp-l2:k=two", "k must be a number, got 'two'"),
        ("exp-l2:k=", "k must be a number"),
        ("exp-l2:k=0", "0 < k < inf is required, got 0"),
        ("exp-l2:k=-1", "k is out of range"),
        ("exp-l2:k=nan", "k is out of range"),
        ("exp-l2:k=inf", "k is out of range"),
        ("exp-l2:j=5", "0 <= j < 5 is required, got 5"),
        ("exp-l2:j=-0.1", "j is out of range"),
        ("exp-l2:j=nan", "j is out of range"),
        ("pow-l1:a=5", "5 < a < inf is required"),
        ("pow-l1:k=2,a=2.5", "2.5 < a < inf is required"),
        ("pow-l1:a=nan", "a is out of range"),
        ("pow-l1:a=inf", "a is out of range"),
        ("pareto:a=0", "a is out of range"),
        ("pareto:a=inf", "a is out of range"),
        ("exp-power:p=-2", "p is out of range"),
        ("exp-power:p=nan", "p is out of range"),
    ],
)
def test_mistakes_are_named(text, says):
    for size in ({"scale": 1.0}, {"sigma": 1.0}):
        with pytest.raises(InputError, match=says):
            parse_noise(text, dim=5, **size)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("text", ["gaussian", "exp-linf:k=2", "pow-l2:a=40"])
def test_sizes_must_be_positive(text, bad):
    with pytest.raises(InputError, match="sigma must be a positive, finite number"):
        parse_noise(text, dim=5, sigma=bad)
    with pytest.raises(InputError, match=r"scale .* must be a positive, finite number"):
        parse_noise(text, dim=5, scale=bad)


def test_exactly_one_size_is_needed():
    for sizes in ({}, {"sigma": 1.0, "scale": 1.0}):
        with pytest.raises(InputError, match="exactly one of sigma and scale"):
            parse_noise("gaussian", dim=5, **sizes)


@pytest.mark.parametrize("dim", [0, -1, 2.0, "3"])
def test_dimensions_are_whole_numbers(dim):
    for make_one in (lambda: Gaussian(dim=dim), lambda: ExpPower(dim=dim, p=2.0)):
        with pytest.raises(InputError, match="dim must be a whole number"):
            make_one()


def test_a_profile_of_another_dimension_is_refused():
    with pytest.raises(ValueError, match="dim"):
        Ball(dim=3, profile=Uniform(4))


# -- profiles -----------------------------------------------------------------------------------------------

W = np.linspace(-6, 6, 241)


def profiles(dim):
    yield Uniform(dim), Radial(dim, "uniform")
    exponentials = [
        (1, 0),
        (2, 0),
        (0.5, 0),
        (3, 0.4 * dim),
        (0.7, 0.5 * dim),
        (1, max(0, dim - 1.5)),
        (40, 0),
    ]
    exponentials += [(2, dim - 0.05)]
    for k, j in exponentials:
        yield Exponential(dim, k=float(k), j=float(j)), Radial(dim, "exp", k=float(k), j=float(j))
    for k, tail in ((1, 0.3), (0.5, 2.0), (2, 3.0), (10, 30.0), (3, 0.1)):
        a = dim / k + tail
        yield Power(dim, k=float(k), a=a), Radial(dim, "pow", k=float(k), a=a)


PROFILES = [pair for dim in DRAWS for pair in profiles(dim)]
SCORED = [(profile, truth) for profile, truth in PROFILES if profile.score_is_integrable]


@pytest.mark.parametrize(("profile", "truth"), PROFILES, ids=repr)
def test_cdf_inverts_quantile(profile, truth):
    r = profile.quantile(W)
    np.testing.assert_allclose(profile.cdf(r), sp.ndtr(W), atol=1e-9, rtol=1e-9)
    np.testing.assert_allclose(truth.cdf(r), sp.ndtr(W), atol=1e-9, rtol=1e-8)
    np.testing.assert_allclose(truth.sf(r), sp.ndtr(-W), atol=1e-12, rtol=1e-6)
    assert (np.diff(r) >= 0).all()


@pytest.mark.parametrize(("profile", "truth"), PROFILES, ids=repr)
def test_moments(profile, truth):
    for s in (-1.0, 1.0, 2.0, 2.5):
        expected = truth.moment(s)
        if math.isinf(expected) or math.isinf(profile.log_moment(s)):
            assert math.isinf(expected) and profile.log_moment(s) == math.inf
        else:
            assert profile.log_moment(s) == pytest.approx(math.log(expected), abs=1e-9)


def test_which_scores_are_integrable():
    integrable = {
        (p.dim, p.k, p.j) for p, _ in PROFILES if isinstance(p, Exponential) and p.score_is_integrable
    }
    assert {(5, 3.0, 2.0), (5, 1.0, 3.5), (1, 2.0, 0.0)} <= integrable
    assert not integrable & {(5, 2.0, 4.95), (1, 3.0, 0.4), (2, 2.0, 1.95)}
    for profile in (Uniform(5), Exponential(5, j=4.0), Exponential(2, k=2.0, j=1.0)):
        assert not profile.score_is_integrable
    kinds = {(type(p), p.k > 1, getattr(p, "j", 0) > 0) for p, _ in SCORED}
    assert len(kinds) == 6  # k ≤ 1 and k > 1, with and without j, and both power laws


def best_partial_means(truth, w):
    """T(q) at q = Φ_N(-w) by sorting: a fine grid of radii in normal scores, the largest scores taken first."""
    edges = np.linspace(-37 if truth.j else -9, 9, 200_001)  # 1/r matters down to the smallest masses
    middle = 0.5 * (edges[1:] + edges[:-1])
    mass = np.where(middle > 0, -np.diff(sp.ndtr(-edges)), np.diff(sp.ndtr(edges)))
    r = np.where(middle > 0, truth.isf(sp.ndtr(-middle)), truth.ppf(sp.ndtr(middle)))
    score = truth.score(r)
    order = np.argsort(-score)
    q = np.concatenate([[0], np.cumsum(mass[order])])
    total = np.concatenate([[0], np.cumsum((mass * score)[order])])
    return np.interp(sp.ndtr(-w), q, total)


@pytest.mark.parametrize(("profile", "truth"), thinned(SCORED, 0.4), ids=repr)
def test_upper_score_is_the_best_partial_mean(profile, truth):
    w = np.linspace(-3, 3, 61)
    ours, brute = profile.upper_score(w), best_partial_means(truth, w)
    np.testing.assert_allclose(ours, brute, rtol=2e-5)


@pytest.mark.parametrize(("profile", "truth"), SCORED, ids=repr)
def test_upper_score_rises_and_is_concave(profile, truth):
    w = np.linspace(6, -6, 241)
    q, value = sp.ndtr(-w), profile.upper_score(w)
    slope = np.diff(value) / np.diff(q)
    # a difference of rounded values is known to this much
    noise = 1e-13 * value[1:] / np.diff(q) + 1e-9 * slope
    assert (slope > -noise).all()
    assert (slope[1:] <= slope[:-1] + noise[1:] + noise[:-1]).all()
    assert (value >= q * profile.mean_score * (1 - 1e-12)).all()


@pytest.mark.parametrize(("profile", "truth"), SCORED, ids=repr)
def test_mean_score(profile, truth):
    assert profile.upper_score(np.array([-37.0]))[0] == pytest.approx(profile.mean_score, rel=1e-12)
    if profile.dim > 1:  # by parts: E ψ'(r) = (d-1) E[1/r]
        assert profile.mean_score == pytest.approx((profile.dim - 1) * truth.moment(-1), rel=1e-9)
    else:  # ... = f(0) / ∫f
        assert profile.mean_score == pytest.approx(math.exp(-truth.log_mass), rel=1e-12)
