"""Everything a user or a machine can get wrong: exit code 2, one clear line, no traceback, nothing lost."""

import contextlib
import errno
import fcntl
import importlib
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import write_mnist
from safetensors.torch import save_file

from geometry.cli import run

ROOT = Path(__file__).parents[2]

MODELS = '''
import torch
from torch import nn

class Pixels(nn.Module):
    """The class is the largest of the first ten pixels."""
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return x.flatten(1)[:, :10].clone()

class Large(nn.Module):
    """For images of 28×28."""
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(784, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))

class Seven(Pixels):
    def forward(self, x):
        return super().forward(x)[:, :7]

class SevenUnderNoise(Pixels):
    """Ten classes on the black images of a probe, seven on others."""
    def forward(self, x):
        return super().forward(x)[:, : 10 if not x.any() else 7]

class SometimesNaN(Pixels):
    """NaN where the twelfth pixel is bright."""
    def forward(self, x):
        return torch.where(x.flatten(1)[:, 11:12] > 0.9, torch.nan, super().forward(x))

class Hungry(Pixels):
    def forward(self, x):
        if len(x) > 50:
            raise RuntimeError("out of memory.\\nTried to allocate more than there is")
        return super().forward(x)

class Words(Pixels):
    def forward(self, x):
        return ["a"] * len(x)

class Plain(nn.Module):
    """A module without a constructor of its own, as layers without weights are written."""
    def forward(self, x):
        return x.flatten(1)[:, :10].clone()

def broken():
    raise KeyError("no such\\nthing")
'''

PIXELS = ("--model", "bad_models:Pixels", "--images", 4, "--n", 200, "--norms", "l1")


def call(command: str, *argv: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, run in this process; an exception is a traceback."""
    main = importlib.import_module(f"smoothing.{command}").main
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        run(lambda: main([str(a) for a in argv]), f"smoothing.{command}")
    code = end.value.code
    return (code if isinstance(code, int) else 0), out.getvalue(), err.getvalue()


def files() -> dict[str, bytes | None]:
    """What lies in the working directory, byte by byte."""
    return {
        str(p): p.read_bytes() if p.is_file() else None
        for p in sorted(Path().rglob("*"))
        if "__pycache__" not in p.parts
    }


def complaint(command: str, *argv: object, progress: bool = False) -> str:
    """The one line of a refusal: exit code 2, stdout empty. ``progress``: a bar may stand above it."""
    code, out, err = call(command, *argv)
    assert code == 2, (code, out, err)
    assert out == ""
    lines = err.splitlines()
    if progress:
        lines = [line for line in lines if line and not re.search(r"\d+%\|", line)]
    assert len(lines) == 1, err
    found = re.fullmatch(rf"(?:python -m )?smoothing\.{command}: error: (.+)", lines[0])
    assert found, err
    return found[1]


def refused(command: str, *argv: object) -> str:
    """As `complaint`, and no file has come, gone or changed."""
    before = files()
    line = complaint(command, *argv)
    assert files() == before
    return line


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own, with the models in it."""
    (tmp_path / "bad_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "bad_models", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four images, made once."""
    folder, path = tmp_path_factory.mktemp("original"), list(sys.path)
    (folder / "bad_models.py").write_text(MODELS)
    with contextlib.chdir(folder):
        code, _, err = call("certify", *PIXELS, "--run-dir", "run")
    sys.path[:] = path
    sys.modules.pop("bad_models", None)
    assert code == 0, err
    return folder / "run"


@pytest.fixture
def finished(original: Path, here: Path) -> Path:
    """A copy of the finished run, as `run` in the working directory."""
    return Path(shutil.copytree(original, here / "run"))


# ---- options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["certify", "train", "radius"])
def test_unknown_noise_lists_the_known_ones(command: str) -> None:
    line = refused(command, "--noise", "gausian", *(("--dim", 3) if command == "radius" else ()))
    assert "'gausian'" in line and "gaussian" in line and "exp-linf" in line and "pareto" in line


def test_unknown_noise_of_the_list() -> None:
    line = refused("radius", "--list", "--noise", "gausian")
    assert "'gausian'" in line and "exp-linf" in line


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        ("exp-power:p=0", "p .*0 < p.* 0$"),
        ("exp-power:p=-1", "p .*-1$"),
        ("exp-power:p=nan", "p .*nan$"),
        ("exp-power:p=inf", "p .*inf"),
        ("exp-power", "needs p"),
        ("exp-power:q=2", "takes p.*'q=2'"),
        ("exp-power:p", "takes p.*'p'"),
        ("exp-power:p=two", "p must be a number.*'two'"),
        ("pareto:a=0", "a .*0 < a.* 0$"),
        ("pareto:a=2", "infinite variance.*--scale"),
        ("gaussian:k=1", "no parameters.*'k=1'"),
        ("exp-linf:k=1,j=25", "j .*0 <= j < 25.* 25$"),
        ("exp-l1:k=1,j=25.5", "j .*0 <= j < 25.* 25.5$"),
        ("exp-l2:k=1,j=-1", "j .*0 <= j < 25.* -1$"),
        ("exp-l2:k=1,j=nan", "j .*nan$"),
        ("exp-linf:k=0", "k .*0 < k.* 0$"),
        ("exp-linf:k=inf", "k .*inf$"),
        ("pow-linf:k=2,a=12.5", "a .*12.5 < a.* 12.5$"),
        ("pow-l2:k=0,a=3", "k .*0 < k"),
        ("pow-l1:k=1e-9,a=1e300", "sigma|range|float64"),
        ("pow-linf:k=1e-9,a=1e300", "sigma|range|float64"),
        ("exp-linf:k=1e-9", "sigma|range|float64"),
    ],
)
def test_parameters_out_of_range(noise: str, words: str) -> None:
    line = refused("radius", "--noise", noise, "--dim", 25)
    assert re.search(words, line), line


