"""Workers of Ray: the same bytes as the local run, whoever is killed; what can go wrong is one line."""

import contextlib
import importlib
import io
import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from geometry.cli import run
from geometry.errors import InputError
from smoothing.certify import parser, workers

ROOT = Path(__file__).parents[2]

MODEL = '''
import os, signal, time
from pathlib import Path
import torch
from torch import nn

class Pixels(nn.Module):
    """The class is the largest of the first ten pixels, after a nap, so that a kill hits it.

    A file deadly-K in the folder ends K processes that vote (not the one that tries the model on two images).
    """
    def forward(self, x):
        time.sleep(float(os.environ.get("NAP", "0")))
        if len(x) > 2 and Path("parent").exists() and Path("parent").read_text() != str(os.getpid()):
            for left in sorted(Path().glob("deadly-*")):
                try:
                    left.unlink()
                except FileNotFoundError:
                    continue  # another process died of it
                os.kill(os.getpid(), signal.SIGKILL)
        if Path("raise").exists() and len(x) > 2:
            raise RuntimeError("too tired")
        return x.flatten(1)[:, :10].clone()

class Locked(Pixels):
    """Cannot be sent anywhere."""
    def __init__(self):
        super().__init__()
        import threading
        self.lock = threading.Lock()
'''

CERTIFY = ("--model", "cluster_model:Pixels", "--images", 12, "--n", 2000, "--norms", "l1")
DIGITS = ("--images", 6, "--n", 2000, "--epochs", 1, "--norms", "l1")


def call(*argv: object) -> str:
    """Stderr of a certification, in this process."""
    main = importlib.import_module("smoothing.certify").main
    err = io.StringIO()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        run(lambda: main([str(a) for a in argv]), "smoothing.certify")
    return f"{end.value.code or 0} {err.getvalue()}"


def rows(folder: str) -> bytes:
    path = Path(folder) / "rows.jsonl"
    return path.read_bytes() if path.exists() else b""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own, with the model in it."""
    (tmp_path / "cluster_model.py").write_text(MODEL)
    (tmp_path / "parent").write_text(str(os.getpid()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "cluster_model", raising=False)
    return tmp_path


needs_ray = pytest.mark.usefixtures("ray")


@pytest.fixture
def ray() -> None:
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")


# ---- options and what is missing -------------------------------------------------------------------------


def test_workers_are_a_number_or_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert workers("3") == 3 and workers("ray://head:10001") == "ray://head:10001"
    assert parser().parse_args([]).workers is None
    for bad in ("0", "-1", "two", "http://head"):
        with pytest.raises(SystemExit):
            parser().parse_args(["--workers", bad])


def test_without_the_option_ray_is_not_imported() -> None:
    code = (
        "import sys; from smoothing.certify import main; main(sys.argv[1:])\n"
        "assert 'ray' not in sys.modules and 'smoothing.cluster' not in sys.modules"
    )
    argv = [*map(str, CERTIFY), "--run-dir", "run"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), "."))}
    subprocess.run([sys.executable, "-c", code, *argv], check=True, env=env, stdout=subprocess.DEVNULL)


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    got = call(*CERTIFY, "--run-dir", "run", "--workers", 2)
    assert got.startswith("2 ") and len(got.splitlines()) == 1
    assert "pip install 'smoothing-shapes[cluster]'" in got and not Path("run").exists()


@needs_ray
def test_a_model_that_cannot_be_sent_is_one_line() -> None:
    from smoothing.cluster import Job, _put
    from smoothing.counting import Plan
    from smoothing.noises import parse_noise

    class Store:
        def put(self, value: object) -> None:
            from ray import cloudpickle

            cloudpickle.dumps(value)

    model = importlib.import_module("cluster_model").Locked()
    job = Job(model, parse_noise("uniform", dim=64, sigma=0.5), 10, 100, "cpu", Plan(64, 100, 0))
    with pytest.raises(InputError, match="cannot be sent to workers"):
        _put(Store(), job)


@needs_ray
@pytest.mark.parametrize("late", [2, 3])
def test_a_machine_too_busy_to_start_ray_is_asked_again(
    late: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray waits half a minute for its own processes, and raises a bare Exception; the third time it is an error."""
    from smoothing import cluster

    class Busy:
        calls = 0

        def init(self, **_: object) -> None:
            self.calls += 1
            if self.calls <= late:
                raise Exception("The current node timed out during startup. This could happen because ...")

        def shutdown(self) -> None: ...

        def cluster_resources(self) -> dict[str, int]:
            return {"CPU": 2}

    busy = Busy()
    monkeypatch.setattr(cluster, "import_ray", lambda: busy)
    if late < 3:
        with cluster.connected(2, "cpu") as (ray, number):
            assert ray is busy and number == 2
    else:
        with pytest.raises(InputError, match="timed out during startup"), cluster.connected(2, "cpu"):
            pass
    assert busy.calls == 3
    assert capsys.readouterr().err.count("once more") == 2


