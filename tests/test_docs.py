"""The examples in the documentation run as they stand."""

import re
from pathlib import Path

import pytest

from smoothing import theorems as table
from smoothing.noises.parsing import FAMILIES

ROOT = Path(__file__).parents[1]


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)


@pytest.fixture
def restored_tables():
    families, rows = dict(FAMILIES), dict(table._TABLE)
    yield
    for current, before in ((FAMILIES, families), (table._TABLE, rows)):
        current.clear()
        current.update(before)


def test_contributing_examples_run_and_are_short(restored_tables):
    examples = blocks("CONTRIBUTING.md", "python")
    assert len(examples) == 2 and all(len(e.splitlines()) <= 25 for e in examples)
    scope = {"__name__": "example"}
    for example in examples:
        exec(compile(example, "CONTRIBUTING.md", "exec"), scope)
    # the noise of the example is what it says: a proper density with its sigma
    import numpy as np

    noise = scope["Logistic"](dim=1, scale=2.0)
    x = np.linspace(-150, 150, 200001)
    density = np.exp(noise.log_prob(x[:, None]))
    assert np.trapezoid(density, x) == pytest.approx(1, abs=1e-9)
    assert np.sqrt(np.trapezoid(x**2 * density, x)) == pytest.approx(noise.sigma, rel=1e-9)
    draws = noise.sample(200_000, generator=0)
    assert float(draws.std()) == pytest.approx(noise.sigma, rel=0.02)


def test_readme_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = blocks("README.md", "python")
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {"__name__": "example"})


@pytest.mark.parametrize(
    "name",
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/glossary.md", "docs/derivations/nogo.md"],
)
def test_local_links_lead_somewhere(name):
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert ((ROOT / name).parent / target).exists(), f"{name} links to {target}"


def test_readme_shows_what_the_commands_print():
    """The pasted output has the shape of today's: the same lines, whatever the numbers."""
    shown = blocks("README.md", "")
    assert "@@" not in (ROOT / "README.md").read_text()
    certify = next(block for block in shown if "$ make certify" in block)
    for line in (
        "clean accuracy",
        "l1 radius",
        "l2 radius",
        "linf radius",
        "certified %",
        "samples/s",
        "rows.jsonl",
    ):
        assert line in certify
    assert " passed" in next(block for block in shown if "$ make test" in block)


def test_readme_commands_exist():
    """Every `python -m` in the README names a command that parses its options."""
    import importlib
    import shlex

    found = re.findall(
        r"python -m ((?:smoothing|validation|geometry|cotype)\.\w+)(.*)", (ROOT / "README.md").read_text()
    )
    assert len(found) >= 6
    for module, rest in found:
        parser = importlib.import_module(module).parser()
        words = shlex.split(rest.split("#")[0].split("`")[0], comments=True)
        if not any(word in ("…", "...", "RUN…") for word in words):
            parser.parse_args(words)


def test_the_derivation_names_tests_that_exist():
    """Each step of the no-go theorem points to the tests that check it."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/derivations/nogo.md").read_text()))
    written = set()
    for path in (ROOT / "tests").rglob("*.py"):
        written |= set(re.findall(r"def (test_\w+)", path.read_text()))
    assert len(named) > 15 and named - {path.stem for path in (ROOT / "tests").rglob("*.py")} <= written


def test_the_readme_table_is_that_of_the_results():
    """Its rows stand in docs/results.md, which is derived from the stored votes."""
    readme = (ROOT / "README.md").read_text().split("## Two commands")[0]
    results = (ROOT / "docs" / "results.md").read_text().replace("**", "").replace(", Fashion-MNIST", "")
    rows = [
        line for line in readme.splitlines() if line.startswith("| ") and not line.startswith(("| ℓ1", "| :"))
    ]
    assert len(rows) == 4 and all(row in results for row in rows)
