"""What holds for every noise against every norm, whatever the theorem."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp
from smoothing.noises import FAMILIES, parse_noise
from smoothing.theorems import certify_radius, evaluate, find_theorems

NORMS = (L1(), L2(), Linf(), lp(1.5), lp(3))
ROUNDING = 1 - 1e-11  # formulas are accurate to 1e-12; two of them meet in a comparison


TABULATED = {"exp-power", "pareto", "exp-l1", "pow-l1", "pow-l2"}


@st.composite
def noises(draw):
    """Any family at any admissible parameters, dim 1 … 4000, scale over eight decades."""
    name = draw(st.sampled_from(sorted(FAMILIES)))
    if name == "body":
        body = draw(st.sampled_from(["cube", "cross-polytope", "wulff-l1", "wulff-linf"]))
        return parse_noise(
            f"body:{body}", dim=draw(st.integers(1, 4)), scale=10.0 ** draw(st.integers(-4, 4))
        )
    if name in TABULATED:  # seconds to minutes a law in high dimension; tests/data has those
        dim = draw(st.sampled_from([1, 2, 3, 10]))
    else:
        dim = draw(st.sampled_from([1, 2, 3, 10, 64, 784, 3072]) | st.integers(1, 4000))
    parameters = {}
    for key in FAMILIES[name].parameters:
        if key == "j":
            parameters[key] = draw(st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, max(dim - 1.5, 0)))
        elif key == "k":
            parameters[key] = draw(st.sampled_from([0.5, 1.0, 2.0, 10.0]) | st.floats(0.3, 20))
        elif key == "p":
            parameters[key] = draw(st.sampled_from([0.5, 1.0, 2.0]) | st.floats(0.2, 20))
        else:
            parameters[key] = draw(st.floats(0.2, 50))
    if "a" in parameters and name.startswith("pow"):
        parameters["a"] = dim / parameters["k"] + parameters["a"]
    if "j" in parameters:
        assume(parameters["j"] < dim)
    scale = 10.0 ** draw(st.integers(-4, 4))
    text = name + (":" + ",".join(f"{k}={v!r}" for k, v in parameters.items()) if parameters else "")
    return parse_noise(text, dim=dim, scale=scale)


rhos = st.floats(0.5, 1 - 1e-12) | st.sampled_from([0.5 + 1e-9, 0.6, 0.99, 1 - 1e-12])


def radius(noise, norm, rho):
    """The best radii, or the test case is dropped where the table has nothing yet."""
    try:
        return certify_radius(noise, norm, rho).radius
    except InputError:
        assume(False)


@settings(max_examples=40)
@given(noise=noises(), norm=st.sampled_from(NORMS), a=rhos, b=rhos)
def test_monotone_in_rho_positive_and_finite(noise, norm, a, b):
    small, large = radius(noise, norm, [min(a, b), max(a, b)])
    assert 0 <= small * ROUNDING <= large < math.inf
    if max(a, b) > 0.5 + 1e-9:
        assert large > 0


@settings(max_examples=40)
@given(noise=noises(), norm=st.sampled_from(NORMS), rho=st.floats(0, 0.5))
def test_no_majority_no_radius(noise, norm, rho):
    assert radius(noise, norm, rho) == 0


@settings(max_examples=40)
@given(noise=noises(), norm=st.sampled_from(NORMS), rho=rhos, factor=st.floats(0.01, 100))
def test_radii_scale_with_lambda(noise, norm, rho, factor):
    bigger = parse_noise(noise.spec, dim=noise.dim, scale=noise.scale * factor)
    assert radius(bigger, norm, rho) == pytest.approx(factor * radius(noise, norm, rho), rel=1e-12)


@settings(max_examples=40)
@given(noise=noises(), rho=rhos)
def test_larger_balls_have_smaller_radii(noise, rho):
    r1, r2, rinf = (radius(noise, norm, rho) for norm in (L1(), L2(), Linf()))
    assert r1 >= r2 * ROUNDING and r2 >= rinf * ROUNDING


@settings(max_examples=20)
@given(noise=noises(), norm=st.sampled_from(NORMS), many=st.lists(rhos, min_size=1, max_size=6))
def test_batch_equals_loop(noise, norm, many):
    batch = radius(noise, norm, many)
    loop = [radius(noise, norm, rho) for rho in many]
    np.testing.assert_allclose(batch, loop, rtol=1e-13)


@settings(max_examples=20)
@given(noise=noises(), norm=st.sampled_from(NORMS), rho=rhos)
def test_theorems_of_a_cell_agree_within_their_ordering(noise, norm, rho):
    """No sound radius exceeds a tight one; tight ones are equal; none is negative or NaN."""
    rho = np.array([max(rho, 0.5 + 1e-12)])
    found = [(t.tight, *evaluate(t, noise, norm, rho)) for t in find_theorems(noise, norm)]
    assume(found)
    for _, value, _ in found:
        assert value[0] >= 0
    for is_tight, best, slack in found:
        if not is_tight:
            continue
        for also, value, error in found:  # what was subtracted is the room between them
            assert value[0] * ROUNDING <= best[0] + 2 * slack[0]
            if also:
                assert value[0] == pytest.approx(best[0], rel=1e-11, abs=2 * max(slack[0], error[0]))


@pytest.mark.parametrize("rho", [-0.1, 1.1, math.nan, math.inf])
def test_rho_is_a_probability(rho):
    with pytest.raises(InputError, match="probability"):
        certify_radius(parse_noise("gaussian", dim=3, scale=1), L2(), rho)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_certainty_gives_the_limit_from_below(name):
    required = {"p": 1.5, "a": 7.0, "name": 0}
    pairs = ",".join(f"{k}={required[k]}" for k, v in FAMILIES[name].parameters.items() if v is None)
    text = "body:wulff-linf" if name == "body" else f"{name}:{pairs}" if pairs else name
    noise = parse_noise(text, dim=3, scale=1)
    for norm in (L1(), L2(), Linf()):
        if not find_theorems(noise, norm):
            continue
        near, at = certify_radius(noise, norm, [1 - 1e-14, 1.0]).radius
        assert at >= near * ROUNDING
        if name.startswith("uniform"):
            assert at <= 2.0  # two bodies of diameter 2 further apart than that do not overlap


def test_float32_probabilities_keep_their_value():
    noise = parse_noise("gaussian", dim=150528, sigma=1)
    rho = np.array([0.5000001, 0.9999999], dtype=np.float32)
    exact = [certify_radius(noise, Linf(), float(r)).radius for r in rho]
    np.testing.assert_array_equal(certify_radius(noise, Linf(), rho).radius, exact)
    assert certify_radius(noise, Linf(), rho).radius.dtype == np.float64


def test_a_miss_lists_what_exists():
    with pytest.raises(InputError, match=r"cube-l1 .*j < d-1"):
        certify_radius(parse_noise("exp-linf:k=1,j=4.5", dim=5, scale=1), L2(), 0.9)


def test_named_theorem_is_used_and_a_wrong_name_lists_the_table():
    noise = parse_noise("uniform", dim=5, scale=1)
    by_inclusion = certify_radius(noise, L1(), 0.9, theorem="inclusion")
    assert (
        by_inclusion.theorem == "inclusion"
        and 0 < by_inclusion.radius < certify_radius(noise, L1(), 0.9).radius
    )
    with pytest.raises(InputError, match="uniform-lp"):
        certify_radius(noise, L1(), 0.9, theorem="nonsense")
    with pytest.raises(InputError, match="does not apply"):
        certify_radius(noise, L1(), 0.9, theorem="laplace-l1")


def test_cube_against_l1_beats_the_linear_formula_beyond_its_range():
    """Up to rho = 1 - 1/(2d) linear; beyond, the best part of a facet's cone gives more."""
    for spec in ("exp-linf:k=1", "exp-linf:k=2,j=1", "pow-linf:k=2,a=6"):
        noise = parse_noise(spec, dim=10, scale=1)
        rho = np.array([0.6, 1 - 1 / 20 + 1e-3, 0.99, 0.99999])
        linear = 2 * 10 * (rho - 0.5) / noise.profile.mean_score
        r = certify_radius(noise, L1(), rho, theorem="cube-l1").radius
        assert r[0] == pytest.approx(linear[0], rel=1e-11)
        assert (r[1:] > linear[1:] * (1 + 1e-6)).all()


