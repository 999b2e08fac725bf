"""Verdicts on runs whose truth is known, and the document that they are written into."""

from __future__ import annotations

import numpy as np
import pytest
from made_runs import made_run

from geometry.errors import InputError
from validation.claims import CLAIMS, LAPLACE, MARGIN, UNIFORM, Claim, Verdict, judge
from validation.envelopes import read_runs
from validation.results import blocks, rewrite

BEATS = Claim("b", "uniform beats Laplace", "l1", UNIFORM, LAPLACE, n=None)
MATCHES = Claim("m", "uniform matches Laplace", "l1", UNIFORM, LAPLACE, matches=True, n=None)
NOWHERE = "not confirmed at 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4"


def two_sides(folder, uniform, laplace, images=400):
    """Runs at σ = 10 in which so many of the images are certified far beyond ℓ1 radius 4, and the others wrong."""
    for noise, right in (("uniform", uniform), ("laplace", laplace)):
        made_run(folder, [1000] * right + [0] * (images - right), noise=noise, sigma=10.0)
    return read_runs(folder)


@pytest.mark.parametrize(
    ("uniform", "laplace", "beats", "matches"),
    [
        (300, 200, "confirmed at every radius", NOWHERE),
        (200, 300, NOWHERE, NOWHERE),
        (200, 200, "not decidable with these images", "confirmed at every radius"),
        (203, 200, "not decidable with these images", "confirmed at every radius"),
    ],
)  # fmt: skip
def test_the_verdict_is_the_truth(tmp_path, uniform, laplace, beats, matches):
    """25 points apart is confirmed or refuted; 0 and 0.75 points (3 images of 400) are a match and no victory."""
    runs = two_sides(tmp_path, uniform, laplace)
    assert judge(BEATS, runs).word == beats
    assert judge(MATCHES, runs).word == matches


def test_a_verdict_says_where():
    """Each radius has its own; what does not occur is not said."""
    radii = np.array([1.0, 2.0, 3.0])
    gap = np.array([0.2, 0.0, -0.2])
    verdict = Verdict(BEATS, radii, gap, 0 * gap, ([], []), gap - 0.1, gap + 0.1)
    assert verdict.word == "confirmed at 1; not confirmed at 3; not decidable at 2"
    wide = Verdict(MATCHES, radii, 0 * gap, 0 * gap, ([], []), gap - MARGIN, gap + MARGIN)
    assert wide.word == "not confirmed at 3; not decidable at 1, 2"


def test_only_shared_sigmas_are_compared(tmp_path):
    """A σ that one side was not run at gives the other no advantage; without a common one there is no verdict."""
    runs = two_sides(tmp_path, 200, 200)
    made_run(tmp_path, [1000] * 400, noise="uniform", sigma=20.0)
    assert judge(BEATS, read_runs(tmp_path)).word == "not decidable with these images"
    apart = [r for r in read_runs(tmp_path) if (r.noise.spec == "uniform") == (r.noise.sigma > 15)]
    assert len(apart) == 2 and judge(BEATS, apart) is None
    assert judge(next(c for c in CLAIMS if c.name == "stability"), runs) is None


def test_the_document_is_rewritten_between_its_markers(tmp_path):
    """Prose stays; a second time changes nothing; markers and tables must fit each other."""
    runs = two_sides(tmp_path / "runs" / "made", 300, 200)
    found = blocks(tmp_path / "runs", "made")
    document = tmp_path / "results.md"
    document.write_text(
        "# Mine\n" + "".join(f"<!-- {name} -->\nold\n<!-- end -->\nprose\n" for name in found)
    )
    rewrite(document, found)
    once = document.read_text()
    assert "old" not in once and once.count("prose\n") == len(found) and once.startswith("# Mine\n")
    assert f"| **uniform**, Fashion-MNIST | {' | '.join(['75.0'] * 8)} |" in once
    assert "+25.0 [" in once and f"| `laplace` | augment | 10 | 1,000 | {len(runs[0].rows)} |" in once
    rewrite(document, found)
    assert document.read_text() == once
    with pytest.raises(InputError, match="no table is named 'verdicts'"):
        rewrite(document, {k: v for k, v in found.items() if k != "verdicts"})
    document.write_text("nothing")
    with pytest.raises(InputError, match="has no marker"):
        rewrite(document, found)
