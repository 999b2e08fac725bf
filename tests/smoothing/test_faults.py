"""Ctrl-C, full disks, folders nobody may write in, two writers, and a hundred kills: one line, and nothing is lost."""

import errno
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command_runs import CERTIFY, TRAIN, TRAINED, call, lines, outcome, settle, start, undisturbed
from marks import slow

from smoothing import parse_noise
from smoothing.voting import Voter

PAGE = 4096


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own, with the model in it."""
    settle(tmp_path, monkeypatch)
    return tmp_path


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def said(path: str = "said.txt") -> str:
    return Path(path).read_text()


def complaint(command: str, *argv: object) -> str:
    """The one line of a refusal, where a bar may stand above it: exit code 2, stdout empty."""
    code, out, err = outcome(command, *argv)
    assert (code, out) == (2, ""), (code, out, err)
    last = err.rstrip("\n").rpartition("\n")[2]
    assert last.startswith(f"smoothing.{command}: error: ") and "Traceback" not in err, err
    return last.partition("error: ")[2]


# ---- Ctrl-C ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [slow(1), 2])
def test_ctrl_c_finishes_the_image(threads: int) -> None:
    """Its row is written, the line says how far it came, and the same command ends in the same bytes."""
    want = undisturbed()
    with Path("said.txt").open("wb") as stream:
        process = start("certify", *CERTIFY, nap=0.2, threads=threads, stderr=stream)
        wait_for(lambda: lines("run/rows.jsonl") >= 1, process)
        rows = lines("run/rows.jsonl")
        time.sleep(0.1)  # in the middle of the next image
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    done = lines("run/rows.jsonl")
    assert rows + 1 <= done < 12
    assert Path("run/rows.jsonl").read_bytes() == b"".join(want.splitlines(keepends=True)[:done])
    assert "\nfinishing this image; Ctrl-C again stops at once\n" in said()
    line = f"smoothing.certify: interrupted with {done} of 12 images done; the same command resumes"
    assert said().splitlines()[-1] == line and "Traceback" not in said()
    assert f"resuming run: {done} of 12" in call("certify", *CERTIFY)[1]
    assert Path("run/rows.jsonl").read_bytes() == want


@pytest.mark.parametrize("threads", [slow(1), 2])
def test_a_second_ctrl_c_stops_at_once(threads: int) -> None:
    """In the middle of an image that would take minutes, whatever the threads are at."""
    want = undisturbed()
    with Path("said.txt").open("wb") as stream:
        process = start("certify", *CERTIFY, nap=60, threads=threads, stderr=stream)
        wait_for(lambda: "certifying" in said(), process)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        wait_for(lambda: "finishing this image" in said(), process, seconds=5)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == -signal.SIGINT
    assert "Traceback" not in said() and lines("run/rows.jsonl") == 0
    call("certify", *CERTIFY)
    assert Path("run/rows.jsonl").read_bytes() == want


def test_ctrl_c_while_it_trains() -> None:
    """Training stops at once and goes on after its last whole epoch."""
    argv = (*TRAIN, "--epochs", 40, "--loss", "stability", "--out")
    with Path("said.txt").open("wb") as stream:
        process = start("train", *argv, "stopped", stderr=stream)
        wait_for(Path("stopped/training.json").exists, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
    done = len(json.loads(Path("stopped/training.json").read_text())["log"])
    assert 1 <= done < 40 and "Traceback" not in said()
    line = f"smoothing.train: interrupted with {done} of 40 epochs done; the same command resumes"
    assert said().splitlines()[-1] == line
    call("train", *argv, "stopped")
    call("train", *argv, "whole")
    for name in TRAINED:
        assert Path("stopped", name).read_bytes() == Path("whole", name).read_bytes()


@pytest.mark.slow
def test_ctrl_c_at_any_moment() -> None:
    """While torch is loaded, data are read, a figure is drawn, Python tidies up: one line, no traceback."""
    dice = random.Random(3)
    for number in range(12):
        with Path("said.txt").open("wb") as stream:
            process = start("certify", *CERTIFY[:-1], f"run-{number}", stderr=stream)
            time.sleep(0.7 + 3 * dice.random())
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=30)
        assert code in (0, 130, -signal.SIGINT) and "Traceback" not in said(), said()
        late = Path(f"run-{number}/certified_accuracy.png").exists()
        assert late or said().splitlines()[-1].endswith("the same command resumes")


def test_threads_do_not_outlive_an_interrupted_count() -> None:
    """Where no command has asked for a gentle stop, counting ends with the blocks in hand."""

    class Slow(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            return x[:, :3].clone()

    voter = Voter(Slow(), parse_noise("uniform", dim=4, sigma=1.0), 3, lanes=2)
    before, begun = threading.active_count(), time.monotonic()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        voter.count(torch.zeros(4), 1_000_000, seed=0, image=0)  # 100 s
    timer.join()
    assert time.monotonic() - begun < 10 and threading.active_count() == before


# ---- a full disk -----------------------------------------------------------------------------------------

FULL = "No space left on device: {}; free space, then the same command resumes"
MANY = ("--model", "resume_model:Pixels", "--images", 100, "--n", 100, "--norms", "l1", "--run-dir")


@pytest.fixture
def disk(here: Path) -> Iterator[Callable[[str], None]]:
    """A file system of its own in ``disk``, mounted anew by its options; only root may mount."""

    def mount(options: str) -> subprocess.CompletedProcess[str]:
        argv = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(here / "disk")]
        return subprocess.run(argv, capture_output=True, text=True)

    (here / "disk").mkdir()
    try:
        mounted = mount(f"size={PAGE}")
    except FileNotFoundError:
        pytest.skip("no mount here")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield lambda options: mount(f"remount,{options}").check_returncode()
    finally:
        os.chdir(here)
        subprocess.run(["umount", "--lazy", str(here / "disk")], check=True)


def test_votes_on_a_disk_that_grows_page_by_page(disk: Callable[[str], None]) -> None:
    """Every file meets the end of the disk in its turn, in the middle of a line too; nothing is lost or doubled."""
    call("certify", *MANY, "whole")
    want = Path("whole/rows.jsonl").read_bytes()
    Path("disk/other").write_bytes(b"\0" * PAGE)  # what fills it to begin with
    met, rows, torn, pages = Counter[str](), 0, 0, 1
    while (found := outcome("certify", *MANY, "disk/run"))[0]:
        line = found[2].splitlines()[-1].partition("error: ")[2]
        named = re.fullmatch(FULL.format(r"disk/run/(\S+)"), line)
        assert found[0] == 2 and found[1] == "" and named, found
        met[named[1]] += 1
        kept = Path("disk/run/rows.jsonl").read_bytes() if Path("disk/run/rows.jsonl").exists() else b""
        whole = kept[: kept.rfind(b"\n") + 1]
        assert want.startswith(whole) and whole.count(b"\n") >= rows
        rows, torn = whole.count(b"\n"), torn + (kept != whole)
        assert not list(Path("disk/run").glob("*.part")), "half a file takes up room"
        pages += 8 if rows == 100 else 1
        disk(f"size={pages * PAGE}")
    assert met.keys() == {"config.json", "times.jsonl", "rows.jsonl", "certified_accuracy.png"}
    assert torn >= 2
    assert Path("disk/run/rows.jsonl").read_bytes() == want


def test_training_on_a_disk_that_grows(disk: Callable[[str], None]) -> None:
    argv = (*TRAIN, "--epochs", 3, "--out")
    call("train", *argv, "whole")
    met, pages = Counter[str](), 40
    disk(f"size={pages * PAGE}")
    while (found := outcome("train", *argv, "disk/model"))[0]:
        line = found[2].splitlines()[-1].partition("error: ")[2]
        named = re.fullmatch(FULL.format(r"disk/model/(\S+)"), line)
        assert found[0] == 2 and found[1] == "" and named, found
        met[named[1]] += 1
        pages += 40
        disk(f"size={pages * PAGE}")
    assert {"epoch-1.weights.safetensors", "epoch-1.momentum.safetensors"} <= met.keys(), met
    for name in TRAINED:
        assert Path("disk/model", name).read_bytes() == Path("whole", name).read_bytes()


FILES = [
    *(("certify", name) for name in ("config.json", "times.jsonl", "rows.jsonl", "certified_accuracy.png")),
    *(("train", name) for name in ("epoch-1.momentum.safetensors", *TRAINED)),
]


@pytest.mark.parametrize(("command", "name"), FILES, ids=lambda value: str(value))
def test_the_line_names_the_file(command: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk that is full for one file alone: its name, what to do, and the same bytes afterwards."""
    argv = (*MANY, "certify") if command == "certify" else (*TRAIN, "--epochs", 2, "--out", "train")
    path, real = Path(command, name), os.fsync

    def fill(descriptor: int) -> None:
        for place in (path, path.with_name(name + ".part")):
            if place.exists() and os.path.samestat(os.fstat(descriptor), place.stat()):
                os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size - 7))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill)
        assert complaint(command, *argv) == FULL.format(path)
    assert not list(Path(command).glob("*.part"))
    call(command, *argv)
    again = [*argv[:-1], "whole"]
    call(command, *again)
    for kept in ("rows.jsonl",) if command == "certify" else TRAINED:
        assert Path(command, kept).read_bytes() == Path("whole", kept).read_bytes()


