"""The benchmarks run and report what they measured; no test holds a time against a clock."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

from benchmarks import geometry, geometry_tasks, radii, report, scaling, scaling_costs, stopping, worker
from benchmarks.cells import DIMS, differential_cells, level_set_cells, single_cells
from benchmarks.radii import _run, parser
from benchmarks.results import write_section
from benchmarks.scaling_simulation import Costs, Work, bottleneck, simulate
from benchmarks.training import NOISES
from smoothing import parse_noise
from smoothing.methods import differential
from smoothing.profiles.base import reciprocal_integral

ROOT = Path(__file__).parents[1]


def run(*argv, command="benchmarks.radii"):
    return subprocess.run([sys.executable, "-m", command, *argv], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_a_quick_run_prints_the_ratios():
    done = run("--quick")
    assert done.returncode == 0, done.stderr
    assert "× low d" in done.stdout and "rs4a cold" not in done.stdout
    ratios = [line for line in done.stdout.splitlines() if str(DIMS[1]) in line and "exp-" in line]
    assert len(ratios) == 4  # a level-set table, a differential table, a single radius of either
    for title in ("Level-set tables: 300 radii", "Differential tables: 3000 radii", "Single radii"):
        assert title in done.stdout


@pytest.mark.parametrize(
    "argv, complaint",
    [
        (["--rs4a", "nowhere"], "no src/noises/noises.py"),
        (["--quick", "--write"], "whole runs"),
        (["--only", "nothing-like-it"], "no noise of a row"),
        (["--peer-seconds", "0"], "positive"),
    ],
)
def test_bad_input_is_one_line(argv, complaint):
    done = run(*argv)
    assert done.returncode == 2 and complaint in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_single_radius_is_the_median_over_processes(monkeypatch):
    times = iter([9.0, 2.0, 1.0] * 2)
    rest = {"cold_s": [5.0], "warm_s": [5.0], "probes": [1.0] * len(worker.PROBES)}
    monkeypatch.setattr(radii, "_run", lambda job: {"first_s": next(times), **rest})
    rows = radii.measure(parser().parse_args(["--only", "uniform", "--repetitions", "3"]))
    assert [row["ours"]["first_s"] for row in rows] == [2.0, 2.0]


def test_defaults():
    args = parser().parse_args([])
    assert args.repetitions == 5 and args.rs4a is None and not args.write


@pytest.mark.parametrize("dim", DIMS)
def test_every_cell_is_a_noise(dim):
    for cell in level_set_cells(dim) + differential_cells(dim) + single_cells(dim):
        assert parse_noise(cell.noise, dim=dim, scale=1).dim == dim


def test_the_grid_ends_at_one_minus_1e_9():
    rho = worker.grid(300)
    assert len(rho) == 300 and rho == sorted(rho) and rho[0] > 0.5
    assert 1 - rho[-1] == pytest.approx(1e-9, rel=0.02)  # Φ_N(-6) = 9.866e-10


def test_emptied_caches_build_again(monkeypatch):
    built = []
    make = differential.ReciprocalIntegral.__init__
    monkeypatch.setattr(
        differential.ReciprocalIntegral,
        "__init__",
        lambda self, *a, **k: (built.append(1), make(self, *a, **k))[1],
    )
    profile = parse_noise("exp-linf:k=2", dim=7, scale=1).profile
    for _ in range(2):
        reciprocal_integral(profile)
        reciprocal_integral(profile)
        worker.empty_caches()
    assert len(built) == 2


# A stand-in with the peer's interface: what it does is known, so that what is reported of it can be checked.
STAND_IN = """
import sys, time
class ExpInf:
    def __init__(self, dim, lambd, k): self.linf_rho = None
    def certify_linf(self, prob_lb):
        import numpy, torch
        assert prob_lb.dtype == torch.float
        BODY
        self.linf_rho = numpy.array([0.5, 0.7, 0.6])
        return 0 * prob_lb + 0.25
