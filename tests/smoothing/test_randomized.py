"""The randomized bound fails with probability α exactly; its draw is kept, and certificates are derived with it."""

import json

import numpy as np
import pytest
from scipy import stats

from geometry.errors import InputError
from geometry.norms import L1
from smoothing import certify
from smoothing.confidence import clopper_pearson_lower, randomized_lower
from smoothing.runs import RunFolder


@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.77, 0.999])
def test_it_fails_in_alpha_exactly(n, p):
    """Over the binomial law of k, by SciPy, and 499 draws on a lattice; but where k = 0 or k = n hold it back."""
    alpha, k, draws = 0.02, np.arange(n + 1), (np.arange(499) + 0.5) / 499
    bound = randomized_lower(k[:, None], n, alpha, draws)
    mass = stats.binom.pmf(k, n, p)
    failed = (bound > p).mean(axis=1) @ mass
    held_back = alpha * (mass[0] + mass[-1])
    assert alpha - held_back - 1 / 499 < failed < alpha + 1 / 499
    plain = (clopper_pearson_lower(k, n, alpha) > p) @ mass
    assert plain <= failed + 1 / 499


def test_it_solves_its_equation():
    """P(X > k) + u P(X = k) = α at the bound, by SciPy's binomial law; u = 1 is Clopper and Pearson's."""
    n, alpha = 100_000, 0.001
    k, u = np.array([51_000, 70_000, 99_990, 99_999, 100_000]), np.array([0.3, 0.9, 0.02, 0.5, 0.4])
    bound = randomized_lower(k, n, alpha, u)
    assert stats.binom.sf(k, n, bound) + u * stats.binom.pmf(k, n, bound) == pytest.approx(alpha, rel=1e-6)
    assert randomized_lower(k, n, alpha, 1.0) == pytest.approx(clopper_pearson_lower(k, n, alpha), rel=1e-12)
    assert (bound > clopper_pearson_lower(k, n, alpha)).all() and (bound < 1).all()
    assert randomized_lower(100, 100, alpha, 0.0) == clopper_pearson_lower(100, 100, alpha)
    with pytest.raises(InputError, match="draw in"):
        randomized_lower(3, 5, alpha, 1.5)


def test_from_the_command_line(tmp_path, capsys):
    """Every row has its draw, the same one on every run; votes are those of the plain run; radii are larger."""
    command = ["--images", "12", "--n", "500", "--epochs", "1", "--norm", "l1", "--json"]
    for name, more in (("plain", []), ("one", ["--randomized"]), ("two", ["--randomized", "--images", "6"])):
        certify.main([*command, *more, "--run-dir", str(tmp_path / name)])
    capsys.readouterr()
    plain, one, two = (RunFolder.read(tmp_path / name) for name in ("plain", "one", "two"))
    draws = [row.draw for row in one.rows]
    assert all(0 < draw < 1 for draw in draws) and len(set(draws)) == 12
    assert {row.index: row.draw for row in two.rows}.items() <= {
        row.index: row.draw for row in one.rows
    }.items()
    assert [row.votes for row in plain.rows] == [row.votes for row in one.rows]
    gain = one.certificate(L1()).radius - plain.certificate(L1()).radius
    assert (gain >= 0).all() and gain.max() > 0
    assert "draw" not in json.loads((tmp_path / "plain" / "rows.jsonl").read_text().splitlines()[0])
    lines = (tmp_path / "one" / "rows.jsonl").read_text().replace(f',"draw":{draws[0]}', "")
    (tmp_path / "one" / "rows.jsonl").write_text(lines)
    with pytest.raises(InputError, match="line 1"):
        RunFolder.read(tmp_path / "one")
    with pytest.raises(InputError, match="--until"):
        certify.main([*command, "--randomized", "--until", "width=0.1", "--run-dir", str(tmp_path / "three")])
