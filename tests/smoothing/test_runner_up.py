"""Radii from two probabilities, against Cohen's formula and the worst pair of sets in one dimension."""

import json

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from geometry.errors import InputError
from geometry.norms import L1, L2, Linf
from smoothing import SmoothedClassifier, certify_radius, parse_noise
from smoothing import certify as certify_command
from smoothing import report as report_command
from smoothing.runner_up import certify_runner_up, two_bounds

PAIRS = [(0.9, 0.05), (0.6, 0.3), (0.6, 0.4), (0.51, 0.2), (0.5, 0.3), (0.45, 0.2), (0.3, 0.1), (0.99, 1e-4)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_gaussian_noise_has_cohens_radius(first, second):
    """σ (Φ⁻¹(p_A) - Φ⁻¹(p_B)) / 2, by SciPy."""
    found = certify_runner_up(parse_noise("gaussian", dim=784, sigma=0.7), L2(), first, second)
    exact = 0.7 * (stats.norm.ppf(first) - stats.norm.ppf(second)) / 2
    assert found.radius == pytest.approx(exact, rel=1e-9) and found.radius <= exact


def most_gained(noise, mass, shift):
    """The largest probability after the shift of a set that has ``mass`` before it: Neyman-Pearson on a fine grid."""
    edge = 60 * noise.scale if noise.family != "uniform" else 3 * noise.scale
    x = np.linspace(-edge, edge, 2_000_001)
    q, moved = (np.exp(noise.log_prob((x - v)[:, None])) * (x[1] - x[0]) for v in (0.0, shift))
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.argsort(np.where(q > 0, -moved / q, -np.inf), kind="stable")
    before, after = np.cumsum(q[order]), np.cumsum(moved[order])
    return float(np.interp(mass, before, after))


@pytest.mark.parametrize("spec", ["laplace", "uniform", "gaussian", "exp-power:p=1.5", "exp-power:p=3"])
@pytest.mark.parametrize(("first", "second"), [(0.6, 0.25), (0.45, 0.2), (0.8, 0.2)])
def test_the_radius_in_one_dimension_is_that_of_the_worst_sets(spec, first, second):
    """At the radius the runner-up's best set and the best complement of the top class have 1 together: a tie."""
    noise = parse_noise(spec, dim=1, scale=0.5)
    radius = float(certify_runner_up(noise, L1(), first, second).radius)
    assert most_gained(noise, second, radius) + most_gained(noise, 1 - first, radius) == pytest.approx(
        1, abs=2e-5
    )


@pytest.mark.parametrize(
    "spec", ["exp-power:p=0.6", "pareto:a=3", "exp-l2:k=1", "pow-l2:k=2,a=3", "exp-l1:k=1.5"]
)
@pytest.mark.parametrize(("first", "second"), [(0.6, 0.25), (0.45, 0.2)])
def test_the_radius_is_sound_where_it_is_not_tight(spec, first, second):
    """The sets have at most 1 together, so that the top class is still ahead."""
    noise = parse_noise(spec, dim=1, scale=0.5)
    radius = float(certify_runner_up(noise, L1(), first, second).radius)
    assert radius > 0
    assert most_gained(noise, second, radius) + most_gained(noise, 1 - first, radius) <= 1 + 2e-5


OVERLAPS = {  # the share of its volume that a body at λ = 1 and its shift by r in the worst direction have in common
    ("uniform", Linf(), 50): lambda r: (1 - r / 2) ** 50,
    ("uniform", L2(), 50): lambda r: (1 - r / (2 * mp.sqrt(50))) ** 50,
    ("uniform-l2", L2(), 3): lambda r: 1 - 3 * r / 4 + r**3 / 16,
    ("uniform-l2", L1(), 3): lambda r: 1 - 3 * r / 4 + r**3 / 16,
    ("uniform-l1", L1(), 7): lambda r: (1 - r / 2) ** 7,
    ("body:cross-polytope", L1(), 3): lambda r: (1 - r / 2) ** 3,
    ("body:cube", Linf(), 4): lambda r: (1 - r / 2) ** 4,
}


@pytest.mark.parametrize(("spec", "norm", "dim"), list(OVERLAPS), ids=lambda v: str(v))
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_uniform_noise_on_a_body_has_the_radius_of_its_overlap(spec, norm, dim, first, second):
    """The shift loses (p_A - p_B)/2 of the volume: then the top class keeps as much as the runner-up may gain."""
    found = certify_runner_up(parse_noise(spec, dim=dim, scale=1), norm, first, second)
    with mp.workdps(50):
        lost = 1 - OVERLAPS[spec, norm, dim](mp.mpf(float(found.radius)))
        exact = (mp.mpf(first) - mp.mpf(second)) / 2
    assert float(lost) == pytest.approx(float(exact), rel=1e-9)
    assert lost <= exact
    assert found.tight


def test_inclusion_carries_two_probabilities():
    """exp-power noise at p = 0.6 has no ℓ2 theorem: the ℓ2 ball lies in the ℓ1 ball that is √d times as large."""
    noise = parse_noise("exp-power:p=0.6", dim=9, scale=1)
    of_l1 = certify_runner_up(noise, L1(), 0.4, 0.2).radius
    of_linf = certify_runner_up(noise, Linf(), 0.4, 0.2).radius
    found = certify_runner_up(noise, L2(), 0.4, 0.2)
    assert found.radius == pytest.approx(max(of_l1 / 3, of_linf), rel=1e-9)
    assert found.theorem == "inclusion" and found.radius > 0


SPECS = ["uniform", "gaussian", "laplace", "exp-power:p=3", "pareto:a=3", "exp-linf:k=2", "exp-l1:k=2",
         "pow-l2:k=2,a=30", "uniform-l1", "uniform-l2", "exp-l1:k=1", "exp-linf:k=1", "exp-power:p=0.6"]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("norm", [L1(), L2(), Linf()], ids=["l1", "l2", "linf"])
@settings(max_examples=6)
@given(first=st.floats(0.02, 0.999), lead=st.floats(0.01, 1))
def test_two_probabilities_know_more_than_one(spec, norm, first, lead):
    """At p_B = 1 - p_A nothing is gained; a smaller p_B gives more, a larger p_A too."""
    noise = parse_noise(spec, dim=10, scale=1.0)
    one = certify_radius(noise, norm, max(first, 0.5)).radius
    rest = (1 - first) * (1 - lead * 0.99)
    two = certify_runner_up(noise, norm, first, rest).radius
    assert certify_runner_up(noise, norm, first, 1 - first).radius == pytest.approx(
        one, rel=1e-12, abs=1e-300
    )
    assert two >= one
    assert certify_runner_up(noise, norm, first, rest * 0.9).radius >= two * (1 - 1e-12)
    if first - rest > 1e-3:
        assert two > 0


TIMES = {  # R(ρ) at λ = 1 for p of any side of 1/2, with fifty digits
    "gaussian": lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1),
    "laplace": lambda p: -mp.log(2 * (1 - p)) if p > 0.5 else mp.log(2 * p),
    "uniform": lambda p: 2 * p - 1,
}


