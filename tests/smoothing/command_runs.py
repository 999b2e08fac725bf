"""Commands run in this process or as processes of their own, on a model that can be slowed down."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geometry.cli import run
from smoothing.data import load_dataset

ROOT = Path(__file__).parents[2]

MODEL = '''
import os, time
import torch
from torch import nn

class Pixels(nn.Module):
    """The class is the largest of the first ten pixels; $NAP seconds a forward pass, so that a kill hits it."""
    def __init__(self):
        super().__init__()
        self.nap = float(os.environ.get("NAP", "0"))

    def forward(self, x):
        if len(x) > 2:  # not the probe
            time.sleep(self.nap)
        return x.flatten(1)[:, :10].clone()
'''

CERTIFY = ("--model", "resume_model:Pixels", "--images", 12, "--n", 2000, "--norms", "l1", "--run-dir", "run")
TRAIN = ("--dataset", "npz:few.npz", "--model", "mlp", "--noise", "laplace", "--sigma", 0.3)
TRAINED = ("training.json", "loss.jsonl", "weights.safetensors")


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the folder the working directory, with the model and a few images in it."""
    (folder / "resume_model.py").write_text(MODEL)
    digits = load_dataset("digits", split="train")
    np.savez(folder / "few.npz", images=digits.images(range(300)), labels=digits.labels[:300])
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "resume_model", raising=False)


def outcome(command: str, *argv: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, run in this process."""
    main = importlib.import_module(f"smoothing.{command}").main
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        run(lambda: main([str(a) for a in argv]), f"smoothing.{command}")
    code = end.value.code
    return (code if isinstance(code, int) else 0), out.getvalue(), err.getvalue()


def call(command: str, *argv: object) -> tuple[str, str]:
    """Stdout and stderr of a command that succeeds, run in this process."""
    code, out, err = outcome(command, *argv)
    assert code == 0, err
    return out, err


def start(
    command: str, *argv: object, nap: float = 0.0, threads: int = 1, **options: Any
) -> subprocess.Popen[bytes]:
    """The command as a process of its own; it says nothing unless ``options`` of Popen give it a stream."""
    return subprocess.Popen(
        [sys.executable, "-m", f"smoothing.{command}", *map(str, argv)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads), "NAP": str(nap)},
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options},
    )


def lines(path: str | Path) -> int:
    return Path(path).read_bytes().count(b"\n") if Path(path).exists() else 0


def undisturbed() -> bytes:
    """The rows of the run that nobody disturbed."""
    call("certify", *CERTIFY, "--run-dir", "whole")
    return Path("whole/rows.jsonl").read_bytes()