@needs_ray
def test_a_cluster_may_have_the_gpu_that_the_driver_lacks() -> None:
    import torch

    from smoothing.settings import at_home, pick_device

    if torch.cuda.is_available():
        pytest.skip("this driver has one")
    device = pick_device("cuda", elsewhere=True)
    assert device.type == "cuda" and at_home(device).type == "cpu"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"ray://127.0.0.1:{server.getsockname()[1]}"
        got = call(*CERTIFY, "--device", "cuda", "--batch", "auto", "--workers", address)
    assert got.startswith("2 ") and "only the cluster has" in got
    got = call(*CERTIFY, "--device", "cuda", "--workers", 2)
    assert got.startswith("2 ") and "no CUDA device is available here" in got


@needs_ray
@pytest.mark.slow
def test_a_worker_on_a_gpu_needs_one() -> None:
    from smoothing.cluster import connected

    with pytest.raises(InputError, match="a worker takes a GPU, and Ray found"), connected(99, "cuda"):
        pass
    with (
        pytest.raises(InputError, match="Ray does not start or answer"),
        connected("ray://127.0.0.1:9", "cpu"),
    ):
        pass


@needs_ray
def test_what_cannot_start_is_said_before_anything_takes_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself tries for half a minute, and a cluster that is gone but still noted on disk holds it for ever."""
    gone = ("--run-dir", "never")
    assert "nothing answers at 127.0.0.1:9 " in call(*CERTIFY, *gone, "--workers", "ray://127.0.0.1:9")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")
    assert "nothing answers at 127.0.0.1:9 " in call(*CERTIFY, *gone, "--workers", "ray://auto")
    got = call(*CERTIFY, *gone, "--workers", 100_000)
    assert got.startswith("2 ") and "this machine has" in got
    assert not Path("never").exists()


@needs_ray
@pytest.mark.parametrize(
    ("model", "shape"), [("small-cnn", (1, 8, 8)), ("cifar-resnet20", (3, 16, 16)), ("linear", (3, 112, 112))]
)
def test_units_of_a_worker_add_up_to_the_votes_of_the_image(model: str, shape: tuple[int, ...]) -> None:
    """Through the bytes in which Ray sends a model, in a layout that noise is added in."""
    from ray import cloudpickle

    from smoothing.batching import lay_out
    from smoothing.cluster import Job, Worker
    from smoothing.counting import Plan, count_here
    from smoothing.models import build_model
    from smoothing.noises import parse_noise
    from smoothing.units import Deal
    from smoothing.voting import Voter

    network = build_model(model, shape, 10).eval()
    lay_out(network, shape)
    noise = parse_noise("exp-l2:k=2", dim=math.prod(shape), sigma=0.3)
    plan = Plan(70, 730, seed=5)
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    (want,) = count_here(Voter(network, noise, 10), [3], lambda i: x, plan)
    worker = Worker()
    worker.begin(cloudpickle.loads(cloudpickle.dumps(Job(network, noise, 10, None, "cpu", plan))))
    deal = Deal([3], n0=plan.n0, n=plan.n, block=plan.block(noise.dim, "cpu"), workers=50)
    units = list(iter(deal.take, None))
    for unit in reversed(units):
        deal.done(unit, worker.count(unit, x))
    (got,) = deal.in_turn()
    assert len(units) > 1
    for a, b in ((want.votes0, got.votes0), (want.votes, got.votes)):
        assert a.counts.tolist() == b.counts.tolist() and (a.n, a.invalid) == (b.n, b.invalid)


# ---- the same rows ---------------------------------------------------------------------------------------


@needs_ray
def test_a_worker_killed_in_the_middle_costs_nothing() -> None:
    """A trained model votes on two workers, of which one dies in its first unit."""
    call(*CERTIFY, "--run-dir", "local")
    Path("deadly-1").touch()
    got = call(*CERTIFY, "--run-dir", "ray", "--workers", 2)
    assert got.startswith("0 ") and not Path("deadly-1").exists(), got
    assert rows("ray").count(b"\n") == 12 and rows("ray") == rows("local")
    config = [(Path(run) / "config.json").read_text() for run in ("local", "ray")]
    assert config[0] == config[1]


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("bad", [0, 5])
def test_an_image_that_cannot_be_read_costs_no_row_before_it(bad: int) -> None:
    from smoothing.cluster import Job, counting_on
    from smoothing.counting import Plan
    from smoothing.models import build_model
    from smoothing.noises import parse_noise

    network, noise = build_model("linear", (1, 8, 8), 10).eval(), parse_noise("uniform", dim=64, sigma=0.3)
    job, seen = Job(network, noise, 10, None, "cpu", Plan(10, 500, seed=5)), []

    def load(i: int) -> np.ndarray:
        if i == bad:
            raise InputError(f"image {i} is damaged")
        return np.zeros((1, 8, 8), dtype=np.float32)

    with (
        pytest.raises(InputError, match=f"image {bad} is damaged"),
        counting_on(2, job, list(range(8)), load) as counted,
    ):
        for image in counted:
            seen.append(image.image)
    assert seen == list(range(bad))


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [(), ("--until", "radius=0.1", "norm=l1"), ("--noise", "exp-l2:k=1", "--batch", 7)]
)
def test_a_trained_network_votes_the_same(more: tuple[object, ...]) -> None:
    call(*DIGITS, *more, "--run-dir", "local")
    got = call(*DIGITS, *more, "--run-dir", "ray", "--workers", 2)
    assert got.startswith("0 "), got
    assert rows("ray").count(b"\n") == 6 and rows("ray") == rows("local")


@needs_ray
@pytest.mark.slow
def test_a_stopped_driver_leaves_what_another_resumes() -> None:
    """Killed with its workers, interrupted, then finished: once on workers, once without."""
    call(*CERTIFY, "--run-dir", "local")
    want = rows("local")
    for end, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        driver = subprocess.Popen(
            [sys.executable, "-m", "smoothing.certify", *map(str, CERTIFY), "--run-dir", "run", "--workers", "2"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), ".")), "NAP": "0.2"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        before, deadline = rows("run").count(b"\n"), time.monotonic() + 60
        while rows("run").count(b"\n") < before + 2:
            assert time.monotonic() < deadline and driver.poll() is None
            time.sleep(0.01)
        os.killpg(driver.pid, end)
        _, err = driver.communicate(timeout=60)
        assert driver.returncode == code
        assert (end == signal.SIGKILL) or b"the same command resumes" in err
        kept = rows("run")
        assert want.startswith(kept[: kept.rfind(b"\n") + 1]) and before < kept.count(b"\n") < 12
    got = call(*CERTIFY, "--run-dir", "run", "--workers", 2)
    assert "resuming run" in got and rows("run") == want


@needs_ray
@pytest.mark.slow
def test_a_unit_that_ends_its_workers_and_one_that_raises_are_one_line() -> None:
    for number in range(9):
        Path(f"deadly-{number}").touch()
    argv = (*CERTIFY, "--n", 250, "--images", 1, "--run-dir", "run", "--workers", 1)
    got = call(*argv)
    assert got.startswith("2 ") and "image 0: 3 workers in a row ended" in got, got
    for left in Path().glob("deadly-*"):
        left.unlink()
    Path("raise").touch()
    assert "too tired" in call(*argv) and rows("run") == b""
    Path("raise").unlink()
    assert call(*argv).startswith("0 ") and rows("run").count(b"\n") == 1