@pytest.mark.parametrize(("name", "norm"), [("gaussian", L2()), ("laplace", L1()), ("uniform", L1())])
def test_no_rounding_is_in_favour(name, norm):
    """Near ties, where two times cancel, and at a p_B that no float sees next to 1: never above mpmath's radius."""
    rng = np.random.Generator(np.random.PCG64(0))
    first = rng.uniform(0.02, 0.999, 600)
    second = np.minimum(first * (1 - 10.0 ** -rng.uniform(0, 8, 600)), 1 - first)
    second = np.where(rng.random(600) < 0.2, 10.0 ** -rng.uniform(3, 300, 600), second)
    found = certify_runner_up(parse_noise(name, dim=64, scale=1.0), norm, first, second)
    with mp.workdps(50):
        for a, b, radius in zip(first, second, found.radius, strict=True):
            exact = (TIMES[name](mp.mpf(a)) - TIMES[name](mp.mpf(b))) / 2
            assert radius == 0 or radius <= exact
            if b > 1e-12 and exact > 1e-3:
                assert radius > exact * (1 - 1e-6)


def test_no_lead_no_radius():
    """Whoever is behind, or level, abstains; so does a tie without other votes."""
    noise = parse_noise("gaussian", dim=3, sigma=1)
    assert (certify_runner_up(noise, L2(), [0.3, 0.4, 0.5, 0.0], [0.5, 0.4, 0.5, 1.0]).radius == 0).all()


