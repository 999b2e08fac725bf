"""docs/results.md and its figures follow from the stored votes; the headline numbers by a second route."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.testing.compare import compare_images
from scipy import stats

from validation import figures
from validation.results import PUBLISHED, blocks

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "docs" / "runs"
SQRT2, SQRT3 = 2**0.5, 3**0.5
L1_RADIUS = {  # closed forms: Table A.1 of the paper at scale σ
    "laplace": lambda rho, sigma: -sigma / SQRT2 * np.log(2 * (1 - rho)),
    "uniform": lambda rho, sigma: 2 * SQRT3 * sigma * (rho - 0.5),
    "gaussian": lambda rho, sigma: sigma * stats.norm.ppf(rho),
}


def accuracies(noise, loss):
    """Certified ℓ1 accuracy at 0.5, 1, …, 4 at the best σ: raw JSON, SciPy's beta quantiles, a closed form."""
    best = np.zeros(8)
    for folder in sorted(RUNS.glob(f"fashion-mnist/{noise}_sigma*_{loss}_n100000")):
        sigma = float(folder.name.split("_")[1].removeprefix("sigma"))
        rows = [
            json.loads(line) for line in gzip.decompress((folder / "rows.jsonl.gz").read_bytes()).splitlines()
        ]
        assert len(rows) == 500 and len({row["index"] for row in rows}) == 500
        chosen = np.array([np.argmax(row["votes0"]) for row in rows])
        k = np.array([row["votes"][c] for row, c in zip(rows, chosen, strict=True)])
        rho = stats.beta.ppf(0.001, k, 100_000 - k + 1)
        right = (chosen == [row["label"] for row in rows]) & (rho > 0.5)
        with np.errstate(invalid="ignore"):
            radius = np.where(right, L1_RADIUS[noise](rho, sigma), -1)
        best = np.maximum(best, [(radius >= r).mean() for r in np.arange(1, 9) / 2])
    return best


@pytest.mark.parametrize(
    ("label", "noise", "loss"),
    [
        ("Laplace", "laplace", "augment"),
        ("Gaussian", "gaussian", "augment"),
        ("uniform", "uniform", "augment"),
        ("uniform with stability training", "uniform", "stability"),
    ],
)
def test_table_1_from_the_raw_votes(label, noise, loss):
    """To the last digit, in the document as it is committed."""
    found = " | ".join(f"{100 * a:.1f}" for a in accuracies(noise, loss))
    assert f"| **{label}**, Fashion-MNIST | {found} |" in (ROOT / "docs" / "results.md").read_text()


def test_the_published_numbers_are_those_of_the_paper():
    """Uniform noise on ImageNet and CIFAR-10 at ℓ1 radius 0.5 and 4, as the paper's abstract table has them."""
    assert [PUBLISHED["uniform, ImageNet"][i] for i in (0, 7)] == [55, 25]
    assert [PUBLISHED["uniform, CIFAR-10"][i] for i in (0, 7)] == [70, 18]
    assert all(list(row) == sorted(row, reverse=True) and len(row) == 8 for row in PUBLISHED.values())


@pytest.mark.slow
def test_every_table_is_rederived():
    """Every block of the document, to the last character."""
    text = (ROOT / "docs" / "results.md").read_text()
    for name, content in blocks(RUNS, "fashion-mnist").items():
        assert f"<!-- {name} -->\n{content}\n<!-- end -->" in text


@pytest.mark.slow
def test_every_figure_is_redrawn(tmp_path):
    """``make figures`` draws what is committed (by pixels; by bytes with the pinned versions)."""
    document = shutil.copy(ROOT / "docs" / "results.md", tmp_path)
    figures.main(
        ["--runs", str(RUNS), "--out", str(tmp_path), "--document", str(document), "--format", "png"]
    )
    committed = sorted((ROOT / "docs" / "figures").glob("*.png"))
    assert len(committed) == len(list(tmp_path.glob("*.png"))) > 9
    for path in committed:
        assert compare_images(str(path), str(tmp_path / path.name), tol=1) is None