def test_uniform_cube_against_lp_beats_conversion():
    noise = parse_noise("uniform", dim=784, scale=1)
    for norm in (L2(), lp(3), Linf()):
        best = certify_radius(noise, norm, 0.999)
        from_l1 = certify_radius(noise, L1(), 0.999).radius * 784 ** (1 / norm.exponent - 1)
        assert best.tight and best.radius > 1.3 * from_l1  # up to 2 log 2 = 1.386


@pytest.mark.parametrize(("p", "dim"), [(1.2, 8), (1.5, 3), (1.7, 784), (1.05, 50)])
def test_uniform_cube_between_one_and_two_against_brute_force(p, dim):
    """The least lp length of a shift whose overlap is 3/2 - rho, over random and structured splits of log(...)."""
    noise = parse_noise("uniform", dim=dim, scale=1)
    rng = np.random.default_rng(0)
    for rho in (0.6, 0.9, 0.999):
        total = -math.log(1.5 - rho)
        shares = np.concatenate(
            [rng.dirichlet(np.full(dim, c), size=400) for c in (0.05, 0.3, 1, 10)]
            + [np.eye(dim)[:1], np.full((1, dim), 1 / dim)]
            + [np.array([[1 - t] + [t / (dim - 1)] * (dim - 1)]) for t in np.linspace(0, 1, 50)]
        )
        lengths = (((2 * -np.expm1(-total * shares)) ** p).sum(axis=1)) ** (1 / p)
        assert certify_radius(noise, lp(p), rho).radius <= lengths.min() * (1 + 1e-12)
