"""The commands as users type them: help, JSON, tables, figures, exports."""

import contextlib
import csv
import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from marks import slow

from geometry.cli import floor_significant, floor_to, run
from geometry.errors import InputError
from geometry.norms import parse_norm
from smoothing import SmoothedClassifier, certify_radius, parse_noise
from smoothing.data import load_dataset
from smoothing.runs import RunFolder, make_row
from smoothing.theorems import theorems
from smoothing.voting import Votes

ROOT = Path(__file__).parents[2]
COMMANDS = ("certify", "train", "radius", "report")
COLUMNS = ["idx", "label", "predict", "radius", "correct", "time"]

MODEL = '''
import torch
from smoothing.data import load_dataset

class Means(torch.nn.Module):
    """The nearest mean of the training digits."""
    def __init__(self):
        super().__init__()
        data = load_dataset("digits", split="train")
        x, y = torch.from_numpy(data.images(range(len(data)))).flatten(1), torch.tensor(data.labels)
        means = torch.stack([x[y == k].mean(0) for k in range(10)])
        self.w, self.b = torch.nn.Parameter(2 * means), torch.nn.Parameter(-(means**2).sum(1))

    def forward(self, x):
        return x.flatten(1) @ self.w.T + self.b
'''


def call(command: str, *argv: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, run in this process; an exception is a traceback."""
    main = importlib.import_module(f"smoothing.{command}").main
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        run(lambda: main([str(a) for a in argv]), f"smoothing.{command}")
    code = end.value.code
    return (code if isinstance(code, int) else 0), out.getvalue(), err.getvalue()


def done(command: str, *argv: object) -> str:
    """Stdout of a command that must succeed."""
    code, out, err = call(command, *argv)
    assert code == 0, err
    return out


def document(command: str, *argv: object) -> dict[str, Any]:
    """The one strict JSON document on stdout."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(done(command, *argv, "--json"), parse_constant=refuse)


def python(
    *argv: str, cwd: Path, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(env or {})}
    environment.pop("PYTHONUNBUFFERED", None)  # stdout is buffered, as in a user's shell
    return subprocess.run(
        [sys.executable, *argv],
        cwd=cwd,
        env=environment,
        text=True,
        timeout=120,
        **({"capture_output": True} | options),
    )


def body(table: str) -> list[list[str]]:
    """The cells below the rule of dashes; columns are two spaces apart at least."""
    lines = table.splitlines()
    rule = next(i for i, line in enumerate(lines) if line and set(line) <= {"-", " "})
    widths, start = [], 0
    for dashes in lines[rule].split("  "):
        widths.append((start, start + len(dashes)))
        start += len(dashes) + 2
    cells = []
    for line in lines[rule + 1 :]:
        if not line.strip():
            break
        cells.append([line[a:b].strip() for a, b in widths])
    return cells


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two finished runs, `narrow` and `wide`, of a user's model, and what the first said with --json."""
    folder, path = tmp_path_factory.mktemp("work"), list(sys.path)
    (folder / "commands_model.py").write_text(MODEL)
    with contextlib.chdir(folder):
        common = ("--model", "commands_model:Means", "--images", 12, "--n", 2000)
        found = document("certify", *common, "--run-dir", "narrow", "--sigma", 0.25)
        (folder / "narrow.json").write_text(json.dumps(found))
        done("certify", *common, "--run-dir", "wide", "--sigma", 0.5)
        yield folder
    sys.path[:] = path


# ---- help ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_no_torch(command: str, tmp_path: Path) -> None:
    code = f"""
import runpy, sys
sys.argv = ["smoothing.{command}", "--help"]
try:
    runpy.run_module("smoothing.{command}", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
heavy = {{"torch", "scipy", "sklearn", "matplotlib", "PIL"}} & set(sys.modules)
assert not heavy, heavy
"""
    got = python("-c", code, cwd=tmp_path)
    assert (got.returncode, got.stderr) == (0, "")
    assert got.stdout.startswith(f"usage: python -m smoothing.{command}")
    assert "--json" in got.stdout


PROMISED = {
    "certify": "--noise --dataset --data-dir --model --checkpoint --sigma --scale --norms --n0 --n --alpha "
    "--images --stride --seed --device --batch --run-dir --json",
    "train": "--dataset --noise --sigma --loss --epochs --json",
    "radius": "--noise --dim --sigma --scale --norm --rho --theorem --list --plot --json",
    "report": "--norm --export --json",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_promised_option_is_in_the_help(command: str) -> None:
    words = done(command, "--help").replace(",", " ").replace("[", " ").replace("]", " ").split()
    assert set(PROMISED[command].split()) <= set(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_in_a_terminal_without_unicode(command: str, tmp_path: Path) -> None:
    got = python("-m", f"smoothing.{command}", "--help", cwd=tmp_path, env={"PYTHONIOENCODING": "latin-1"})
    assert (got.returncode, got.stderr) == (0, "")


def test_the_readers_end_of_a_pipe_may_close(tmp_path: Path) -> None:
    """`… | head` is no error: no complaint and no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = ("-m", "smoothing.radius", "--list")
    got = python(*argv, cwd=tmp_path, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (got.returncode, got.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_stdout_on_a_full_disk(tmp_path: Path) -> None:
    argv = ("-m", "smoothing.radius", "--noise", "gaussian", "--dim", "3")
    with Path("/dev/full").open("w") as full:
        got = python(*argv, cwd=tmp_path, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert got.returncode == 2 and "No space left" in got.stderr
    assert len(got.stderr.splitlines()) == 1


# ---- radius ----------------------------------------------------------------------------------------------

NOISES = [
    "gaussian", "laplace", "uniform", "exp-power:p=1.5", "pareto:a=3", "uniform-l1", "uniform-l2",
    "exp-l1", "exp-l2:k=2,j=3", "exp-linf:k=2,j=10", "pow-l1:a=40", "pow-l2:a=40", "pow-linf:k=2,a=40",
]  # fmt: skip


def test_radius_json() -> None:
    got = document(
        "radius", "--noise", "uniform", "--dim", 3072, "--sigma", 1, "--norm", "l1", "--rho", 0.4, 0.6, 1
    )
    assert {"noise", "norm", "dim", "sigma", "scale", "radii"} <= set(got)
    assert (got["noise"], got["norm"], got["dim"]) == ("uniform", "l1", 3072)
    assert got["sigma"] == pytest.approx(1) and got["scale"] == pytest.approx(3**0.5)
    keys = {"rho", "radius", "theorem", "method", "tight", "error"}
    assert [set(r) >= keys for r in got["radii"]] == [True] * 3
    assert [r["rho"] for r in got["radii"]] == [0.4, 0.6, 1]
    assert got["radii"][0]["radius"] == 0
    assert got["radii"][1]["radius"] == pytest.approx(0.2 * 3**0.5)
    assert got["radii"][1]["tight"] is True
    assert document("radius", "--noise", "gaussian", "--dim", 3, "--rho", 1)["radii"][0]["radius"] == "inf"


def test_radius_by_subprocess(tmp_path: Path) -> None:
    argv = ("-m", "smoothing.radius", "--noise", "gaussian", "--dim", "9", "--json")
    got = python(*argv, "--plot", "curve.png", cwd=tmp_path)
    assert got.returncode == 0
    assert len(json.loads(got.stdout)["radii"]) >= 1
    assert "curve.png" in got.stderr and len(got.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["curve.png"]


@pytest.mark.parametrize("noise", [slow(n) if n == "pareto:a=3" else n for n in NOISES])
def test_printed_radii_never_exceed_certified_ones(noise: str) -> None:
    """Every printed digit is cut, none rounded up; and what is cut is small."""
    rhos = ["0.5", "0.51", "0.6", "0.7777777", "0.9", "0.99", "0.9999", "0.99999999"]
    seen = 0
    for norm in ("l1", "l2", "linf"):
        for size in (("--sigma", "0.37"), ("--scale", "1e-7"), ("--sigma", "12345678.9")):
            argv = ("--noise", noise, "--dim", 25, "--norm", norm, *size, "--rho", *rhos)
            code, out, err = call("radius", *argv)
            if code == 2 and "no theorem" in err:
                continue
            assert code == 0, err
            exact = {r["rho"]: r["radius"] for r in document("radius", *argv)["radii"]}
            for cells in body(out):
                certified = Decimal(exact[float(cells[0])])
                printed = Decimal(cells[1])
                assert certified * (1 - Decimal("1.1e-5")) <= printed <= certified
                seen += 1
    if not seen:
        pytest.fail(f"the table has no theorem about {noise} yet")
    assert seen % (3 * len(rhos)) == 0


@pytest.mark.parametrize("rho", [0.9999999999994, 0.99999999999991, 0.50000000000049, 1 - 2**-53])
def test_a_printed_pair_is_true(rho: float) -> None:
    """A probability printed smaller than it is would make the radius beside it too large."""
    cells = body(done("radius", "--noise", "gaussian", "--dim", 8, "--rho", repr(rho)))[0]
    noise = parse_noise("gaussian", dim=8, sigma=1)
    assert Decimal(cells[1]) <= Decimal(
        float(certify_radius(noise, parse_norm("l2"), float(cells[0])).radius)
    )


def test_floors() -> None:
    for value in (0.1, 0.3, 1 / 3, 2 / 3, 123456.789, 999999.9999, 1e6, 1e-5, 4.9e-324, 1.7e308, 0.1 + 0.2):
        for digits in (1, 3, 6, 12):
            shown = Decimal(floor_significant(value, digits))
            assert Decimal(value) * (1 - Decimal(10) ** (1 - digits)) < shown <= Decimal(value)
    assert [floor_to(x, 1) for x in (0.0, 0.05, 99.99, 100.0, float("inf"))] == [
        "0.0",
        "0.0",
        "99.9",
        "100.0",
        "inf",
    ]


def test_list() -> None:
    rows = body(done("radius", "--list"))
    assert [r[2] for r in rows] and {r[2] for r in rows} == {t.name for t in theorems()}
    assert all(r[0] and r[1] and r[3] and r[5] for r in rows)
    listed = document("radius", "--list")["theorems"]
    assert {t["name"] for t in listed} == {t.name for t in theorems()}
    assert all({"noises", "norms", "method", "tight", "citation"} <= set(t) for t in listed)
    only = body(done("radius", "--list", "--noise", "laplace"))
    assert only and all("laplace" in r[0] or r[0] == "every noise" for r in only)
    assert {r[2] for r in only} == {t.name for t in theorems() if {"laplace", "*"} & set(t.noises)}


def test_named_theorem() -> None:
    best = document("radius", "--noise", "laplace", "--dim", 30, "--norm", "linf", "--rho", 0.9)["radii"][0]
    for t in theorems():
        noise, norm = parse_noise("laplace", dim=30, sigma=1), parse_norm("linf")
        if t.applies(noise, norm):
            argv = ("--noise", "laplace", "--dim", 30, "--norm", "linf", "--rho", 0.9, "--theorem", t.name)
            got = document("radius", *argv)["radii"][0]
            assert got["theorem"] == t.name and (got["radius"] <= best["radius"] or not t.sound)


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_plot(here: Path, suffix: str, magic: bytes) -> None:
    for noise, norm in (("uniform", "l1"), ("exp-linf:k=2,j=10", "lp:p=3"), ("gaussian", "linf")):
        file = here / "new folder" / f"{noise[:3]}.{suffix}"
        code, out, err = call("radius", "--noise", noise, "--dim", 25, "--norm", norm, "--plot", file)
        if code == 2 and "no theorem" in err:
            continue
        assert code == 0 and str(file) in err and str(file) not in out
        assert file.read_bytes().startswith(magic) and file.stat().st_size > 2000


# ---- certify ---------------------------------------------------------------------------------------------


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


def test_certify_json(work: Path) -> None:
    got = json.loads((work / "narrow.json").read_text())
    keys = {"run_dir", "images", "accuracy", "certified", "seconds", "samples_per_second"}
    assert keys <= set(got)
    assert (
        got["run_dir"] == "narrow" and got["images"] == 12 and list(got["certified"]) == ["l1", "l2", "linf"]
    )
    assert got["seconds"] > 0 and got["samples_per_second"] > 0
    run = RunFolder.read(work / "narrow")
    assert got["accuracy"] == np.mean([r.prediction == r.label for r in run.rows]) > 0.5
    for name, curve in got["certified"].items():
        radius = run.certificate(parse_norm(name)).radius
        right = run.predictions() == run.labels()
        assert len(curve) > 3 and curve[0] == [0, got["accuracy"]]
        for r, share in curve:
            assert share == np.mean(right & (radius >= r))
        assert 0 < curve[-1][0] <= radius.max()


def test_certify_leaves_a_run_folder(work: Path) -> None:
    folder = work / "narrow"
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["noise"] == "uniform" and config["settings"]["n"] == 2000
    rows = rows_of(folder)
    assert [r["index"] for r in rows] == list(range(12))
    assert all(sum(r["votes"]) == r["n"] == 2000 and sum(r["votes0"]) == r["n0"] == 64 for r in rows)
    assert (folder / "certified_accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob("*.part"))


def test_certify_is_the_classifier(work: Path) -> None:
    """The command and the Python API count the same votes and certify the same radii."""
    from commands_model import Means  # type: ignore[import-not-found]  # the fixture's folder is on the path

    noise = parse_noise("uniform", dim=64, sigma=0.25)
    x = torch.from_numpy(load_dataset("digits").images(range(12)))
    run = RunFolder.read(work / "narrow")
    for norm in ("l1", "l2", "linf"):
        got = SmoothedClassifier(Means(), noise, 10).certify(x, norm, n0=64, n=2000, alpha=0.001, seed=0)
        assert got.counts.tolist() == [r.votes for r in run.rows]
        assert got.prediction.tolist() == run.predictions().tolist()
        np.testing.assert_array_equal(got.radius, run.certificate(parse_norm(norm)).radius)


def test_certify_table_by_subprocess(work: Path) -> None:
    """Once as users have it: the table on stdout, progress on stderr; the run was there, so it says so."""
    before = {p.name: p.read_bytes() for p in (work / "narrow").iterdir()}
    argv = ("--model", "commands_model:Means", "--images", "12", "--n", "2000", "--sigma", "0.25")
    got = python("-m", "smoothing.certify", *argv, "--run-dir", "narrow", cwd=work)
    assert got.returncode == 0, got.stderr
    assert "Traceback" not in got.stderr and "certifying" in got.stderr
    assert "all votes were there" in got.stdout and "narrow/rows.jsonl" in got.stdout
    for norm in ("l1", "l2", "linf"):
        block = got.stdout[got.stdout.index(f"{norm} radius") :]
        assert body(block)[0][0] == "certified %"
    assert {p.name: p.read_bytes() for p in (work / "narrow").iterdir()} == before


def test_settings_of_an_infinite_sigma_are_json(work: Path) -> None:
    """config.json is read by other tools than Python's: it has no Infinity."""
    argv = ("--model", "commands_model:Means", "--images", 2, "--n", 100, "--run-dir", "heavy")
    done("certify", *argv, "--noise", "pareto:a=1.5", "--scale", 0.01)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads((work / "heavy" / "config.json").read_text(), parse_constant=refuse)
    assert document("report", "heavy", "--norm", "l1")["runs"][0]["sigma"] == "inf"


def test_images_stride_and_skip(work: Path) -> None:
    argv = ("--model", "commands_model:Means", "--n", 100, "--run-dir", "stride", "--norms", "l2")
    got = document("certify", *argv, "--images", 3, "--stride", 7, "--skip", 2)
    assert got["images"] == 3 and list(got["certified"]) == ["l2"]
    assert [r["index"] for r in rows_of(work / "stride")] == [2, 9, 16]
    labels = load_dataset("digits").labels
    assert [r["label"] for r in rows_of(work / "stride")] == labels[[2, 9, 16]].tolist()


def test_from_nothing(here: Path) -> None:
    """Training, cached; certification; a run folder named by the settings; the second time nothing is trained."""
    argv = ("--model", "mlp", "--epochs", 1, "--images", 3, "--n", 100, "--norms", "l1")
    first = document("certify", *argv)
    weights = list((here / "runs" / "models").glob("*/weights.safetensors"))
    assert len(weights) == 1 and Path(first["run_dir"]).parent == Path("runs")
    before = weights[0].read_bytes(), (here / first["run_dir"] / "rows.jsonl").read_bytes()
    code, out, err = call("certify", *argv)
    assert code == 0 and "trained before" in err and "all votes were there" in out
    assert (weights[0].read_bytes(), (here / first["run_dir"] / "rows.jsonl").read_bytes()) == before
    other = document("certify", *argv, "--seed", 1)
    assert other["run_dir"] != first["run_dir"]


def test_train_json(here: Path) -> None:
    argv = ("--model", "mlp", "--epochs", 2, "--noise", "gaussian", "--sigma", 0.1, "--out", "trained")
    for loss in ("augment", "stability"):
        out = f"{loss} folder"
        got = document("train", *argv, "--loss", loss, "--out", out)
        assert got["folder"] == out and [e["epoch"] for e in got["log"]] == [1, 2]
        assert all({"loss", "accuracy"} <= set(e) for e in got["log"])
        state = json.loads((here / out / "training.json").read_text())
        assert state["log"] == got["log"] and (here / out / "weights.safetensors").is_file()
    text = done("train", *argv, "--loss", "stability", "--out", out)
    assert "epoch 2" in text and len(text.splitlines()) == 1


def test_checkpoint_of_ones_own_training(here: Path) -> None:
    done("train", "--model", "mlp", "--epochs", 1, "--out", "m")
    argv = ("--model", "mlp", "--images", 2, "--n", 100, "--checkpoint", "m/weights.safetensors")
    assert document("certify", *argv, "--run-dir", "r")["images"] == 2
    assert not (here / "runs").exists()


# ---- report ----------------------------------------------------------------------------------------------


def read_table(path: Path, kind: str) -> list[dict[str, Any]]:
    if kind == "parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if kind == "tsv" else ","))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_exports_round_trip(work: Path, norm: str) -> None:
    run = RunFolder.read(work / "narrow")
    certificate = run.certificate(parse_norm(norm))
    for kind in ("csv", "parquet", "tsv"):
        file = work / f"{norm}.{kind}"
        code, out, err = call("report", "narrow", "--norm", norm, "--export", kind, "--out", file)
        assert code == 0 and str(file) in err and str(file) not in out
        table = read_table(file, kind)
        assert list(table[0])[:6] == COLUMNS and (kind != "tsv" or list(table[0]) == COLUMNS)
        assert len(table) == 12
        for got, row, radius in zip(table, run.rows, certificate.radius, strict=True):
            assert (int(got["idx"]), int(got["label"])) == (row.index, row.label)
            assert int(got["predict"]) == row.prediction
            assert int(got["correct"]) == (row.prediction == row.label)
            if kind == "tsv":
                exact = Decimal(float(radius))
                assert exact * (1 - Decimal("1e-5")) <= Decimal(got["radius"]) <= exact
                assert got["time"].count(":") == 2 and got["time"] > "0:00:00"
            else:
                assert float(got["radius"]) == radius and float(got["time"]) > 0


def test_export_beside_each_run(work: Path) -> None:
    done("report", "narrow", "wide", "--norm", "l2", "--export", "tsv")
    for name in ("narrow", "wide"):
        assert len(read_table(work / name / "certified_l2.tsv", "tsv")) == 12


def test_report_rederives_what_certify_said(work: Path) -> None:
    said = json.loads((work / "narrow.json").read_text())
    for norm, curve in said["certified"].items():
        got = document("report", "narrow", "--norm", norm)
        assert got["norm"] == norm and got["radii"] == [r for r, _ in curve]
        assert got["runs"][0]["accuracy"] == got["envelope"] == [share for _, share in curve]
        argv = ("--radii", *(r for r, _ in curve))
        assert document("report", "narrow", "--norm", norm, *argv)["envelope"] == got["envelope"]


def test_envelope_of_two_runs(work: Path) -> None:
    got = document("report", "narrow", "wide", "--norm", "l1", "--figure", "envelope.png")
    assert (work / "envelope.png").read_bytes().startswith(b"\x89PNG")
    shares = [r["accuracy"] for r in got["runs"]]
    assert got["envelope"] == np.max(shares, axis=0).tolist()
    assert [Path(r["run_dir"]).name for r in got["runs"]] == ["narrow", "wide"]
    assert [r["sigma"] for r in got["runs"]] == pytest.approx([0.25, 0.5])
    for share, name in zip(shares, ("narrow", "wide"), strict=True):
        alone = RunFolder.read(work / name).certified_accuracy(parse_norm("l1"), np.array(got["radii"]))
        assert share == alone.tolist()
    # Neither run is the envelope: the wide noise is better far out, the narrow one near.
    assert shares[0] != got["envelope"] != shares[1]
    rows = body(done("report", "narrow", "wide", "--norm", "l1"))
    assert [r[0] for r in rows] == ["uniform sigma=0.25", "uniform sigma=0.5", "envelope"]
    assert [Decimal(c) for c in rows[2][1:]] == [
        max(map(Decimal, pair)) for pair in zip(rows[0][1:], rows[1][1:], strict=True)
    ]


def made(folder: Path, right: Sequence[int], n: int = 1000, wrong: int = 0, alpha: float = 0.001) -> Path:
    """A run folder made by hand: Gaussian noise in four dimensions, votes for the right class as given."""
    settings = {
        "model": "none", "dataset": "none", "noise": "gaussian", "dim": 4, "scale": 1.0, "n0": 10, "n": n,
        "alpha": alpha, "seed": 0, "classes": ["0", "1"],
    }  # fmt: skip
    run = RunFolder.create(folder, settings, {})
    with patch("os.fsync"), run.writing() as writer:
        for i, votes in enumerate(right):
            counts = np.array([votes, n - votes])
            row = make_row(
                i,
                1 if i < wrong else 0,
                votes0=Votes(np.array([10, 0]), 0, 10),
                votes=Votes(counts, 0, n),
                alpha=alpha,
                seed=0,
            )
            writer.append(row, 0.0)
    return folder


def test_envelopes_are_of_the_same_images_at_one_alpha(here: Path) -> None:
    """A run's first images may be its easy ones: three of them are no envelope for ten."""
    whole, part = made(here / "whole", [900] * 10), made(here / "part", [1000] * 3)
    code, _, err = call("report", whole, part, "--norm", "l2")
    assert code == 2 and f"{whole} has 10 and {part} has 3" in err and err.count("\n") == 1
    other = made(here / "other", [800] * 10, alpha=0.5)
    code, _, err = call("report", whole, other, "--norm", "l2")
    assert code == 2 and "alpha is 0.001" in err and "0.5" in err
    assert "envelope" in done("report", whole, other, "--norm", "l2", "--alpha", 0.01)


def test_a_run_begun_meanwhile_keeps_its_settings(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commands find the same new folder free; the second one's settings must not replace the first one's."""
    check = RunFolder.check.__func__  # type: ignore[attr-defined]
    first = (made(here / "as", [900]) / "config.json").read_bytes()
    settings = json.loads(first)["settings"]

    def late(cls: type[RunFolder], path: Path, given: dict[str, Any]) -> None:
        check(cls, path, given)
        if not path.exists():
            path.mkdir()
            (path / "config.json").write_bytes(first)

    monkeypatch.setattr(RunFolder, "check", classmethod(late))
    with pytest.raises(InputError, match=r"scale was 1\.0 and is 8\.0"):
        RunFolder.create(here / "new", settings | {"scale": 8.0}, {})
    assert RunFolder.read(here / "new").settings["scale"] == 1.0


def test_facts_that_are_none_are_one_line(here: Path) -> None:
    path = made(here / "run", [900]) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"facts": []}))
    code, _, err = call("report", path.parent)
    assert code == 2 and "is not the configuration of a run" in err


@pytest.mark.parametrize(("option", "said"), [(("--n", 2**63), "below 2^63"), (("--alpha", 1e-95), "alpha")])
def test_numbers_beyond_what_is_counted_are_one_line(option: tuple[str, object], said: str) -> None:
    code, _, err = call("certify", *option)
    assert code == 2 and said in err.splitlines()[-1]


def test_a_run_begun_without_the_runner_up_says_how_to_see_it(here: Path) -> None:
    argv = ("--model", "linear", "--epochs", 1, "--images", 2, "--n", 100, "--run-dir", "run")
    code, _, err = call("certify", *argv)
    assert code == 0 and "runner-up" not in err
    code, _, err = call("certify", *argv, "--runner-up")
    assert code == 0 and "run was begun without --runner-up: smoothing.report takes --runner-up" in err


@pytest.mark.parametrize("total", [100, 450, 1000])
def test_percentages_are_cut_but_exact_ones_stay(here: Path, total: int) -> None:
    """29 of 100 is 29.0 %, although 100 · 0.29 in floating point is a hair below 29."""
    for k in (29, 57, 58, total // 2, total - 1):
        folder = made(here / f"{k}", [1000] * total, wrong=total - k)
        rows = body(done("report", folder, "--norm", "l2", "--radii", 0))
        exact = Fraction(100 * k, total)
        want = Decimal(int(exact * 10)) / 10
        assert Decimal(rows[0][1]) == want, (k, total)


def test_the_radius_of_a_column_is_not_rounded_up(here: Path) -> None:
    """A column headed 0.123457 speaks about 0.123457: at 0.1234567 more images may be certified."""
    folder = made(here / "run", [900])
    radius = float(RunFolder.read(folder).certificate(parse_norm("l2")).radius[0])
    for asked in (radius, np.nextafter(radius, 9), 0.1234567, 1.9999996):
        header, _, line = done("report", folder, "--norm", "l2", "--radii", repr(float(asked))).splitlines()[
            -3:
        ]
        printed, share = Decimal(header.split()[-1]), Decimal(line.split()[-1])
        assert share == (100 if asked <= radius else 0)
        if share:
            assert float(printed) <= radius  # its shortest name reads back as this very float


def test_another_alpha(work: Path) -> None:
    """--alpha holds for all that is shown: the line above the table, the table and the figure."""
    folder = made(work / "alpha", [990, 540, 540])  # 540 of 1000 is no majority at 0.001, and one at 0.05
    strict, loose = (
        done("report", folder, "--norm", "l2"),
        done("report", folder, "--norm", "l2", "--alpha", 0.05),
    )
    assert (body(strict)[0][1], body(loose)[0][1]) == ("33.3", "100.0")
    exported = work / "loose.csv"
    done("report", folder, "--norm", "l2", "--alpha", 0.05, "--export", "csv", "--out", exported)
    assert [r["predict"] for r in read_table(exported, "csv")] == ["0", "0", "0"]
    assert "alpha = 0.05" in loose and "abstained on 0" in loose and "accuracy 100.0 %" in loose


def test_another_alpha_in_the_figure(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(work / "figure", [990, 540])
    seen: list[float] = []
    original = RunFolder.certificate

    def spy(self: RunFolder, norm: Any) -> Any:
        seen.append(self.alpha)
        return original(self, norm)

    monkeypatch.setattr(RunFolder, "certificate", spy)
    done("report", folder, "--norm", "l2", "--alpha", 0.05, "--figure", work / "a.png")
    assert seen and set(seen) == {0.05}


def test_a_run_that_abstains_everywhere(here: Path) -> None:
    folder = made(here / "run", [500, 400])
    got = document("report", folder, "--norm", "l2")
    assert got["radii"] == [0] and got["envelope"] == [0]
    done("report", folder, "--norm", "l2", "--figure", here / "f.png")
    done("report", folder, "--norm", "l2", "--export", "tsv")
    assert [r["predict"] for r in read_table(folder / "certified_l2.tsv", "tsv")] == ["-1", "-1"]
    assert document("report", folder, "--radii", "0", "inf")["radii"] == [0, "inf"]
