"""The three commands of geometry as a user meets them: tables, JSON, pictures, one line for a mistake."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from geometry import crystal, phi, shapes


def answer(capsys, module, *arguments):
    module.main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def complaint(module, *arguments):
    """The exit code and the single line on stderr."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True)
    assert not done.stdout and done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_phi_of_a_cube(capsys):
    found = answer(capsys, phi, "--body", "cube", "--norm", "linf", "--dim", "5")
    assert {"body", "norm", "dim", "phi", "lower_bound", "gap", "method", "error"} <= found.keys()
    assert found["phi"] == 5 and found["lower_bound"] == pytest.approx(2.7602084031, abs=6e-11)
    assert found["gap"] == pytest.approx(5 / 2.7602084031, rel=1e-10)


def test_phi_checks_itself(capsys):
    found = answer(capsys, phi, "--body", "ball", "--norm", "l2", "--dim", "3", "--check")
    assert found["phi"] == pytest.approx(1.20899397, abs=6e-9) and found["gap"] == 1
    assert len(found["checks"]) == 2
    for check in found["checks"]:
        assert abs(check["phi"] - found["phi"]) <= check["error"]


def test_phi_of_bodies_from_files(capsys, tmp_path):
    """A square by its corners, off the origin; as a zonotope; as a grid of four cells; as an image of the unit disc."""
    files = {
        "polytope:square.csv": np.array([[1, 1], [3, 1], [1, 3], [3, 3.0]]),
        "zonotope:square.txt": np.eye(2),
        "voxels:square.npy": np.ones((2, 2)),
        "box:square.json": [2.0, 2.0],
    }
    for spec, rows in files.items():
        name, file = spec.split(":")
        path = tmp_path / file
        match path.suffix:
            case ".csv":
                np.savetxt(path, rows, delimiter=",")
            case ".txt":
                np.savetxt(path, rows)
            case ".npy":
                np.save(path, rows)
            case ".json":
                path.write_text(json.dumps(rows))
        found = answer(capsys, phi, "--body", f"{name}:{path}", "--norm", "linf")
        assert found["phi"] == pytest.approx(2, rel=1e-9) and found["dim"] == 2, spec
    np.savetxt(tmp_path / "disc.txt", np.diag([3.0, 3.0]))
    found = answer(capsys, phi, "--body", f"ellipsoid:{tmp_path / 'disc.txt'}", "--norm", "l2")
    assert found["phi"] == pytest.approx(2 / math.sqrt(math.pi), rel=1e-12)


def test_a_norm_from_a_file(capsys, tmp_path):
    """The ℓ1 ball by its vertices is ℓ1."""
    path = tmp_path / "ball.txt"
    np.savetxt(path, np.eye(3))
    found = answer(capsys, phi, "--body", "wulff", "--norm", f"polytope:{path}")
    assert found["phi"] == pytest.approx(1, rel=1e-12) and found["gap"] == pytest.approx(1, rel=1e-12)
    facts = answer(capsys, crystal, "--norm", f"polytope:{path}")
    assert facts["vertices"] == 8 and facts["facets"] == 6 and facts["dim"] == 3


@pytest.mark.parametrize(
    ("dim", "f_vector"),
    [(2, [4, 4]), (3, [14, 24, 12]), (4, [104, 256, 192, 40]), (5, [1882, 5920, 6080, 2320, 280])],
)
def test_facts_of_the_crystal(capsys, dim, f_vector):
    found = answer(capsys, crystal, "--dim", str(dim))
    volume = {2: 2, 3: 2, 4: 15 / 8, 5: 105 / 64}[dim]
    assert found["f_vector"] == f_vector and found["volume"] == pytest.approx(volume, rel=1e-12)
    assert found["inradius"] == pytest.approx(math.sqrt(0.5)) and found["circumradius"] == 1
    assert sum(found["facet_normals"].values()) == f_vector[-1]


def test_facts_in_words(capsys):
    crystal.main(["--norm", "l1", "--dim", "3"])
    text = capsys.readouterr().out
    assert "8 12 6" in text and "6 of (1, 0, 0)" in text