def test_a_limit_on_file_sizes() -> None:
    """As ulimit -f sets it: the kernel takes half a line and refuses the rest, without any privilege needed."""
    limit = 5000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = start("certify", *MANY, "run", stderr=subprocess.PIPE, preexec_fn=limited)
    _, err = process.communicate(timeout=60)
    line = err.decode().splitlines()[-1].partition("error: ")[2]
    path = re.escape("run/rows.jsonl")
    assert process.returncode == 2 and re.fullmatch(
        rf"File too large: {path}; raise the limit on file sizes \(ulimit -f\), then the same command resumes",
        line,
    ), err
    kept = Path("run/rows.jsonl").read_bytes()
    assert len(kept) == limit and not kept.endswith(b"\n")
    call("certify", *MANY, "whole")
    call("certify", *MANY, "run")
    assert Path("run/rows.jsonl").read_bytes() == Path("whole/rows.jsonl").read_bytes()


# ---- a read-only folder ----------------------------------------------------------------------------------

UNTRAINED = ("--model", "mlp", "--epochs", 1)


def refused_before_training(*argv: object) -> str:
    code, out, err = outcome("certify", *UNTRAINED, *argv)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1, err
    assert not list(Path().glob("runs/models/*")), "a training was begun"
    return err


@pytest.mark.parametrize("folder", ["locked", "locked/new", "locked/new/run"])
def test_a_folder_that_may_not_be_written(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out before the training; as the system would answer anyone but root."""
    Path("locked").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: Path(p).name != "locked" and real(p, mode))
    err = refused_before_training("--run-dir", folder)
    assert f"nothing can be written in {folder}" in err and "locked is read-only" in err
    assert "give another folder" in err
    assert "locked is read-only" in complaint("train", *UNTRAINED, "--out", folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write in any folder, whatever its permissions")
def test_a_folder_without_permission() -> None:
    Path("locked").mkdir(mode=0o555)
    assert "locked is read-only" in refused_before_training("--run-dir", "locked/run")
    assert "locked is read-only" in complaint("train", *UNTRAINED, "--out", "locked")


def test_a_disk_mounted_read_only(disk: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may not write there either: as the run folder, as the place of runs/, as that of a model."""
    disk("ro")
    assert "disk is read-only" in refused_before_training("--run-dir", "disk/run")
    assert "disk is read-only" in complaint("train", *UNTRAINED, "--out", "disk/model")
    monkeypatch.chdir("disk")
    assert "nothing can be written in runs:" in refused_before_training()


# ---- two runs on one folder ------------------------------------------------------------------------------


def test_a_second_process_is_refused() -> None:
    """One clear line and exit code 2, at once; the first goes on as if nothing had been."""
    want = undisturbed()
    first = start("certify", *CERTIFY, nap=0.3)
    wait_for(lambda: lines("run/rows.jsonl") >= 1, first)
    second = start("certify", *CERTIFY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = second.communicate(timeout=60)
    assert first.poll() is None
    assert (second.returncode, out) == (2, b"")
    assert err.decode() == (
        "smoothing.certify: error: another process is writing run folder run; wait for it, or give another folder\n"
    )
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=60) == 130
    call("certify", *CERTIFY)
    assert Path("run/rows.jsonl").read_bytes() == want


# ---- killed at random moments ----------------------------------------------------------------------------

JOB = ("--model", "mlp", "--epochs", 12, "--images", 30, "--n", 20_000, "--run-dir", "run")


def job(folder: Path) -> subprocess.Popen[bytes]:
    """From nothing: a network is trained, and certified. It ends with a row for each of 30 images, and a figure."""
    folder.mkdir(exist_ok=True)
    return start("certify", *JOB, cwd=folder)


def epochs(folder: Path) -> int:
    """Whole epochs of the network's training, as the JSON that puts them in force has it."""
    found = [json.loads(p.read_bytes()) for p in folder.glob("runs/models/*/training.json")]
    return len(found[0]["log"]) if found else 0


def phase(folder: Path) -> str:
    """How far a killed run had come."""
    if lines(folder / "run/rows.jsonl") == 30:
        return "drawing"
    if (folder / "run").exists():
        return "voting"
    return "training" if (folder / "runs").exists() else "starting"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments(seed: int, here: Path) -> None:
    """25 kills: some at any moment from the start on, some soon after the next epoch or row. Then the same bytes.

    A run that came to its end is compared, and another one begun.
    """
    dice, kills, number = random.Random(seed), Counter[str](), 0
    begun = time.monotonic()
    assert job(here / "whole").wait(timeout=120) == 0
    usual = time.monotonic() - begun
    want = (here / "whole/run/rows.jsonl").read_bytes()
    settings = json.loads((here / "whole/run/config.json").read_text())["settings"]
    [model] = (here / "whole/runs/models").iterdir()
    assert want.count(b"\n") == 30

    def check(folder: Path) -> None:
        assert (folder / "run/rows.jsonl").read_bytes() == want
        assert json.loads((folder / "run/config.json").read_text())["settings"] == settings
        for name in TRAINED:
            assert (folder / "runs/models" / model.name / name).read_bytes() == (model / name).read_bytes()

    while kills.total() < 25:
        folder = here / f"killed-{number}"
        process, progress = job(folder), dice.random() < 0.6

        def count(folder: Path = folder) -> int:
            return epochs(folder) + lines(folder / "run/rows.jsonl")

        goal, deadline = count() + dice.randrange(1, 5), time.monotonic() + 60
        while progress and count() < goal and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(dice.random() * (0.05 if progress else usual))
        process.kill()
        if process.wait() == -signal.SIGKILL:
            kills[phase(folder)] += 1
            rows = folder / "run/rows.jsonl"
            kept = rows.read_bytes() if rows.exists() else b""
            assert want.startswith(kept[: kept.rfind(b"\n") + 1])
        else:
            assert process.returncode == 0
            check(folder)
            number += 1
    folder = here / f"killed-{number}"
    assert job(folder).wait(timeout=120) == 0
    check(folder)
    assert kills["training"] and kills["voting"], kills
    print(f"seed {seed}: {dict(kills)}, {number + 1} runs", file=sys.stderr)
