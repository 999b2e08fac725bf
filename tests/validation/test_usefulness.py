"""What a noise of the library really is as a smoothing scheme: ℓ by grids and samples, and never above the ceiling."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geometry.cli import run
from geometry.errors import InputError
from geometry.norms import L1, L2, Linf, lp, parse_norm
from smoothing.noises import parse_noise
from validation import usefulness as command
from validation.comparison import specs
from validation.separation import separation, within
from validation.usefulness import exceeds, usefulness

NORMS = [L1(), L2(), Linf(), lp(3), lp(1.5)]
SOME = ["gaussian", "laplace", "uniform", "exp-power:p=1.5", "pareto:a=8", "uniform-l1", "uniform-l2", "exp-l1:k=2",
         "exp-l2:k=1", "exp-linf:k=2", "exp-linf:k=1", "pow-linf:k=2,a=8", "body:wulff-linf"]  # fmt: skip


def variations(noise, shifts, n=40_000):
    """TV(q, q(· - v)) = E (1 - q(X-v)/q(X))₊ for each v, with five standard errors: wrong once in 1.7 million."""
    x = noise.sample(n, generator=0, dtype=torch.float64).numpy()
    here = noise.log_prob(x)
    for v in shifts:
        lost = -np.expm1(np.minimum(noise.log_prob(x - v) - here, 0))
        yield lost.mean(), 5 * lost.std() / math.sqrt(n) + 1e-9


@pytest.mark.parametrize("spec", SOME)
def test_bounds_of_accuracy(spec):
    """No shift of norm 1 is less than ``lower`` apart, and some is no more than ``upper``."""
    dim = 3
    noise = parse_noise(spec, dim=dim, sigma=0.8)
    directions = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0.4, 0.1], [1, -0.7, 0.2]])
    for norm in NORMS:
        found = separation(noise, norm)
        assert 0 <= found.lower <= found.upper <= 1
        shifts = directions / norm.value(directions)[:, None]
        values = list(variations(noise, shifts))
        assert all(found.lower <= value + error for value, error in values), norm
        assert any(found.upper >= value - error for value, error in values), norm
        if found.upper - found.lower < 1e-9:  # exact: one of these shifts attains it
            assert min(abs(value - found.lower) - error for value, error in values) <= 0, norm


@pytest.mark.parametrize("spec", [s for s in specs(30) if not s.startswith("body")])
def test_one_coordinate_by_samples(spec):
    """P(|X_1| ≤ a) against 200 000 coordinates: five standard errors, once in 1.7 million."""
    noise = parse_noise(spec, dim=30, sigma=1.0)
    draws = noise.sample(200_000 // 30, generator=0).numpy()
    for a in (0.1, 0.5, 1.3):
        mass, error = within(noise, a)
        share = (np.abs(draws) <= a).mean(axis=1)  # coordinates of one draw depend on each other
        assert abs(share.mean() - mass) <= 5 * share.std() / math.sqrt(len(share)) + error


@pytest.mark.parametrize("dim", [1, 5, 3072])
def test_known_accuracies(dim):
    gaussian = parse_noise("gaussian", dim=dim, sigma=1.0)
    for norm in (L2(), lp(3), Linf()):
        found = separation(gaussian, norm)
        # 2Φ(1/2) - 1, the probability of half a standard deviation (Abramowitz and Stegun's table 26.1)
        assert found.lower == pytest.approx(0.3829249225, abs=1e-10) == found.upper
    uniform = parse_noise("uniform", dim=dim, scale=2.0)
    found = separation(uniform, L1())
    assert found.lower == pytest.approx(1 - (1 - 1 / (4 * dim)) ** dim, rel=1e-9) == found.upper
    assert separation(uniform, Linf()).lower == pytest.approx(0.25, rel=1e-11)


def test_cube_mixture_against_l1_is_the_uniform_one_where_they_agree():
    """exp-linf with a large k is nearly uniform."""
    near = parse_noise("exp-linf:k=400", dim=20, scale=2.0)
    flat = parse_noise("uniform", dim=20, scale=2.0)
    assert separation(near, L1()).lower == pytest.approx(separation(flat, L1()).lower, rel=0.02)


@settings(max_examples=30)
@given(
    st.data(),
    st.sampled_from([1, 2, 3, 7, 40, 784, 3072]),
    st.sampled_from(NORMS),
    st.floats(0.02, 30),
    st.sampled_from([1e-4, 1e-3, 0.01, 0.05, 0.2, 0.4]),
)
def test_no_noise_exceeds_the_ceiling(data, dim, norm, sigma, s):
    spec = data.draw(st.sampled_from([name for name in specs(dim) if "exp-power:p=0.5" not in name]))
    noise = parse_noise(spec, dim=dim, sigma=sigma)
    try:
        row = usefulness(noise, norm, s)
    except InputError as error:
        assert "no theorem" in str(error) or "floating point" in str(error)
        return
    assert not exceeds(row), row
    assert row["even_ceiling"] <= row["ceiling"]


@pytest.mark.parametrize("norm", ["l2", "linf", "lp:p=3"])
def test_a_radius_that_is_too_large_is_found(norm):
    """Twice what Gaussian noise certifies is beyond the ceiling of even noise: the check has teeth."""
    noise = parse_noise("gaussian", dim=3072, sigma=1.0)
    row = usefulness(noise, parse_norm(norm), 0.01)
    assert not exceeds(row)
    assert exceeds({**row, "epsilon": 2 * row["epsilon"]})


def document(capsys, *argv):
    command.main([*argv, "--json"])
    return json.loads(capsys.readouterr().out)


def test_the_command_reports_a_noise(capsys):
    argv = ["--noise", "uniform", "--dim", "3072", "--sigma", "1", "--norm", "linf", "--s", "0.01"]
    found = document(capsys, *argv)
    (row,) = found["rows"]
    # uniform on [-√3, √3]: ℓ = 1/(2√3), and ε = 2√3 (1 - 0.99^(1/3072)), which keeps 99 % of the cube
    assert row["accuracy_lower"] == pytest.approx(1 / (2 * math.sqrt(3)), rel=1e-12)
    assert row["epsilon"] == pytest.approx(2 * math.sqrt(3) * -math.expm1(math.log(0.99) / 3072), rel=1e-12)
    assert row["epsilon"] < row["even_ceiling"] < row["ceiling"] and found["failures"] == []
    command.main(argv)
    assert "no scheme above" in capsys.readouterr().out


def test_the_table_of_all(capsys):
    rows = document(capsys, "--dim", "6", "--s", "0.02", "--norm", "l1")["rows"]
    assert {row["norm"] for row in rows} == {"l1"}
    assert len({row["noise"] for row in rows}) == len(specs(6))


def test_failures_end_with_1(capsys, monkeypatch):
    monkeypatch.setattr(command, "exceeds", lambda row: True)
    with pytest.raises(SystemExit) as stop:
        command.main(["--noise", "gaussian", "--norm", "l2", "--dim", "4"])
    assert stop.value.code == 1 and "gaussian against l2 exceeds the ceiling" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--noise", "nonsense"], "unknown noise"),
        (["--norm", "l9"], "unknown norm"),
        (["--s", "0.7"], "--s: must be in (0, 1/2)"),
        (["--sigma", "-1"], "--sigma"),
        (["--noise", "pareto:a=1.5"], "infinite variance"),
    ],
)
def test_mistakes_end_in_one_line(argv, message, capsys):
    with pytest.raises(SystemExit) as stop:
        run(lambda: command.main(argv), "validation.usefulness")
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err
