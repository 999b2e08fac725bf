"""Killed and started again: the same bytes as a run that nobody disturbed."""

import contextlib
import importlib
import io
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_runs import CERTIFY, TRAIN, TRAINED, call, lines, settle, start, undisturbed

from geometry.errors import InputError
from smoothing import certify, parse_noise
from smoothing.data import load_dataset
from smoothing.voting import ESTIMATION, SELECTION, Voter


class Crash(BaseException):
    """Stands for the end of the process: nothing in the library catches it."""


def kill_when(process: subprocess.Popen[bytes], ready: Callable[[], bool], delay: float = 0.0) -> bool:
    """SIGKILL, ``delay`` seconds after ``ready``; whether it came before the end of the process."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not ready():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def contents(folder: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir())}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own, with the model in it."""
    settle(tmp_path, monkeypatch)
    return tmp_path


# ---- certification ---------------------------------------------------------------------------------------


def test_killed_once() -> None:
    want = undisturbed()
    assert kill_when(start("certify", *CERTIFY, nap=0.02), lambda: lines("run/rows.jsonl") >= 3)
    kept = Path("run/rows.jsonl").read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    rows = whole.count(b"\n")
    assert want.startswith(whole) and 3 <= rows < 12
    _, err = call("certify", *CERTIFY)
    assert f"resuming run: {rows} of 12 images" in err
    assert Path("run/rows.jsonl").read_bytes() == want


@pytest.mark.slow
def test_killed_again_and_again() -> None:
    """At random moments, before the first row too; a report may be read at any of them."""
    want, dice, kills = undisturbed(), random.Random(1), 0
    for _ in range(8):
        rows = lines("run/rows.jsonl") + dice.choice([0, 1, 1, 2])
        process = start("certify", *CERTIFY, nap=0.03)
        started = time.monotonic()

        def ready(rows: int = rows, started: float = started) -> bool:
            return lines("run/rows.jsonl") >= rows and time.monotonic() > started + 0.5

        kills += kill_when(process, ready, dice.random() * 0.15)
        kept = Path("run/rows.jsonl").read_bytes() if Path("run/rows.jsonl").exists() else b""
        assert want.startswith(kept[: kept.rfind(b"\n") + 1])
        if b"\n" in kept:
            call("report", "run")
    assert kills >= 5
    process = start("certify", *CERTIFY, "--json")
    assert process.wait(timeout=60) == 0
    assert Path("run/rows.jsonl").read_bytes() == want
    assert not list(Path("run").glob("*.part"))