@pytest.mark.parametrize("option", ["--sigma", "--scale"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "1e999", "half", ""])
@pytest.mark.parametrize("command", ["certify", "radius"])
def test_sizes_out_of_range(command: str, option: str, value: str) -> None:
    line = refused(
        command, "--noise", "gaussian", f"{option}={value}", *(("--dim", 3) if command == "radius" else ())
    )
    assert option in line and (value in line)


@pytest.mark.parametrize("command", ["certify", "train", "radius"])
def test_sigma_and_scale_together(command: str) -> None:
    line = refused(command, "--noise", "gaussian", "--sigma", 1, "--scale", 1)
    assert "--sigma" in line and "--scale" in line


@pytest.mark.parametrize("size", [("--sigma", "1e-320"), ("--scale", "1e-320"), ("--sigma", "1.7e308")])
def test_sizes_at_the_edge_of_floats(size: tuple[str, str]) -> None:
    code, _, err = call("radius", "--noise", "uniform", "--dim", 3, "--norm", "l1", *size)
    assert code in (0, 2) and len(err.splitlines()) == (code == 2)


@pytest.mark.parametrize("rho", ["-0.1", "1.1", "nan", "inf", "-1e-300", "x"])
def test_rho_out_of_range(rho: str) -> None:
    line = refused("radius", "--noise", "gaussian", "--dim", 3, f"--rho={rho}")
    assert "--rho" in line and rho in line


@pytest.mark.parametrize(
    "norm", ["l3", "L2", "", "lp:", "lp:p=", "lp:p=0.5", "lp:p=nan", "lp:p=-inf", "lp:q=2"]
)
def test_unknown_norm(norm: str) -> None:
    for command, option in (("radius", "--norm"), ("certify", "--norms")):
        line = refused(
            command, "--noise", "gaussian", option, norm, *(("--dim", 3) if command == "radius" else ())
        )
        assert "norm" in line
    assert "norm" in refused("certify", *PIXELS, "--norms", "l1,,l2")


