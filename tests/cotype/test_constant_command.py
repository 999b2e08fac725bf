"""The command: its answers, its files, and one clear line for every mistake."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cotype.constant import main

ROOT = Path(__file__).parents[2]


def document(capsys, *words):
    main([*words, "--json", "--restarts", "1"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("p", "dim", "moment", "lower", "upper"),
    [
        ("1", 4, 1, math.sqrt(2), math.sqrt(2)),
        ("1.5", 3, 1, math.sqrt(2), math.sqrt(2)),
        ("2", 7, 1, math.sqrt(2), math.sqrt(2)),
        ("2", 7, 2, 1, 1),
        ("inf", 5, 2, math.sqrt(5), math.sqrt(5)),
        ("3", 8, 2, math.sqrt(2), math.sqrt(2)),
        ("inf", 5, 1, math.sqrt(5), math.sqrt(2) * 15 / 8),
        ("4", 16, 1, 2, 2 * math.sqrt(2)),
    ],
)
def test_json(capsys, p, dim, moment, lower, upper):
    """√2 for p ≤ 2; d^{1/2-1/p}; max(√2, d^{1/2-1/p}) ≤ C₁ ≤ √2 d^{1/2-1/p}, for ℓ∞ √2 E|σ₁ + … + σ_5| = 15√2/8."""
    found = document(capsys, "--p", p, "--dim", str(dim), "--moment", str(moment))
    assert found["lower"] == pytest.approx(lower, rel=1e-12) and found["upper"] == pytest.approx(
        upper, rel=1e-12
    )
    assert found["lower"] <= found["upper"]
    assert (found["p"], found["dim"], found["moment"]) == ("inf" if p == "inf" else float(p), dim, moment)
    assert len(found["sources"]) == 2 and found["vectors"]


def test_text_and_files(capsys, tmp_path):
    for name in ("x.npy", "x.json", "new/folder/x.json"):
        main(["--p", "inf", "--dim", "3", "--moment", "2", "--restarts", "0", "--out", str(tmp_path / name)])
        out = capsys.readouterr().out
        assert "1.732050808" in out and "tomczak1989" in out and "x3" in out
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.eye(3))
    for name in ("x.json", "new/folder/x.json"):
        assert json.loads((tmp_path / name).read_text()) == np.eye(3).tolist()


def test_a_polytope_from_a_file(capsys, tmp_path):
    path = tmp_path / "cross.txt"
    np.savetxt(path, np.eye(3))
    found = document(capsys, "--norm", f"polytope:{path}")
    assert found["lower"] == pytest.approx(math.sqrt(2)) and found["upper"] == pytest.approx(
        math.sqrt(2), rel=1e-6
    )
    assert found["dim"] == 3 and found["p"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--p 0.5 --dim 3", "at least 1, got 0.5"),
        ("--p nan --dim 3", "at least 1, got nan"),
        ("--p x --dim 3", "at least 1, got x"),
        ("--p 3", "needs --dim"),
        ("--p 3 --dim 0", "at least 1, got 0"),
        ("--p 3 --dim 3 --moment 3", "choose from 1, 2"),
        ("--p 3 --norm l1 --dim 3", "not allowed with"),
        ("--dim 3", "required"),
        ("--norm l7 --dim 3", "known: l1"),
        ("--norm polytope:nowhere.txt", "nowhere.txt"),
        ("--p 3 --dim 3 --out x.txt", ".npy or .json"),
        ("--p 3 --dim 3 --out /dev/null/x.npy", "/dev/null"),
    ],
)
def test_mistakes_end_in_one_line(words, told, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cotype.constant", *words.split(), "--restarts", "0"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert done.returncode == 2 and not done.stdout
    assert (
        done.stderr.count("\n") == 1
        and told in done.stderr
        and done.stderr.startswith("cotype.constant: error")
    )