def crashing(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """End the process at the ``at``-th step that touches the disk, before it (even) or after it (odd)."""
    steps: list[str] = []

    def wrap(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def step(*args: Any, **options: Any) -> Any:
            steps.append(name)
            if len(steps) == at // 2 + 1 and at % 2 == 0:
                raise Crash
            result = real(*args, **options)
            if len(steps) == at // 2 + 1:
                raise Crash
            return result

        monkeypatch.setattr(owner, name, step)

    wrap(os, "fsync")
    for name in ("replace", "unlink", "mkdir"):
        wrap(Path, name)
    return steps


def crash_everywhere(
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    argv: Callable[[str], tuple[object, ...]],
    check: Callable[[str], None],
) -> int:
    """Crash at each step that touches the disk in turn, run the command again, check; the number of steps."""
    main, at, faults = importlib.import_module(f"smoothing.{command}").main, 0, []
    while True:
        folder, crashed, quiet = f"{command}-{at}", False, io.StringIO()
        with (
            monkeypatch.context() as patch,
            contextlib.redirect_stdout(quiet),
            contextlib.redirect_stderr(quiet),
        ):
            steps = crashing(patch, at)
            try:
                main([str(a) for a in argv(folder)])
            except Crash:
                crashed = True
        try:
            call(command, *argv(folder))
            check(folder)
        except AssertionError as error:
            fault = str(error).strip().splitlines()[0]
            faults.append(f"crash {'after' if at % 2 else 'before'} step {len(steps)}, {steps[-1]}: {fault}")
        if not crashed:
            assert not faults, "\n".join(faults)
            return at // 2
        at += 1


def test_certify_crashes_at_every_write(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ("--model", "resume_model:Pixels", "--images", 2, "--n", 100, "--norms", "l1", "--run-dir")
    call("certify", *argv, "whole")
    want = contents("whole")

    def check(folder: str) -> None:
        assert (Path(folder) / "rows.jsonl").read_bytes() == want["rows.jsonl"]
        assert json.loads((Path(folder) / "config.json").read_text()) == json.loads(want["config.json"])
        call("report", folder)

    assert crash_everywhere(monkeypatch, "certify", lambda folder: (*argv, folder), check) >= 5


def test_finished_certification_changes_nothing() -> None:
    undisturbed()
    before = contents("whole")
    out, err = call("certify", *CERTIFY, "--run-dir", "whole")
    assert contents("whole") == before
    assert "all votes were there" in out and "resuming" not in err
    found = json.loads(call("certify", *CERTIFY, "--run-dir", "whole", "--json", "--norms", "l2")[0])
    assert found["images"] == 12 and found["samples_per_second"] == 0
    assert (Path("whole") / "rows.jsonl").read_bytes() == before["rows.jsonl"]


def test_rows_are_the_votes_of_the_public_voter() -> None:
    rows = [json.loads(line) for line in undisturbed().decode().splitlines()]
    from resume_model import Pixels  # type: ignore[import-not-found]  # written by the fixture

    data = load_dataset("digits")
    voter = Voter(Pixels(), parse_noise("uniform", dim=64, sigma=0.5), 10)
    for row in rows:
        x = torch.from_numpy(data.images([row["index"]])[0])
        for stage, n, votes in ((SELECTION, 64, row["votes0"]), (ESTIMATION, 2000, row["votes"])):
            assert voter.count(x, n, seed=0, image=row["index"], stage=stage).counts.tolist() == votes


def votes(folder: str) -> list[list[int]]:
    return [json.loads(line)["votes"] for line in Path(folder, "rows.jsonl").read_text().splitlines()]


def test_batch_does_not_change_the_votes() -> None:
    for batch in (7, 100, 1000):
        call("certify", *CERTIFY, "--batch", batch, "--run-dir", f"b{batch}")
    assert votes("b7") == votes("b100") == votes("b1000")


def test_order_and_choice_of_images_do_not_change_the_votes() -> None:
    """Image 9 has the same votes in every run that certifies it."""
    undisturbed()
    call("certify", *CERTIFY, "--images", 3, "--stride", 3, "--skip", 3, "--run-dir", "some")
    assert votes("some") == [votes("whole")[i] for i in (3, 6, 9)]


def test_more_samples_extend_fewer() -> None:
    """n = 1000 and n = 1500 are the first samples of n = 2000: recounted one by one."""
    for n in (1000, 1500, 2000):
        call("certify", *CERTIFY, "--n", n, "--run-dir", f"n{n}")
    data, noise = load_dataset("digits"), parse_noise("uniform", dim=64, sigma=0.5)
    winners: list[int] = []

    class Recording(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = x.flatten(1)[:, :10].clone()
            winners.extend(logits.argmax(1).tolist())
            return logits

    for i in range(12):
        winners.clear()
        Voter(Recording(), noise, 10, batch=33).count(
            torch.from_numpy(data.images([i])[0]), 2000, seed=0, image=i
        )
        for n in (1000, 1500, 2000):
            assert np.bincount(winners[:n], minlength=10).tolist() == votes(f"n{n}")[i]


@pytest.mark.slow
def test_two_processes_on_one_folder() -> None:
    """Started at the same time: one is refused or finds all done, and the rows are those of one run."""
    want = undisturbed()
    both = [start("certify", *CERTIFY, nap=0.02) for _ in range(2)]
    codes = sorted(p.wait(timeout=60) for p in both)
    assert codes in ([0, 0], [0, 2])
    assert Path("run/rows.jsonl").read_bytes() == want


# ---- training --------------------------------------------------------------------------------------------


def test_training_crashes_at_every_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs, ended at every step that touches the disk: the next start ends in the same bytes."""
    argv = (*TRAIN, "--epochs", 2, "--out")
    call("train", *argv, "whole")
    want = {name: Path("whole", name).read_bytes() for name in TRAINED}

    def check(folder: str) -> None:
        for name in TRAINED:
            assert Path(folder, name).exists(), f"no {name}"
            assert Path(folder, name).read_bytes() == want[name], f"another {name}"

    assert crash_everywhere(monkeypatch, "train", lambda folder: (*argv, folder), check) >= 10


def test_training_leaves_only_its_results() -> None:
    """Checkpoints of an epoch take as much room as the weights: none stays."""
    argv = (*TRAIN, "--epochs", 2, "--out")
    call("train", *argv, "whole")
    assert sorted(contents("whole").keys() - {".lock"}) == sorted(TRAINED)


@pytest.mark.slow
def test_training_killed_once() -> None:
    argv = (*TRAIN, "--epochs", 40, "--loss", "stability", "--out")
    process = start("train", *argv, "killed")
    assert kill_when(process, lambda: Path("killed/training.json").exists())
    done = len(json.loads(Path("killed/training.json").read_text())["log"])
    assert 1 <= done < 40
    call("train", *argv, "killed")
    call("train", *argv, "whole")
    for name in TRAINED:
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "small-cnn"])
def test_training_killed_again_and_again(model: str) -> None:
    """Momentum, batch statistics and the learning rate go on as if nothing had happened."""
    argv = (*TRAIN, "--model", model, "--epochs", 200 if model == "mlp" else 6, "--out")
    dice, kills = random.Random(2), 0

    def epochs() -> int:
        try:
            return len(json.loads(Path("killed/training.json").read_text())["log"])
        except FileNotFoundError:
            return 0

    for _ in range(4 if model == "mlp" else 3):
        process, goal = start("train", *argv, "killed"), epochs() + dice.choice([0, 1])
        kills += kill_when(
            process, lambda goal=goal: epochs() >= goal, 1.5 * (goal == epochs()) + 0.2 * dice.random()
        )
    assert kills >= 2
    assert start("train", *argv, "killed").wait(timeout=120) == 0
    assert start("train", *argv, "whole").wait(timeout=120) == 0
    for name in TRAINED:
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes()


def test_finished_training_changes_nothing() -> None:
    argv = (*TRAIN, "--epochs", 2, "--out", "m")
    first, _ = call("train", *argv)
    before = contents("m")
    second, err = call("train", *argv)
    assert contents("m") == before and second == first
    assert "trained before" in err


def test_training_is_a_function_of_its_seed() -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        call("train", *TRAIN, "--epochs", 1, "--seed", seed, "--out", name)
    a, b, c = (Path(name, "weights.safetensors").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.slow
def test_the_main_job_killed_while_it_trains() -> None:
    """From nothing: the cached training is taken up, and certification follows."""
    argv = (*TRAIN, "--epochs", 60, "--images", 2, "--n", 100, "--norms", "l1", "--json")

    def begun() -> bool:
        return bool(list(Path("runs/models").glob("*/training.json")))

    assert kill_when(start("certify", *argv), begun)
    assert not list(Path("runs/models").glob("*/weights.safetensors"))
    found = json.loads(call("certify", *argv)[0])
    assert found["images"] == 2
    assert len(list(Path("runs/models").glob("*/weights.safetensors"))) == 1


@pytest.mark.slow
def test_two_runs_share_a_training() -> None:
    """Two certifications that differ in n train the same network, in one folder, at the same time."""
    argv = (*TRAIN, "--epochs", 60, "--images", 2, "--norms", "l1")
    for attempt in range(3):
        both = [start("certify", *argv, "--seed", attempt, "--n", n) for n in (100, 101)]
        codes = [p.wait(timeout=120) for p in both]
        assert codes == [0, 0]


@pytest.mark.parametrize("option", [("--until", "width=0.2"), ("--randomized",), ("--precision", "bf16")])
def test_an_option_that_is_left_out_is_another_setting(option, tmp_path, monkeypatch, capsys):
    """Its rows must not be continued with rows of another kind, in either direction."""
    monkeypatch.chdir(tmp_path)
    command = ["--images", "2", "--n", "200", "--epochs", "1", "--model", "mlp", "--norm", "l1", "--json"]
    for first, second in (((), option), (option, ())):
        folder = str(tmp_path / f"run{len(first)}")
        certify.main([*command, *first, "--run-dir", folder])
        with pytest.raises(InputError, match=option[0].removeprefix("--")):
            certify.main([*command, *second, "--run-dir", folder])