def test_unknown_theorem_lists_the_known_ones() -> None:
    line = refused("radius", "--noise", "gaussian", "--dim", 3, "--theorem", "gauss")
    assert "'gauss'" in line and "laplace-l1" in line


def test_theorem_that_does_not_apply(finished: Path) -> None:
    line = refused("radius", "--noise", "laplace", "--dim", 3, "--norm", "l2", "--theorem", "laplace-l1")
    assert "laplace-l1" in line and "does not apply" in line and "l2" in line
    assert "gaussian" in refused("radius", "--noise", "laplace", "--dim", 3, "--theorem", "gaussian")
    assert "does not apply" in refused("report", "run", "--norm", "l1", "--theorem", "gaussian")


@pytest.mark.parametrize("dim", ["0", "-3", "2.5", "nan", "many"])
def test_dim_out_of_range(dim: str) -> None:
    assert "--dim" in refused("radius", "--noise", "gaussian", f"--dim={dim}")


def test_radius_needs_noise_and_dim() -> None:
    assert "--dim" in refused("radius", "--noise", "gaussian")
    assert "--noise" in refused("radius", "--dim", 3)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--alpha", ("0", "1", "-1", "2", "nan", "x")),
        ("--n", ("0", "-1", "x", "nan")),
        ("--n0", ("0", "-1")),
        ("--images", ("0", "-1")),
        ("--stride", ("0",)),
        ("--skip", ("-1", "450", "10000000")),
        ("--batch", ("0", "-7")),
        ("--seed", ("-1", "0.5")),
        ("--device", ("tpu",)),
        ("--norms", ("l1,l9",)),
        ("--noize", ("uniform",)),
    ],
)
def test_certify_options(option: str, values: tuple[str, ...]) -> None:
    for value in values:
        line = refused("certify", "--model", "bad_models:Pixels", f"{option}={value}")
        assert option.strip("-").removesuffix("s") in line


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--epochs", ("0", "-1", "x")),
        ("--train-batch", ("0",)),
        ("--lr", ("0", "-1", "nan", "inf")),
        ("--weight-decay", ("-1", "nan", "inf")),
        ("--stability-weight", ("-1", "nan")),
        ("--loss", ("mse",)),
    ],
)
def test_train_options(option: str, values: tuple[str, ...]) -> None:
    for value in values:
        line = refused("train", "--model", "mlp", "--out", "out", f"{option}={value}")
        assert option in line


def test_any_seed_serves_or_is_refused(here: Path) -> None:
    for seed in (2**31, 2**63, 2**64, 10**30):
        code, _, err = call("train", "--model", "mlp", "--epochs", 1, "--out", f"s{seed}", "--seed", seed)
        assert code == 0 or (code == 2 and "--seed" in err)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_cuda() -> None:
    assert "no CUDA device" in refused("certify", *PIXELS, "--device", "cuda")


def test_training_that_diverges_says_so() -> None:
    line = complaint("train", "--model", "mlp", "--epochs", 1, "--out", "out", "--lr", "1e30", progress=True)
    assert "diverged" in line and "--lr" in line
    assert not Path("out/weights.safetensors").exists()


# ---- models ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("resnet51", "'resnet51'.*small-cnn"),
        ("bad_models:Nothing", "bad_models.*Nothing"),
        ("no_such_module:Model", "no_such_module"),
        ("bad_models:broken", "KeyError"),
        ("bad_models:MODELS", "MODELS"),
        ("bad_models:", "FACTORY"),
        ("bad_models:Large", r"\(1, 8, 8\)"),
        ("bad_models:Seven", r"10.*7"),
        ("bad_models:Words", "logits"),
        ("bad_models:torch.cuda", "callable"),
    ],
)
def test_models(model: str, words: str) -> None:
    line = refused("certify", "--model", model, "--images", 2, "--n", 100, "--run-dir", "run")
    assert re.search(words, line), line


