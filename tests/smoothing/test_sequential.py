"""Bounds at every moment: their capital against exact sums, their coverage by simulation, and what the command does."""

import json
import math
from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geometry.errors import InputError
from geometry.norms import L1, Linf
from smoothing import parse_noise
from smoothing.betting import betting_lower, betting_upper, log_capital
from smoothing.certify import main as certify
from smoothing.confidence import clopper_pearson_lower
from smoothing.runs import RunFolder
from smoothing.sequential import Stopping, looks, parse_until, rho_for_radius
from smoothing.theorems import certify_radius
from smoothing.voting import ESTIMATION, SEQUENTIAL, Voter


def exact_capital(k, n, p0):
    """∫ over q in [p0, 1] of q^k (1-q)^(n-k) dq / ((1-p0) p0^k (1-p0)^(n-k)), by the binomial theorem, in fractions."""
    total = Fraction(0)
    for i in range(n - k + 1):
        power = k + i + 1
        total += (-1) ** i * math.comb(n - k, i) * (1 - p0**power) / power
    return total / ((1 - p0) * p0**k * (1 - p0) ** (n - k))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 99))
def test_capital_against_fractions(k, failures, percent):
    n, p0 = k + failures, Fraction(percent, 100)
    expected = math.log(exact_capital(k, n, p0))
    found = float(log_capital(k, n, float(p0)))
    assert expected - 1e-8 < found < expected


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.05, 0.001]))
def test_bounds_invert_the_capital_and_are_on_the_safe_side(k, failures, alpha):
    n = k + failures
    low, high = float(betting_lower(k, n, alpha)), float(betting_upper(k, n, alpha))
    assert 0 <= low <= high <= 1
    if n:
        assert low <= k / n <= high
        assert low < clopper_pearson_lower(k, n, alpha) + 1e-12  # a bound for one n is above that for all
    if low > 0:
        assert (
            log_capital(k, n, low)
            >= -math.log(alpha)
            > log_capital(k, n, min(low * (1 + 1e-9) + 1e-12, 1 - 1e-12))
        )


@pytest.mark.parametrize("n", [10_000, 1_000_000])
@pytest.mark.parametrize("p0", [0.5, 0.9, 0.999])
def test_capital_of_many_votes_against_forty_digits(n, p0):
    """Around the boundary, where a stop is decided: k up to 8 standard deviations above n p0."""
    with mpmath.workdps(40):
        for steps in (0, 2, 4, 8):
            k = min(n, round(n * p0 + steps * math.sqrt(n * p0 * (1 - p0))))
            # 1 - I_p0(k+1, n-k+1) = P(Binomial(n+1, p0) <= k), whose terms above n p0 fall fast: from its complement
            q = mpmath.mpf(p0)
            term = mpmath.binomial(n + 1, k + 1) * q ** (k + 1) * (1 - q) ** (n - k)
            above, i = mpmath.mpf(0), k + 1
            while term > mpmath.mpf(10) ** -45 and i <= n + 1:
                above += term
                term *= mpmath.mpf(n + 1 - i) / (i + 1) * q / (1 - q)
                i += 1
            won = mpmath.log(mpmath.beta(k + 1, n - k + 1)) + mpmath.log(1 - above)
            expected = won - k * mpmath.log(q) - (n - k + 1) * mpmath.log(1 - q)
            assert expected - 1e-8 - 3e-13 * n < float(log_capital(k, n, p0)) < expected


def ever_above(p, alpha, streams, length, seed):
    """The share of streams of ``length`` votes whose lower bound exceeds p at any of their moments."""
    rng = np.random.default_rng(seed)
    k, wrong = np.zeros(streams, dtype=np.int64), np.zeros(streams, dtype=bool)
    # the smallest k at which the capital against p is enough, per n: one comparison a moment
    for n in range(1, length + 1):
        k += rng.random(streams) < p
        counts = np.arange(n + 1)
        enough = log_capital(counts, n, p) >= -math.log(alpha)
        enough &= counts > n * p
        if enough.any():
            wrong |= k >= counts[enough].min()
    return wrong.mean()


@pytest.mark.parametrize("p", [0.6, 0.95])
def test_coverage_at_the_boundary(p):
    """p is exactly on the boundary, looked at after every vote: the hardest case. It must also not be idle."""
    alpha, streams = 0.05, 20_000
    share = ever_above(p, alpha, streams, 600, seed=1)
    assert share <= alpha + 5 * math.sqrt(alpha * (1 - alpha) / streams)
    assert share > alpha / 20


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.6, 0.9, 0.99])
def test_coverage_of_a_million_streams(p):
    alpha, streams = 0.001, 10**6
    share = ever_above(p, alpha, streams, 1500, seed=2)
    assert share <= alpha + 4 * math.sqrt(alpha / streams)


@pytest.mark.parametrize("spec", ["uniform", "gaussian", "exp-l2:k=1"])
@pytest.mark.parametrize("norm", [L1(), Linf()])
def test_rho_for_radius_is_the_least(spec, norm):
    noise = parse_noise(spec, dim=64, sigma=0.5)
    for radius in (0.003, 0.01):
        rho = rho_for_radius(noise, norm, radius)
        assert certify_radius(noise, norm, rho).radius >= radius
        assert certify_radius(noise, norm, rho - 1e-9).radius < radius


