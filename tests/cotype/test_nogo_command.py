"""The command: its promised keys, its figure, its one line for every mistake."""

import json
import subprocess
import sys

import numpy as np
import pytest
from marks import slow

from cotype import nogo
from geometry.cli import run


def document(capsys, *argv):
    nogo.main([*argv, "--json"])
    return json.loads(capsys.readouterr().out)


def test_json_has_the_promised_keys(capsys):
    found = document(capsys, "--p", "inf", "--dim", "3072", "--s", "0.01", "--accuracy", "0.38")
    assert {"p", "dim", "s", "accuracy", "ceiling", "gaussian_epsilon", "ratio"} <= found.keys()
    assert found["p"] == "inf" and found["dim"] == 3072
    assert found["ratio"] == pytest.approx(found["ceiling"] / found["gaussian_epsilon"])
    assert found["m"] >= 1 and 1 <= found["n"] <= 3072
    assert found["even_ceiling"] < found["ceiling"]


def test_the_table_says_what_the_ceiling_was_attained_with(capsys):
    nogo.main(["--p", "4", "--dim", "100"])
    text = capsys.readouterr().out
    assert "lp:p=4 adversary, dim 100" in text and "random signs, m = " in text and "Gaussian" in text


@pytest.mark.parametrize("norm", [slow("l2"), "linf"])
def test_sweep_draws_a_figure(tmp_path, capsys, norm):
    out = tmp_path / "sub" / "sweep.svg"
    found = document(capsys, "--norm", norm, "--dim", "256", "--sweep", "--out", str(out))
    assert out.stat().st_size > 10_000
    sweep = found["sweep"]
    assert sweep["by_dim"]["dim"][0] == 16 and sweep["by_dim"]["dim"][-1] == 2**20
    for panel in (sweep["by_dim"], sweep["by_share"]):
        top = np.array([float(x) for x in panel["even_ceiling"]])
        for name in {"Gaussian", "random cuts", "sign cuts"} & panel.keys():
            assert (np.array(panel[name]) <= top).all()


def test_polytope_from_a_file(tmp_path, capsys):
    path = tmp_path / "ball.txt"
    np.savetxt(path, [[1, 0, 0], [0, 1, 0], [0.3, 0.4, 1]])
    out = tmp_path / "sweep.png"
    found = document(capsys, "--norm", f"polytope:{path}", "--s", "0.005", "--sweep", "--out", str(out))
    assert found["dim"] == 3 and found["p"] is None and out.exists()
    assert 0 < found["gaussian_epsilon"] < found["even_ceiling"]
    assert "by_dim" not in found["sweep"]


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--p", "0.5"], "--p: must be at least 1"),
        (["--p", "x"], "must be a number"),
        (["--s", "0.5"], "--s: must be in (0, 1/2)"),
        (["--s", "1e-300"], "s must be at least 1e-13 times the accuracy"),
        (["--accuracy", "0"], "--accuracy: must be a total variation in (0, 1]"),
        (["--accuracy", "nan"], "--accuracy"),
        (["--norm", "l9"], "unknown norm 'l9'"),
        (["--norm", "l1", "--p", "1"], "not allowed with"),
        (["--dim", "0"], "--dim"),
        (["--out", "x.png"], "--sweep"),
        (["--sweep", "--out", "x.txt"], ".png, .pdf, .svg"),
        (["--norm", "polytope:/nowhere.txt"], "/nowhere.txt"),
    ],
)
def test_mistakes_end_in_one_line(argv, message, capsys):
    with pytest.raises(SystemExit) as stop:
        run(lambda: nogo.main(argv), "cotype.nogo")
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err


def test_dimension_of_a_file(tmp_path, capsys):
    path = tmp_path / "ball.txt"
    np.savetxt(path, np.eye(3))
    with pytest.raises(SystemExit):
        run(lambda: nogo.main(["--norm", f"polytope:{path}", "--dim", "4"]), "cotype.nogo")
    assert "has dimension 3" in capsys.readouterr().err


def test_it_runs_as_a_module_without_torch():
    code = "import sys, cotype.nogo as c; c.main(['--json']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["norm"] == "linf"