def test_a_module_without_a_constructor_serves(here: Path) -> None:
    code, _, err = call("certify", *PIXELS, "--model", "bad_models:Plain", "--run-dir", "run")
    assert code == 0, err


def test_model_that_fails_under_way() -> None:
    """Out of memory at a large --batch is a user's mistake, as is a model that takes small batches only."""
    line = complaint("certify", *PIXELS, "--model", "bad_models:Hungry", "--run-dir", "run", progress=True)
    assert "out of memory" in line
    code, _, err = call(
        "certify", *PIXELS, "--model", "bad_models:Hungry", "--run-dir", "small", "--batch", 50
    )
    assert code == 0, err


def test_model_that_changes_its_classes_under_way() -> None:
    line = complaint(
        "certify", *PIXELS, "--model", "bad_models:SevenUnderNoise", "--run-dir", "run", progress=True
    )
    assert "7" in line and "10" in line


def test_nan_logits_are_counted_and_told() -> None:
    argv = ("--images", 6, "--n", 300, "--noise", "uniform", "--sigma", 0.5, "--norms", "l1")
    code, out, err = call(
        "certify", *argv, "--model", "bad_models:SometimesNaN", "--run-dir", "nan", "--json"
    )
    assert code == 0, err
    rows = [json.loads(line) for line in Path("nan/rows.jsonl").read_text().splitlines()]
    lost = sum(r["invalid"] for r in rows)
    assert lost == json.loads(out)["invalid_samples"] > 0
    assert all(sum(r["votes"]) + sum(r["votes0"]) + r["invalid"] == 364 and r["n"] == 300 for r in rows)
    told = [line for line in err.splitlines() if "NaN" in line]
    images = sum(r["invalid"] > 0 for r in rows)
    assert len(told) == 1 and str(lost) in told[0] and str(images) in told[0]
    # Against the same model without them: every certificate is smaller or equal.
    assert call("certify", *argv, "--model", "bad_models:Pixels", "--run-dir", "clean")[0] == 0
    from geometry.norms import parse_norm
    from smoothing.runs import RunFolder

    dirty, clean = (RunFolder.read(Path(p)).certificate(parse_norm("l1")) for p in ("nan", "clean"))
    same = [
        a == b
        for a, b in zip(
            *([r.votes0 for r in RunFolder.read(Path(p)).rows] for p in ("nan", "clean")), strict=True
        )
    ]
    assert (dirty.rho[same] <= clean.rho[same]).all() and (dirty.rho <= 1 - lost / 6 / 400).any()


# ---- checkpoints -----------------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def checkpoint(name: str) -> Path:
    path = Path(name)
    if name == "bomb.pt":
        torch.save({"state_dict": Bomb()}, path)
    elif name == "old-bomb.pt":
        path.write_bytes(pickle.dumps(Bomb()))
    elif name == "other.safetensors":
        save_file({"layer.weight": torch.zeros(10, 3)}, path)
    elif name == "other.pt":
        torch.save(torch.nn.Linear(3, 10).state_dict(), path)
    elif name == "torn.safetensors":
        save_file({"layer.weight": torch.zeros(1000)}, path)
        path.write_bytes(path.read_bytes()[:2000])
    elif name == "torn.pt":
        torch.save({"layer.weight": torch.zeros(1000)}, path)
        path.write_bytes(path.read_bytes()[:2000])
    elif name == "folder.pt":
        path.mkdir()
    elif name != "missing.pt":
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bomb.pt", "objects|code"),
        ("old-bomb.pt", "objects|code"),
        ("other.safetensors", "another architecture"),
        ("other.pt", "another architecture"),
        ("torn.safetensors", "cannot be read"),
        ("torn.pt", "cannot be read"),
        ("empty.pt", "cannot be read"),
        ("empty.safetensors", "cannot be read"),
        ("missing.pt", "no such file"),
        ("folder.pt", "no such file|directory"),
        ("weights.bin", "must end in"),
    ],
)
def test_checkpoints(name: str, words: str) -> None:
    checkpoint(name)
    line = refused("certify", "--model", "mlp", "--images", 2, "--checkpoint", name, "--run-dir", "run")
    assert name in line and re.search(words, line), line
    assert not Path("exploded").exists()