def test_facts_beyond_lists(capsys):
    """At d = 3072 the volume is no float; its logarithm lies between Hölder's bound and √(d!)."""
    found = answer(capsys, crystal, "--dim", "3072")
    upper = 3072 * math.log(2) - 0.5 * math.lgamma(3073)
    assert "volume" not in found and "vertices" not in found
    assert found["log_volume"] + found["log_volume_error"] == pytest.approx(upper, rel=1e-12)
    assert found["phi_of_any_set_at_least"] == pytest.approx(math.sqrt(math.e * 3072), rel=3e-3)


@pytest.mark.parametrize(
    ("norm", "dim"), [("linf", 2), ("linf", 3), ("linf", 4), ("l1", 3), ("l2", 2), ("l2", 3), ("lp:p=3", 2)]
)
def test_pictures(norm, dim, tmp_path, capsys):
    from PIL import Image

    path = tmp_path / "crystal.png"
    crystal.main(["--norm", norm, "--dim", str(dim), "--out", str(path)])
    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert min(pixels.shape[:2]) > 300
    # both halves show something in colour
    colourful = np.ptp(pixels.astype(int), axis=2) > 40
    for half in np.array_split(colourful, 2, axis=1):
        assert half.mean() > (0.001 if dim == 4 else 0.05)


def test_shapes(capsys, tmp_path):
    """Theorem 5.2 as numbers: each norm has its optimal body, and the ball comes near to the crystal."""
    found = answer(capsys, shapes, "--dims", "2", "5", "100")
    gaps = {(row["norm"], row["body"], row["dim"]): row["gap"] for row in found["shapes"]}
    assert gaps["l1", "cube", 100] == gaps["l2", "ball", 100] == gaps["linf", "wulff-linf", 100] == 1
    assert gaps["linf", "ball", 100] < gaps["linf", "ball", 5] < gaps["linf", "ball", 2]
    assert gaps["linf", "cube", 100] > 6 and gaps["linf", "cross-polytope", 100] > 1.3
    assert min(gaps.values()) >= 1 - 1e-12
    shapes.main(["--dims", "2", "--out", str(tmp_path / "gaps.pdf")])
    assert (tmp_path / "gaps.pdf").stat().st_size > 5000
    assert "against linf" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        ("geometry.phi", ("--body", "foo", "--dim", "3"), ("unknown body", "cross-polytope")),
        ("geometry.phi", ("--body", "cube"), ("needs --dim",)),
        ("geometry.phi", ("--body", "lp-ball:q=-1", "--dim", "3"), ("p must be finite",)),
        ("geometry.phi", ("--body", "zonotope:missing.txt"), ("cannot read missing.txt",)),
        ("geometry.phi", ("--body", "zonotope"), ("read from a file",)),
        ("geometry.phi", ("--body", "cube", "--dim", "3", "--norm", "l0"), ("unknown norm", "polytope:FILE")),
        ("geometry.phi", ("--body", "cube", "--dim", "0"), ("at least 1",)),
        ("geometry.crystal", ("--dim", "5", "--out", "x.png"), ("drawn in dimension 2, 3 and 4",)),
        ("geometry.crystal", ("--out", "x.txt"), ("must end in",)),
        ("geometry.crystal", ("--norm", "lp:p=3", "--dim", "7"), ("drawn up to dim 3",)),
    ],
)
def test_mistakes_are_one_line(module, arguments, words):
    code, line = complaint(module, *arguments)
    assert code == 2 and all(word in line for word in words), line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 2\n3 x\n", "no array of numbers"),
        ("", "at least one"),
        ("1 2\n2 4\n", "no interior"),
        ("1 nan\n0 1\n", "finite"),
    ],
)
def test_damaged_files(content, words, tmp_path):
    path = tmp_path / "points.txt"
    path.write_text(content)
    code, line = complaint("geometry.phi", "--body", f"polytope:{path}", "--norm", "l1")
    assert code == 2 and words in line, line
