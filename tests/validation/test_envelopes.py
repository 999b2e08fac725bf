"""Envelopes over σ against SciPy's Clopper–Pearson bounds and closed forms, their intervals against the normal law."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from made_runs import made_run
from scipy import stats

from geometry.errors import InputError
from geometry.norms import L1, L2
from smoothing.runs import PACKED, ROWS, RunFolder, pack
from validation.envelopes import Envelope, difference, envelope, read_runs, thinned

COUNTS = [1000, 999, 990, 950, 900, 800, 700, 600, 520, 300]


def rho(count, n=1000):
    return stats.beta.ppf(0.001, count, n - count + 1)


def test_the_envelope_is_the_best_sigma_at_every_radius(tmp_path):
    """σ Φ⁻¹(ρ) of SciPy, for two σ of which either is better somewhere."""
    small = made_run(tmp_path, COUNTS, sigma=0.5)
    large = made_run(tmp_path, [count - 20 for count in COUNTS], sigma=1.0)
    one = envelope(read_runs(tmp_path), "gaussian", L2())
    radii = np.linspace(0, 3, 61)
    expected = []
    for run, lost in ((small, 0), (large, 20)):
        held = run.noise.sigma * stats.norm.ppf(rho(np.array(COUNTS) - lost))
        expected.append((held[:, None] >= radii).mean(axis=0))
    # At radius 0 a prediction without a certificate is no prediction: abstentions are not counted.
    assert one.accuracy(radii)[1:] == pytest.approx(np.max(expected, axis=0)[1:])
    assert one.accuracy(radii)[0] == np.mean(rho(np.array(COUNTS)) > 0.5)
    assert set(one.best_sigma(radii[1:-20])) == {0.5, 1.0}
    assert one.top() == pytest.approx(
        max(0.5 * stats.norm.ppf(rho(1000)), stats.norm.ppf(rho(980))), rel=1e-9
    )


def test_thinning_has_the_law_of_fewer_votes(tmp_path):
    """4000 images with 300 of 1000 wrong, thinned to 100: hypergeometric with mean 70 and variance 18.9."""
    run = made_run(tmp_path, [700] * 4000)
    few = thinned(run, 100)
    votes = np.array([row.votes[1] for row in few.rows])
    assert all(row.n == 100 and sum(row.votes) == 100 and row.fits(few.settings) for row in few.rows)
    law = stats.hypergeom(1000, 700, 100)
    cuts = [0, *range(63, 78), 101]
    expected = 4000 * np.diff([law.cdf(c - 1) for c in cuts])
    assert stats.chisquare(np.histogram(votes, cuts)[0], expected).pvalue > 1e-4
    assert [row.votes for row in thinned(run, 100).rows] == [row.votes for row in few.rows]
    assert thinned(run, 1000) is run and thinned(run, 5000) is run


def test_unclassed_votes_are_thinned_too(tmp_path):
    """A vote for nobody stays one: what is left of the counts never exceeds n."""
    run = made_run(tmp_path, [600] * 50)
    for row in run.rows:
        row.votes[0] = 100
    run.rows = [type(row)(**{**row.__dict__, "invalid": 300}) for row in run.rows]
    few = thinned(run, 200)
    assert all(sum(row.votes) + row.invalid == 200 for row in few.rows)
    assert 40 < np.mean([row.invalid for row in few.rows]) < 80


def test_the_interval_of_a_difference_is_the_normal_one(tmp_path):
    """With one σ a side it is the mean of paired ±1 and 0; 1000 images are many."""
    rng = np.random.Generator(np.random.PCG64(3))
    a, b = rng.random(1000) < 0.7, rng.random(1000) < 0.6
    left = made_run(tmp_path / "a", np.where(a, 1000, 0).tolist())
    right = made_run(tmp_path / "b", np.where(b, 1000, 0).tolist())
    gap, lower, upper = difference(*(Envelope("", (r,), L2()) for r in (left, right)), np.array([1.0]))
    paired = a.astype(float) - b
    spread = stats.norm.ppf(0.975) * paired.std() / np.sqrt(1000)
    assert gap[0] == pytest.approx(paired.mean())
    assert [lower[0], upper[0]] == pytest.approx([gap[0] - spread, gap[0] + spread], abs=0.1 * spread)
    # At ten radii together each interval is the 99.5 % one.
    _, lower, _ = difference(*(Envelope("", (r,), L2()) for r in (left, right)), np.full(10, 1.0))
    wide = stats.norm.ppf(0.9975) * paired.std() / np.sqrt(1000)
    assert lower[0] == pytest.approx(gap[0] - wide, abs=0.1 * wide)


def test_a_noise_against_itself_differs_by_nothing(tmp_path):
    """Paired: no image falls to one side only."""
    one = Envelope("", (made_run(tmp_path, COUNTS),), L1())
    for values in difference(one, one, np.array([0.5, 1.0])):
        assert (values == 0).all()


def test_runs_that_are_not_comparable_are_refused(tmp_path):
    """Unfinished ones are left out; other images are an error; so is an empty folder."""
    with pytest.raises(InputError, match="holds no runs"):
        read_runs(tmp_path)
    whole = made_run(tmp_path, COUNTS)
    torn = made_run(tmp_path, COUNTS, sigma=2.0)
    lines = (torn.path / ROWS).read_text().splitlines(keepends=True)
    (torn.path / ROWS).write_text("".join(lines[:4]))
    assert [run.path for run in read_runs(tmp_path)] == [whole.path]
    made_run(tmp_path, [*COUNTS, 1000], sigma=3.0)
    with pytest.raises(InputError, match="other images"):
        read_runs(tmp_path)


def test_packed_runs_are_the_same_runs(tmp_path):
    """A compressed copy has the same rows, the same bytes whenever it is made, and can be resumed."""
    run = made_run(tmp_path / "a", COUNTS)
    pack(run.path, tmp_path / "b" / "x")
    pack(run.path, tmp_path / "c" / "x")
    copy = RunFolder.read(tmp_path / "b" / "x")
    assert copy.rows == run.rows and copy.settings == run.settings
    packed = (tmp_path / "b" / "x" / PACKED).read_bytes()
    assert packed == (tmp_path / "c" / "x" / PACKED).read_bytes()
    assert [json.loads(line)["index"] for line in gzip.decompress(packed).splitlines()] == list(range(10))
    with copy.writing() as writer:
        writer.append(type(run.rows[0])(**{**run.rows[0].__dict__, "index": 10}), 0.0)
    assert len(RunFolder.read(copy.path).rows) == 11
    (copy.path / ROWS).unlink()
    (copy.path / PACKED).write_bytes(packed[:40])
    with pytest.raises(InputError, match="damaged"):
        RunFolder.read(copy.path)