def test_checkpoint_of_another_of_our_models() -> None:
    assert call("train", "--model", "mlp", "--epochs", 1, "--out", "m")[0] == 0
    argv = ("--images", 2, "--checkpoint", "m/weights.safetensors", "--run-dir", "run")
    assert "another architecture" in refused("certify", "--model", "small-cnn", *argv)


def test_checkpoint_with_nan() -> None:
    assert call("train", "--model", "mlp", "--epochs", 1, "--out", "m")[0] == 0
    from safetensors.torch import load_file

    tensors = load_file("m/weights.safetensors")
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    save_file(tensors, "nan.safetensors")
    line = refused(
        "certify", "--model", "mlp", "--images", 2, "--checkpoint", "nan.safetensors", "--run-dir", "run"
    )
    assert "not finite" in line


# ---- data ------------------------------------------------------------------------------------------------


def npz(name: str, **arrays: Any) -> str:
    np.savez(name, **arrays)
    return f"npz:{name}"


def test_nan_pixels() -> None:
    images = np.random.default_rng(0).random((4, 8, 8))
    images[2, 3, 4] = np.nan
    name = npz("nan.npz", images=images, labels=np.arange(4))
    for command in ("certify", "train"):
        line = refused(command, "--dataset", name, "--model", "mlp")
        assert "nan.npz" in line and "finite" in line and "(2, 3, 4)" in line


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b[:-30],
        lambda b: b"",
        lambda b: b"not an archive",
        lambda b: b[100:],
    ],
    ids=["half", "tail", "empty", "text", "head"],
)
def test_truncated_npz(damage: Callable[[bytes], bytes]) -> None:
    name = npz("torn.npz", images=np.zeros((4, 8, 8), dtype=np.uint8), labels=np.arange(4))
    Path("torn.npz").write_bytes(damage(Path("torn.npz").read_bytes()))
    assert "torn.npz" in refused("certify", "--dataset", name, "--model", "mlp")


def test_truncated_idx() -> None:
    write_mnist(Path("mnist"), "t10k", np.zeros((4, 8, 8), dtype=np.uint8), [0, 1, 2, 3], packed=False)
    images = Path("mnist/t10k-images-idx3-ubyte")
    images.write_bytes(images.read_bytes()[:-10])
    assert "t10k-images" in refused("certify", "--dataset", "mnist", "--data-dir", "mnist", "--model", "mlp")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--dataset", "npz:missing.npz"), "missing.npz.*no such file"),
        (("--dataset", "folder:missing"), "missing"),
        (("--dataset", "npz:"), "path"),
        (("--dataset", "imagenet"), "digits.*'imagenet'"),
        (("--dataset", "cifar10", "--data-dir", "."), "cifar10"),
        (("--dataset", "cifar10", "--data-dir", "missing"), "missing"),
    ],
)
def test_missing_data(argv: tuple[str, ...], words: str) -> None:
    line = refused("certify", *argv)
    assert re.search(words, line), line


def test_train_and_test_of_other_shapes() -> None:
    name = npz(
        "odd.npz",
        x_train=np.zeros((4, 8, 8), dtype=np.uint8),
        y_train=np.arange(4),
        x_test=np.zeros((4, 9, 9), dtype=np.uint8),
        y_test=np.arange(4),
    )
    assert "differ" in refused("certify", "--dataset", name)