"""


def peer(tmp_path, body, budget=30.0, head=""):
    folder = tmp_path / "src" / "noises"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(head + STAND_IN.replace("BODY", body))
    cell = next(c for c in differential_cells(DIMS[0]) if c.noise == "exp-linf:k=2")
    job = {"side": "peer", "folder": str(tmp_path), "budget_s": budget, "radii": 10, "repetitions": 2}
    return _run(job | vars(cell) | {"peer_call": cell.peer_call})


def test_a_peer_is_timed_and_its_table_looked_at(tmp_path):
    result = peer(tmp_path, "print('chatter')")
    assert len(result["cold_s"]) == 2 and result["probes"] == [0.25] * len(worker.PROBES)
    assert result["points"] == 2 and result["monotone"] is False and result["ends"] == 0.6
    row = {"noise": "n", "norm": "linf", "dim": 2, "peer": result, "ours": {"probes": [0.5] * 5}}
    assert "-50 %" in report._deviations([row]) and "NO" in report._deviations([row])


def test_a_peer_over_its_budget_says_how_far_it_came(tmp_path):
    result = peer(
        tmp_path, "print('| 7/300 [00:01<', file=sys.stderr, flush=True); time.sleep(60)", budget=0.2
    )
    assert result == {"over_s": 0.2, "step": ["7", "300"]}
    assert report._peer({"peer": result, "ours": {"cold_median_s": 0.01}})[0] == "> 200 ms (7 of 300)"


def test_a_peer_that_fails_or_lacks_a_package_is_reported(tmp_path):
    assert peer(tmp_path / "a", "raise ValueError('no bracket')") == {"failed": "ValueError: no bracket"}
    assert peer(tmp_path / "b", "", head="import surely_not_installed\n") == {
        "missing": "surely_not_installed"
    }


def test_results_keep_the_sections_of_others(tmp_path):
    path = tmp_path / "RESULTS.md"
    write_section("Radii", "first", path)
    write_section("Sampling", "other", path)
    write_section("Radii", "second", path)
    text = path.read_text()
    assert "first" not in text and text.index("## Radii\n\nsecond") < text.index("## Sampling\n\nother")
    assert text.startswith("# Measurements")


def test_memory_growth_is_seen():
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    # in a process of its own: the peak of this one may lie higher already
    code = "from benchmarks import worker\nprint(worker.with_growth(lambda: bytearray(b'x') * 50_000_000)[1])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 45e6 < float(done.stdout) < 100e6


def test_json_is_alone_on_stdout():
    done = run("--only", "uniform", "--repetitions", "1", "--json")
    document = json.loads(done.stdout)
    assert [row["dim"] for row in document["rows"]] == list(DIMS)
    assert all(abs(row["deviation"]) < 1e-12 for row in document["rows"])


class TestGeometry:
    def test_a_quick_run_prints_ratios_and_agrees_with_qhull(self):
        done = run("--quick", "--json", command="benchmarks.geometry")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        volume, facets, average = document["rows"]
        # 480 and 40 by Normaliz; h is near √(2/π) in high dimension
        assert volume["ours"]["answer"] == 480 and facets["ours"]["answer"] == 40
        assert average["ours"]["answer"] == pytest.approx(0.7979, abs=1e-3)
        assert average["ours"]["error"] < 1e-12
        for row in document["rows"]:
            assert row["ours"]["median_s"] > 0
            assert all(row["peers"][name]["agrees"] for name in ("plain", "Qhull") if name in row["peers"])
        text = geometry.render(document)
        assert "Qhull" in text and "×" in text and "No verdict" in text

    @pytest.mark.parametrize(
        ("argv", "complaint"),
        [
            (["--quick", "--write"], "whole runs"),
            (["--only", "nothing-like-it"], "no question of a row"),
            (["--peer-seconds", "0"], "positive"),
        ],
    )
    def test_bad_input_is_one_line(self, argv, complaint):
        done = run(*argv, command="benchmarks.geometry")
        assert done.returncode == 2 and complaint in done.stderr and len(done.stderr.splitlines()) == 1

    def test_every_question_has_its_measurements(self):
        for cell in geometry.CELLS + geometry.QUICK:
            assert {(cell.what, side) for side in ("ours", *cell.peers)} <= geometry_tasks.TASKS.keys()

    def test_a_peer_over_its_budget_is_ended(self):
        job = {"what": "facets", "side": "Qhull", "dim": 5, "repetitions": 10**6, "enough_s": 60}
        assert geometry.run_job(job, 0.2) == {"over_s": 0.2}
        assert geometry._peer({"over_s": 0.2}, 0.01) == ["> 200 ms", "> 20"]

    def test_peers_that_are_missing_fail_or_err_are_reported(self, monkeypatch):
        monkeypatch.setattr(geometry.importlib.util, "find_spec", lambda name: None)
        monkeypatch.setattr(geometry, "run_job", lambda job, budget: {"median_s": 1.0, "answer": 2.0})
        rows = geometry.measure(geometry.parser().parse_args(["--only", "volume"]))
        assert [list(row["peers"]) for row in rows] == [["plain"]] * 3
        assert geometry._peer({"failed": "ended with code -9: killed"}, 1.0) == ["ended with code -9", ""]
        wrong = {"median_s": 1.0, "answer": "nan", "agrees": geometry.agree(2.0, "nan")}
        assert geometry._peer(wrong, 0.5) == ["nan? 1 s", "2"]

    def test_missed_targets_are_named(self):
        row = {"what": "h(u)", "dim": 9, "ours": {"median_s": 2e-3, "error": 1e-9}, "peers": {}}
        row |= {"target_s": 1e-3, "target_error": 1e-12}
        text = geometry._verdict({"settings": {"quick": False}, "rows": [row]})
        assert "h(u) at d = 9 takes 2 ms" in text and "known to 1e-09" in text
        row["ours"] = {"median_s": 5e-4, "error": 1e-13}
        assert "All met." in geometry._verdict({"settings": {"quick": False}, "rows": [row]})

    def test_plain_numpy_is_a_sum_over_all_subsets_where_they_are_few(self):
        task = geometry_tasks.volume_plain(5)
        assert task.call() == pytest.approx(53760) and task.share == 1
        sampled = geometry_tasks.volume_plain(7)
        assert sampled.call() is None and sampled.share == 200_000 / math.comb(63, 6)


def test_voting_prints_every_noise_over_the_floor():
    done = run(
        "--only", "small", "--seconds", "0.01", "--repetitions", "1", "--json", command="benchmarks.voting"
    )
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert case["model"] == "small-cnn" and len(case["rates"]) == 14
    assert all(rate > 0 for rate in case["rates"].values())
    assert len(case["floors"]) == 3 and case["rates"]["floor"] == case["floors"][case["floor"]]
    assert case["rates"]["floor"] == max(case["floors"].values())
    done = run("--only", "nothing", command="benchmarks.voting")
    assert done.returncode == 2 and "no model's name" in done.stderr


class TestStopping:
    def test_rungs(self):
        assert stopping.ladder(100_000).tolist() == [100, 1000, 10_000, 100_000]
        assert [stopping.ladder(n).tolist() for n in (50, 100, 150)] == [[50], [100], [100, 150]]

    def test_streams_end_at_the_first_look_that_knows(self):
        taken, decided = stopping.votes_until(
            lambda k, n: (k == 0) | (k >= 30),
            np.array([10, 20, 35, 50]),
            np.array([0.0, 1.0, 1e-9 + 0.2]),
            np.random.default_rng(0),
        )
        assert taken.tolist() == [10, 35, 50] and decided.tolist() == [True, True, False]

    def test_the_floor_is_walds(self):
        for p, level in ((0.9, 0.5), (1.0, 0.75), (0.3, 0.6)):
            divergence = p * mpmath.log(mpmath.mpf(p) / level)
            if p < 1:
                divergence += (1 - p) * mpmath.log((1 - mpmath.mpf(p)) / (1 - mpmath.mpf(level)))
            found = float(stopping.wald(np.array([p]), level, 0.001)[0])
            assert found == pytest.approx(float(mpmath.log(1000) / divergence), rel=1e-12)

    def test_a_run_prints_every_rule(self):
        done = run("--repetitions", "1", "--json", command="benchmarks.stopping")
        assert done.returncode == 0, done.stderr
        cases = json.loads(done.stdout)["cases"]
        assert len(cases) == sum(len(radii) for _, _, radii in stopping.CASES)
        for case in cases:
            assert case["floor"] < case["ours"] < case["ladder"] < case["fixed"] == 100_000

    @pytest.mark.parametrize(
        ("argv", "complaint"),
        [
            (["--runs", "nowhere"], "is no run folder"),
            (["--peer", "nowhere"], "--peer nowhere: No module"),
            (["--alpha", "2"], "probability"),
            (["--alpha", "0"], "alpha"),
            (["--seed", "-1"], "whole number"),
        ],
    )
    def test_bad_input_is_one_line(self, argv, complaint):
        done = run(*argv, command="benchmarks.stopping")
        assert done.returncode == 2 and complaint in done.stderr and len(done.stderr.splitlines()) == 1


class TestScaling:
    FREE = Costs(
        rate=100, spread=0, driver=0, trip=0, load=0, row=0, start=0, image_bytes=0, model_bytes=0, link=1e9
    )  # fmt: skip
    WORK = Work(images=8, n=1000, n0=0, block=10)

    @pytest.mark.parametrize("gpus", [1, 4])
    def test_without_costs_nothing_is_lost(self, gpus):
        result = simulate(gpus, self.WORK, self.FREE)
        assert result["seconds"] == pytest.approx(80 / gpus, rel=0.02) and result["efficiency"] > 0.98

    @pytest.mark.parametrize(
        ("change", "cause"),
        [
            ({"start": 9.0}, "start"),
            ({"model_bytes": 1e10, "gpus_per_node": 1}, "model"),
            ({"driver": 0.5}, "driver"),
            ({"image_bytes": 1e9}, "network"),
            ({"trip": 0.5}, "trip"),
        ],
    )
    def test_what_is_slow_is_named_and_every_second_is_booked(self, change, cause):
        costs = dataclasses.replace(self.FREE, spread=0.1, **change)
        result = simulate(6, self.WORK, costs)
        assert bottleneck(result) == cause
        assert result["efficiency"] + sum(result["lost"].values()) == pytest.approx(1)
        assert all(share >= 0 for share in result["lost"].values())

    def test_an_image_as_the_unit_leaves_a_tail(self):
        result = simulate(5, self.WORK, self.FREE, whole_images=True)
        assert result["seconds"] == pytest.approx(20) and result["efficiency"] == pytest.approx(0.8)
        assert bottleneck(result) == "tail" and result["units"] == 8

    def test_bad_input_is_one_line(self):
        done = run("--only", "nothing", command="benchmarks.scaling")
        assert done.returncode == 2 and "no model's name" in done.stderr

    def test_a_window_shorter_than_an_image_still_has_images_to_compare(self):
        images = (SimpleNamespace(seconds=1.0 + i) for i in range(100))
        rate, cost, seconds = scaling_costs.timed(images, 10, 0.0, 1e-9, iter([0.0, 3.0]).__next__)
        assert seconds == [2.0 + i for i in range(scaling_costs.FEWEST)] and rate > 0
        assert cost == 3.0 / (10 * scaling_costs.FEWEST) and scaling_costs.spread(seconds) > 0

    @pytest.mark.slow
    def test_a_short_run_measures_and_simulates(self):
        pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
        argv = ("--only", "small", "--seconds", "0.5", "--repetitions", "1", "--units", "50")
        done = run(*argv, "--json", command="benchmarks.scaling")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        (case,) = document["throughput"]
        assert {"1 worker", "2 workers", "here, 1 thread"} <= case["rates"].keys()
        assert document["overheads"]["driver"] > 0 and case["spread"] >= 0
        efficiency = [row["efficiency"] for row in document["simulation"]]
        assert len(efficiency) == 11 and 1 >= efficiency[0] > efficiency[-1] > 0
        assert "The bottleneck at 1024 GPUs" in scaling.render(document)


@pytest.mark.slow
def test_training_prints_what_every_noise_adds():
    """Few rounds of the small model: a time of every noise, and a share of whole steps, which may be anything."""
    result = run("--only", "small", "--seconds", "0.01", "--json", command="benchmarks.training")
    assert result.returncode == 0, result.stderr
    costs = json.loads(result.stdout)["costs"]["small-cnn"]
    assert set(costs) == {"clean, ms", *NOISES} and costs["clean, ms"][0][0] > 0
    for spec in NOISES:
        (noise, error), (added, _) = costs[spec]
        assert 0 < noise < 20 and error >= 0 and -1 < added < 20
