"""The sweep as a user runs it, on a short list of trials; the exhibits from the votes that it leaves."""

from __future__ import annotations

import json

import pytest

from geometry.errors import InputError
from smoothing.runs import ROWS, RunFolder
from validation import experiments, figures
from validation.exhibits import ALL
from validation.sweep import DATASETS, Trial, trials

SHORT = tuple(
    Trial(noise, 0.5, loss, 200, images=5, stride=3, epochs=1, dataset="digits")
    for noise, loss in (("uniform", "augment"), ("gaussian", "augment"), ("uniform", "stability"))
)


@pytest.fixture
def short(monkeypatch):
    """Three trials of seconds stand for the sweep."""
    monkeypatch.setattr(experiments, "trials", lambda _: SHORT)


@pytest.mark.usefixtures("short")
def test_the_sweep_is_run_stored_drawn_and_resumed(tmp_path, capsys):
    """All of it, and again: nothing is done twice, and a part that is lost is made again as it was."""
    out, store = tmp_path / "exp", tmp_path / "kept"
    command = ["--dataset", "digits", "--out", str(out), "--store", str(store), "--json"]
    experiments.main(command)
    answer = json.loads(capsys.readouterr().out)
    assert [run["certified"] for run in answer["runs"]] == [5, 5, 5]
    names = [trial.name for trial in SHORT]
    assert sorted(p.name for p in (store / "digits").iterdir()) == sorted(names)
    kept = [RunFolder.read(store / "digits" / name) for name in names]
    assert [run.config["facts"]["training"]["loss"] for run in kept] == ["augment", "augment", "stability"]
    assert [row.index for row in kept[0].rows] == [0, 3, 6, 9, 12]

    rows = out / "digits" / names[1] / ROWS
    before = rows.read_bytes()
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob(ROWS)}
    experiments.main(command)
    assert {path: path.stat().st_mtime_ns for path in out.rglob(ROWS)} == stamps
    rows.write_bytes(b"".join(before.splitlines(keepends=True)[:2]))
    capsys.readouterr()
    experiments.main([*command, "--list"])
    assert [run["certified"] for run in json.loads(capsys.readouterr().out)["runs"]] == [5, 2, 5]
    experiments.main(command)
    assert rows.read_bytes() == before

    for name in ("certified_l1", "stability"):
        files = [tmp_path / f"figures{i}" / f"{name}.{kind}" for i in (1, 2) for kind in ("png", "pdf")]
        for i in (1, 2):
            figures.main(
                [name, "--runs", str(store), "--dataset", "digits", "--out", str(tmp_path / f"figures{i}")]
            )
        contents = [path.read_bytes() for path in files]
        assert contents[:2] == contents[2:]
        assert contents[0].startswith(b"\x89PNG") and contents[1].startswith(b"%PDF")


@pytest.mark.usefixtures("short")
@pytest.mark.slow
def test_a_budget_takes_the_beginning(tmp_path, capsys):
    """A budget of nothing is one trial: the first."""
    experiments.main(["--dataset", "digits", "--out", str(tmp_path), "--budget", "1e-9", "--json"])
    assert [run["certified"] for run in json.loads(capsys.readouterr().out)["runs"]] == [5]


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_sweep_is_what_the_documents_say(dataset):
    """No trial twice; at least 500 images of Fashion-MNIST, with 100 000 votes under the headline noises."""
    all_of_it = trials(dataset)
    assert len({trial.name for trial in all_of_it}) == len(all_of_it)
    if dataset == "fashion-mnist":
        assert all(trial.images >= 500 for trial in all_of_it)
        headline = [t for t in all_of_it if t.noise in ("uniform", "gaussian", "laplace")]
        assert len(headline) >= 21 and all(t.n == 100_000 for t in headline)
        assert (all_of_it[0].images - 1) * all_of_it[0].stride < 10_000


@pytest.mark.parametrize("name", ["theorem_table", "radii", "crystals", "nogo"])
def test_exhibits_without_runs_are_drawn(name, tmp_path, capsys):
    """They need no votes; every panel has something on it."""
    figures.main([name, "--out", str(tmp_path), "--format", "png", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000 and list(answer["figures"]) == [name]


def test_figures_are_listed_and_mistakes_named(tmp_path, capsys):
    """A name that there is not, and a folder without runs."""
    figures.main(["--list"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*ALL, "results"))
    with pytest.raises(InputError, match="no figure is named 'nogos'"):
        figures.main(["nogos"])
    with pytest.raises(InputError, match="holds no runs"):
        figures.main(["certified_l1", "--runs", str(tmp_path)])


def test_what_has_no_runs_does_not_keep_the_rest_from_being_drawn(tmp_path, capsys, monkeypatch):
    """Asked for everything, the command draws what it can and says what it could not."""
    monkeypatch.setattr(
        "validation.exhibits.ALL", {name: ALL[name] for name in ("attacks", "crystals", "bodies")}
    )
    document = tmp_path / "results.md"
    document.write_text("mine")
    figures.main(
        ["--runs", str(tmp_path), "--out", str(tmp_path), "--format", "png", "--document", str(document)]
    )
    shown = capsys.readouterr()
    assert (tmp_path / "crystals.png").exists() and "crystals.png" in shown.out
    assert all(f"no {name}: " in shown.err for name in ("attacks", "bodies", "results"))
    assert document.read_text() == "mine"