# ---- run folders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--n", 201), "n was 200 and is 201"),
        (("--n0", 65), "n0 was 64 and is 65"),
        (("--alpha", 0.01), "alpha was 0.001 and is 0.01"),
        (("--seed", 1), "seed was 0 and is 1"),
        (("--sigma", 0.6), "scale was"),
        (("--noise", "gaussian"), "noise was 'uniform' and is 'gaussian'"),
        (("--batch", 50), "batch was 500 and is 50"),
        (("--images", 5), "indices was '0:4:1' and is '0:5:1'"),
        (("--stride", 2), "indices was '0:4:1' and is '0:7:2'"),
        (("--model", "bad_models:SometimesNaN"), "model was 'bad_models:Pixels'"),
    ],
)
def test_run_folder_of_other_settings(finished: Path, change: tuple[object, ...], words: str) -> None:
    line = refused("certify", *PIXELS, *change, "--run-dir", "run")
    assert words in line and "run folder run" in line


def test_a_refusal_comes_before_the_training(finished: Path) -> None:
    """A folder of other settings costs no training first; nor does one that is a file."""
    assert "other settings" in refused("certify", "--model", "mlp", "--epochs", 1, "--run-dir", "run")
    assert "is a file" in refused("certify", "--model", "mlp", "--epochs", 1, "--run-dir", "bad_models.py")


def test_run_folder_that_is_none(finished: Path) -> None:
    assert "is a file" in refused("certify", *PIXELS, "--run-dir", "bad_models.py")
    refused("report", "bad_models.py")
    assert "missing" in refused("report", "missing")
    Path("empty").mkdir()
    assert "config.json" in refused("report", "empty")
    Path("begun").mkdir()
    Path("begun/config.json").write_bytes((finished / "config.json").read_bytes())
    assert "no rows yet" in refused("report", "begun")
    Path("rows").mkdir()
    Path("rows/rows.jsonl").write_bytes((finished / "rows.jsonl").read_bytes())
    assert "no config.json" in refused("certify", *PIXELS, "--run-dir", "rows")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"settings"', b'{"settings": {}}', b'{"settings": 3}', b"\xff\xfe\x00",
     b'{"settings": {"noise": "uniform"}}', b'{"settings": {"noise": 3, "dim": 2, "scale": 1}}'],
)  # fmt: skip
def test_damaged_config(finished: Path, content: bytes) -> None:
    (finished / "config.json").write_bytes(content)
    assert "run" in refused("report", "run")
    assert "run" in refused("certify", *PIXELS, "--run-dir", "run")


def changed(key: str, value: object) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        return json.dumps({**json.loads(line), key: value}, separators=(",", ":")).encode() + b"\n"

    return change


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda line: b"garbage\n", id="garbage"),
        pytest.param(lambda line: b"\n", id="empty"),
        pytest.param(lambda line: b"[]\n", id="list"),
        pytest.param(lambda line: b"7\n", id="number"),
        pytest.param(lambda line: line[:40] + b"\n", id="cut"),
        pytest.param(lambda line: line[:40], id="cut with its end"),
        pytest.param(lambda line: b"\0" * len(line), id="zeros"),
        pytest.param(lambda line: line[:40] + b"\xff" + line[41:], id="no text"),
        pytest.param(lambda line: line.replace(b",", b"\x0c", 1), id="one bit of a comma"),
        pytest.param(lambda line: line[:40] + b"\r" + line[41:], id="carriage return"),
        pytest.param(lambda line: line.replace(b"votes0", b"vote50"), id="another key"),
        pytest.param(changed("votes", [200]), id="too few classes"),
        pytest.param(changed("votes", None), id="no votes"),
        pytest.param(changed("votes", ["20"] * 10), id="votes that are words"),
        pytest.param(changed("votes", [200] + [0] * 8 + [1]), id="a vote too many"),
        pytest.param(changed("votes0", []), id="no selection"),
        pytest.param(changed("n", 100), id="another n"),
        pytest.param(changed("index", "1"), id="an index that is a word"),
        pytest.param(changed("index", 0), id="an image twice"),
    ],
)
def test_damaged_rows(finished: Path, damage: Callable[[bytes], bytes]) -> None:
    """A damaged line in the middle is an error that names the file and the line; nothing is touched."""
    path = finished / "rows.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + damage(lines[1]) + lines[2] + lines[3])
    for argv in (("report", "run"), ("certify", *PIXELS, "--run-dir", "run")):
        line = refused(*argv)
        assert "rows.jsonl" in line and re.search(r"line 2\b", line), line