def test_both_bounds_against_scipy_and_by_simulation():
    """Beta quantiles at α/2 and α/(2(K-1)); 40 000 multinomial runs fail together at most in α, and α is not wasted."""
    votes = np.array([[500, 300, 150, 50]])
    first, second = two_bounds(votes, np.array([0]), 1000, 0.01)
    assert first[0] == pytest.approx(stats.beta.ppf(0.005, 500, 501), rel=1e-9)
    assert second[0] == pytest.approx(stats.beta.isf(0.01 / 6, 301, 700), rel=1e-9)
    p, alpha, runs = np.array([0.4, 0.3, 0.3]), 0.05, 40_000
    drawn = np.random.Generator(np.random.PCG64(1)).multinomial(200, p, size=runs)
    first, second = two_bounds(drawn, np.zeros(runs, dtype=int), 200, alpha)
    failed = ((first > 0.4) | (second < 0.3)).mean()
    assert 0.3 * alpha < failed < alpha + 4 * np.sqrt(alpha / runs)


class Thirds(torch.nn.Module):
    """Class 0 for the first coordinate below its 45 % quantile under N(0, 1), then 1 up to 75 %, then 2."""

    def forward(self, x):
        cuts = torch.tensor(stats.norm.ppf([0.45, 0.75]), dtype=x.dtype)
        return torch.nn.functional.one_hot((x[:, :1] > cuts).sum(dim=1), 3).float()


def test_a_lead_without_a_majority_is_certified():
    """The plain certificate abstains at 45 %; with the runner-up at 30 % there is a radius, below the exact one."""
    g = SmoothedClassifier(Thirds(), parse_noise("gaussian", dim=2, sigma=1), num_classes=3)
    x = torch.zeros(2)
    assert g.certify(x, "l2", n0=2000, n=20_000, seed=1).prediction == -1
    found = g.certify(x, "l2", n0=2000, n=20_000, seed=1, runner_up=True)
    exact = (stats.norm.ppf(0.45) - stats.norm.ppf(0.30)) / 2
    assert found.prediction == 0 and 0.75 * exact < found.radius < exact
    batch = g.certify(torch.zeros(3, 2), "l2", n0=2000, n=20_000, seed=1, runner_up=True)
    assert batch.radius.shape == (3,) and batch.radius[0] == found.radius


def test_from_the_command_line(tmp_path, capsys):
    """The run remembers what it was asked; report can ask otherwise; the votes are the same."""
    command = ["--images", "20", "--n", "500", "--epochs", "1", "--sigma", "1", "--norm", "l1", "--json"]
    answers = {}
    for name, more in (("plain", []), ("two", ["--runner-up"])):
        certify_command.main([*command, *more, "--run-dir", str(tmp_path / name)])
        answers[name] = json.loads(capsys.readouterr().out)
    assert (tmp_path / "plain" / "rows.jsonl").read_bytes() == (tmp_path / "two" / "rows.jsonl").read_bytes()
    radii = {}
    for name, more in (("plain", []), ("two", []), ("two", ["--no-runner-up"]), ("plain", ["--runner-up"])):
        out = tmp_path / "out.csv"
        report_command.main(
            [str(tmp_path / name), "--norm", "l1", "--export", "csv", "--out", str(out), *more]
        )
        radii[name, *more] = np.genfromtxt(out, delimiter=",", names=True, dtype=None, encoding=None)[
            "radius"
        ]
    assert (radii["plain",] == radii["two", "--no-runner-up"]).all()
    assert (radii["two",] == radii["plain", "--runner-up"]).all()
    assert (radii["two",] > 0).sum() > (radii["plain",] > 0).sum()
    shares = np.genfromtxt(out, delimiter=",", names=True, dtype=None, encoding=None)
    assert {"rho", "second"} <= set(shares.dtype.names) and (shares["rho"] + shares["second"] <= 1).all()
    with pytest.raises(InputError, match="--until"):
        certify_command.main(
            [*command, "--runner-up", "--until", "width=0.1", "--run-dir", str(tmp_path / "no")]
        )
