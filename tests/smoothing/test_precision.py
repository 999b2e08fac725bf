"""bfloat16 votes: of another network, whose votes nobody can tell from the float32 one's."""

import numpy as np
import pytest
import torch
from scipy import stats

from geometry.errors import InputError
from smoothing import certify, parse_noise
from smoothing.models.precision import in_precision
from smoothing.runs import RunFolder
from smoothing.voting import Voter

COMMAND = ["--images", "10", "--n", "2000", "--epochs", "5", "--norm", "l1", "--json"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run in float32 and in bfloat16, by the command."""
    folder = tmp_path_factory.mktemp("precision")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("float32", "bf16"):
            certify.main([*COMMAND, "--precision", name, "--run-dir", str(folder / name)])
    return {name: RunFolder.read(folder / name) for name in ("float32", "bf16")}


def test_votes_on_the_same_noise_hardly_differ(runs):
    """Of 20 000 copies fewer than one in a hundred falls to another class; the choice of the class is the same."""
    one, two = (np.array([row.votes for row in runs[name].rows]) for name in ("float32", "bf16"))
    assert 0 < np.abs(one - two).sum() / 2 < 0.01 * one.sum()
    assert [row.chosen for row in runs["float32"].rows] == [row.chosen for row in runs["bf16"].rows]
    assert runs["bf16"].settings["precision"] == "bf16" and "precision" not in runs["float32"].settings


def test_votes_on_other_noise_have_one_law():
    """Two seeds, 20 000 copies each, an untrained network: chi-square of homogeneity at 1e-4 over three images."""
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 5)).eval()
    noise = parse_noise("laplace", dim=20, sigma=1)
    for image in range(3):
        x = torch.randn(20, generator=torch.Generator().manual_seed(image))
        votes = [
            Voter(in_precision(model, precision), noise, 5).count(x, 20_000, seed=seed, image=image).counts
            for seed, precision in enumerate(("float32", "bf16"))
        ]
        assert stats.chi2_contingency(np.array(votes)[:, np.sum(votes, axis=0) > 0]).pvalue > 1e-4


def test_a_run_keeps_its_precision(runs, capsys):
    """The other one is refused on the same folder, as any other setting is."""
    with pytest.raises(InputError, match="precision"):
        certify.main([*COMMAND, "--run-dir", str(runs["bf16"].path)])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        certify.main([*COMMAND, "--precision", "float8"])
    assert "invalid choice" in capsys.readouterr().err


def test_logits_are_float32_again():
    """Rounded to eight bits on the way."""
    x = torch.randn(3, 8)
    exact = torch.nn.Linear(8, 4)
    logits = in_precision(exact, "bf16")(x)
    assert logits.dtype == torch.float32 and not torch.equal(logits, exact(x))
    assert torch.allclose(logits, exact(x), rtol=0.02, atol=0.02)
    assert in_precision(exact, "float32") is exact