def test_torn_last_line(finished: Path) -> None:
    """Whatever a crash leaves of the last line, the run is taken up and ends in the same bytes."""
    path = finished / "rows.jsonl"
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for torn in (
        whole[: last + 1],
        whole[: last + 25],
        whole[:-2],
        whole[:-1],
        whole[:last] + b"\0" * 50,
        whole[:9],
        b"",
    ):
        path.write_bytes(torn)
        rows = torn.count(b"\n")
        if rows:
            code, out, err = call("report", "run")
            assert code == 0 and f" {rows} images" in out and path.read_bytes() == torn
        code, _, err = call("certify", *PIXELS, "--run-dir", "run")
        assert code == 0, err
        assert path.read_bytes() == whole
        assert (f"resuming run: {rows} of 4" in err) == (rows > 0)


def test_torn_times(finished: Path) -> None:
    """The file of times may be torn too: the times that were whole stay, and the new one is readable."""
    times, rows = finished / "times.jsonl", finished / "rows.jsonl"
    rows.write_bytes(b"".join(rows.read_bytes().splitlines(keepends=True)[:3]))
    times.write_bytes(times.read_bytes()[:-9])
    assert call("certify", *PIXELS, "--run-dir", "run")[0] == 0
    assert call("report", "run", "--export", "csv", "--out", "run.csv")[0] == 0
    lines = [line.split(",") for line in Path("run.csv").read_text().splitlines()]
    at = lines[0].index("time")
    assert len(lines) == 5 and all(float(line[at]) > 0 for line in lines[1:])


@pytest.mark.parametrize(
    "folder", ["bad_models.py/run", "bad_models.py/a/run", "/proc/nothing/run", "/proc/run"]
)
def test_run_folder_where_nothing_can_be_written(folder: str) -> None:
    line = refused("certify", *PIXELS, "--run-dir", folder)
    assert folder.split("/run")[0] in line
    before = files()
    complaint("train", "--model", "mlp", "--epochs", 1, "--out", folder, progress=True)
    assert files() == before


def test_permission_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", deny)
    assert "Permission denied: run" in refused("certify", *PIXELS, "--run-dir", "run")


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("after", range(7))
def test_full_disk(finished: Path, monkeypatch: pytest.MonkeyPatch, after: int, torn: bool) -> None:
    """The disk fills at any write: one line; the rows that were written stay, and the run can be finished."""
    want, calls, real = (finished / "rows.jsonl").read_bytes(), 0, os.fsync

    def fill(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            if torn:
                os.ftruncate(fd, max(0, os.fstat(fd).st_size - 7))
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", fill)
    assert "No space left" in complaint("certify", *PIXELS, "--run-dir", "full", progress=True)
    monkeypatch.undo()
    with contextlib.chdir(finished.parent):
        rows = Path("full/rows.jsonl").read_bytes() if Path("full/rows.jsonl").exists() else b""
        whole = rows[: rows.rfind(b"\n") + 1]
        assert want.startswith(whole) and whole.count(b"\n") >= (after - 1) // 2
        sys.path.insert(0, str(finished.parent))
        assert call("certify", *PIXELS, "--run-dir", "full")[0] == 0
        sys.path.remove(str(finished.parent))
        assert Path("full/rows.jsonl").read_bytes() == want


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_device_that_is_full(finished: Path) -> None:
    """The kernel's own word for it, met by the file of times, which stands before the row."""
    Path("full").mkdir()
    Path("full/config.json").write_bytes((finished / "config.json").read_bytes())
    Path("full/times.jsonl").symlink_to("/dev/full")
    assert "No space left" in complaint("certify", *PIXELS, "--run-dir", "full", progress=True)
    Path("full/times.jsonl").unlink()
    assert call("certify", *PIXELS, "--run-dir", "full")[0] == 0
    assert Path("full/rows.jsonl").read_bytes() == (finished / "rows.jsonl").read_bytes()


def test_two_writers(finished: Path) -> None:
    before = (finished / "rows.jsonl").read_bytes()
    with (finished / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = refused("certify", *PIXELS, "--run-dir", "run")
        assert "another process" in line and "run folder run" in line
        assert call("report", "run")[0] == 0  # reading is free
    assert (finished / "rows.jsonl").read_bytes() == before
    assert call("certify", *PIXELS, "--run-dir", "run")[0] == 0


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "null", "{}", '{"identity": {}}', '{"identity": {}, "log": 3}']
)
def test_damaged_training_folder(content: str) -> None:
    argv = ("--model", "mlp", "--epochs", 1, "--out", "m")
    assert call("train", *argv)[0] == 0
    Path("m/training.json").write_text(content)
    line = complaint("train", *argv, progress=True)
    assert "m" in line and ("damaged" in line or "other settings" in line)