def test_looks_are_geometric_multiples_of_blocks_and_end_where_they_should():
    found = list(looks(100_000, 64, 500))
    early = [piece for piece in found if piece[0] == SEQUENTIAL]
    late = found[len(early) :]
    assert early == [(SEQUENTIAL, 64 * i, 64) for i in range(8)]
    assert all(stage == ESTIMATION for stage, _, _ in late) and len(late) < 40
    assert sum(n for *_, n in found) == 100_000
    for (_, first, n), (_, after, _) in pairwise(late):
        assert after == first + n and n % 500 == 0  # no noise is used twice, and every block is whole
    assert list(looks(10, 64, 500)) == [(SEQUENTIAL, 0, 10)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["radius=1"], "--until takes"),
        (["width=2"], "the width is a difference of probabilities"),
        (["width=x"], "--until takes"),
        (["radius=-1", "norm=l1"], "radii are positive"),
        (["radius=x", "norm=l1"], "--until takes"),
        (["often"], "--until takes"),
        ([], "--until takes"),
    ],
)
def test_until_refuses(words, said):
    with pytest.raises(InputError, match=said):
        parse_until(words)


def test_a_radius_beyond_the_noise_is_refused_at_once():
    with pytest.raises(InputError, match="larger sigma"):
        Stopping(parse_until(["radius=5", "norm=l1"]), parse_noise("uniform", dim=64, sigma=0.5), 0.001)


def test_counting_goes_on_where_it_stopped():
    class Pixels(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :10]

    voter = Voter(Pixels(), parse_noise("uniform", dim=64, sigma=1), 10, lanes=2)
    x = torch.linspace(0, 1, 64)
    ask = {"seed": 1, "image": 2, "stage": SEQUENTIAL}
    whole = voter.count(x, 1000, **ask)
    parts = [voter.count(x, n, first=first, **ask) for first, n in ((0, 64), (64, 640), (704, 296))]
    assert (whole.counts == sum(part.counts for part in parts)).all()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The digits at a fixed n, and until three radii are decided, with the same weights."""
    folder = tmp_path_factory.mktemp("until")
    common = ["--noise", "uniform", "--sigma", "0.5", "--images", "40", "--stride", "7", "--epochs", "3"]
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.chdir(folder)  # weights land here
    certify([*common, "--n", "20000", "--run-dir", str(folder / "fixed")])
    question = ["--until", "radius=0.25,0.5,0.75", "norm=l1"]
    certify([*common, "--n", "20000", *question, "--run-dir", str(folder / "until")])
    monkeypatch.undo()
    return RunFolder.read(folder / "fixed"), RunFolder.read(folder / "until"), folder


@pytest.mark.slow
def test_an_adaptive_run_answers_like_the_fixed_one_for_a_fraction(runs):
    fixed, until, _ = runs
    spent = np.array([row.n for row in until.rows])
    assert spent.mean() < 20_000 / 4 and spent.min() < 400
    radii = np.array([0.25, 0.5, 0.75])
    mine = until.certificate(L1()).radius[:, None] >= radii
    theirs = fixed.certificate(L1()).radius[:, None] >= radii
    assert (mine != theirs).mean() < 0.03  # images whose radius is next to one of these
    decided = spent < 20_000
    assert decided.sum() > 30
    # what is decided as "not that large" is so by the fixed run's own point estimate
    share = np.array([row.votes[row.chosen] / row.n for row in fixed.rows])
    levels = np.array([rho_for_radius(until.noise, L1(), r) for r in radii])
    refuted = decided[:, None] & ~mine
    assert (share[:, None] < levels + 0.02)[refuted].all()


def test_a_row_of_an_adaptive_run_is_read_with_its_own_bound(runs):
    _, until, folder = runs
    k = np.array([row.votes[row.chosen] for row in until.rows])
    n = np.array([row.n for row in until.rows])
    assert (until.rho() == betting_lower(k, n, 0.001)).all()
    assert (until.rho() < clopper_pearson_lower(k, n, 0.001) + 1e-12).all()
    assert json.loads((folder / "until" / "config.json").read_text())["settings"]["until"].startswith(
        "radius=0.25"
    )


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from([0.01, 0.05, 0.2, 0.7]))
def test_the_width_is_known_when_the_bounds_say_so(k, failures, width):
    """Bets that save the search for the bounds change no answer."""
    n = k + failures + 1
    stop = Stopping(parse_until([f"width={width}"]), parse_noise("uniform", dim=2, sigma=1), 0.001)
    low, high = betting_lower(k, n, 0.001), betting_upper(k, n, 0.001)
    assert stop(k, n) == (high <= 0.5 or high - low <= width)


def test_width(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    certify(
        [
            "--images",
            "4",
            "--epochs",
            "1",
            "--n",
            "50000",
            "--until",
            "width=0.05",
            "--run-dir",
            str(tmp_path / "w"),
        ]
    )
    assert "until width=0.05" in capsys.readouterr().out
    run = RunFolder.read(tmp_path / "w")
    for row in run.rows:
        k = row.votes[row.chosen]
        width = betting_upper(k, row.n, 0.001) - betting_lower(k, row.n, 0.001)
        assert width <= 0.05 or betting_upper(k, row.n, 0.001) <= 0.5
        assert row.n < 50_000