def test_training_folder_of_other_settings() -> None:
    assert call("train", "--model", "mlp", "--epochs", 1, "--out", "m")[0] == 0
    before = files()
    line = complaint("train", "--model", "mlp", "--epochs", 2, "--out", "m", progress=True)
    assert "epochs" in line and files() == before
    assert "noise" in complaint(
        "train", "--model", "mlp", "--epochs", 1, "--noise", "gaussian", "--out", "m", progress=True
    )
    assert files() == before


# ---- figures and exports ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["curve.txt", "curve", "curve.", ".png/", "", "curve.xlsx", "curve.pgf"])
def test_unreadable_figure_suffix(finished: Path, name: str) -> None:
    before = files()
    for argv in (
        ("radius", "--noise", "gaussian", "--dim", 3, "--plot", name),
        ("report", "run", "--figure", name),
    ):
        if name == "curve.pgf":  # where TeX is installed it is a figure
            code, _, err = call(*argv)
            assert code in (0, 2) and len(err.splitlines()) == 1
        elif name == "":
            code, _, err = call(*argv)
            assert code in (0, 2) and len(err.splitlines()) <= 1
        else:
            assert ".png" in complaint(*argv)
            assert files() == before


def test_figure_where_none_can_be_written(finished: Path) -> None:
    for name in ("bad_models.py/curve.png", "/proc/curve.png"):
        refused("radius", "--noise", "gaussian", "--dim", 3, "--plot", name)
        refused("report", "run", "--figure", name)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--export", "xlsx"), "xlsx"),
        (("--out", "x.csv"), "--out"),
        (("--radii", "-1"), "--radii"),
        (("--radii", "nan"), "--radii"),
        (("--radii", "x"), "--radii"),
        (("--alpha", "0"), "alpha"),
        (("--alpha", "nan"), "alpha"),
        (("--norm", "l9"), "norm"),
        (("--export", "csv", "--out", "missing/x.csv"), "missing/x.csv"),
        (("--export", "parquet", "--out", "missing/x.parquet"), "missing/x.parquet"),
    ],
)
def test_report_options(finished: Path, argv: tuple[str, ...], words: str) -> None:
    assert words in refused("report", "run", *argv)


# ---- as users see it -------------------------------------------------------------------------------------


def test_by_subprocess(here: Path) -> None:
    """What is tested above in one process holds for the process itself."""
    for argv, words in (
        (("smoothing.radius", "--noise", "gausian", "--dim", "3"), "known"),
        (("smoothing.certify", "--dataset", "npz:missing.npz"), "no such file"),
        (("smoothing.report", "missing"), "no run folder"),
    ):
        got = subprocess.run(
            [sys.executable, "-m", *argv],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=here,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (got.returncode, got.stdout) == (2, "")
        assert words in got.stderr and len(got.stderr.splitlines()) == 1
