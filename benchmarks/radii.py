"""python -m benchmarks.radii: the time and memory of tables of radii, beside those of tonyduan/rs4a.

Every measurement is a process of its own, one thread each, the peer's right after ours. Ours is ``parse_noise`` and
``certify_radius``; the peer's is its constructor and its ``certify_l1``, ``certify_l2`` or ``certify_linf``, or the
table behind these where a formula would answer.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cells import DIMS, RADII, Cell, differential_cells, level_set_cells, single_cells
from benchmarks.worker import PROBES
from geometry import cli
from geometry.errors import InputError

ROOT = Path(__file__).parents[1]


def parser() -> cli.Parser:
    p = cli.Parser(
        prog="python -m benchmarks.radii", description="Time tables of radii, beside those of tonyduan/rs4a."
    )
    p.add_argument(
        "--rs4a", type=Path, metavar="FOLDER", help="a checkout of tonyduan/rs4a; without it no peer is timed"
    )
    p.add_argument(
        "--peer-seconds", type=cli.positive_float, default=900, metavar="S",
        help="how long the peer may take for a row (900)",
    )  # fmt: skip
    p.add_argument(
        "--repetitions", type=cli.positive_int, default=5, metavar="N", help="of which medians are shown (5)"
    )
    p.add_argument(
        "--peer-repetitions", type=cli.positive_int, default=1, metavar="N",
        help="how often the peer makes a table, time permitting (1)",
    )  # fmt: skip
    p.add_argument("--only", default="", metavar="TEXT", help="the rows whose noise contains TEXT")
    p.add_argument("--quick", action="store_true", help="few rows, one repetition, no verdicts")
    p.add_argument("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main() -> None:
    from benchmarks import report
    from benchmarks.results import describe_machine, write_section

    args = parser().parse_args()
    if args.rs4a and not (args.rs4a / "src" / "noises" / "noises.py").is_file():
        raise InputError(
            f"--rs4a takes a checkout of tonyduan/rs4a; there is no src/noises/noises.py in {args.rs4a}"
        )
    if args.write and (args.quick or args.only):
        raise InputError("--write is for whole runs: leave out --quick and --only")
    machine = describe_machine(("numpy", "scipy") + (("torch",) if args.rs4a else ()))
    rows = measure(args)
    settings = {"repetitions": 1 if args.quick else args.repetitions, "quick": args.quick}
    if args.rs4a:
        settings["peer_seconds"] = args.peer_seconds
    document = {"machine": machine, "settings": settings, "rows": rows}
    text = report.render(document)
    if args.write:
        command = "python -m benchmarks.radii" + (" --rs4a FOLDER" if args.rs4a else "") + " --write"
        write_section("Radii", f"`{command}`\n\n```\n{text}\n```")
    if args.json:
        cli.emit_json(document)
    else:
        print(text)


def choose(args: Any) -> list[tuple[str, Cell]]:
    """(kind, cell) of every row that is wanted."""
    cells: list[tuple[str, Cell]] = []
    for kind, make in (
        ("level-set", level_set_cells),
        ("differential", differential_cells),
        ("single", single_cells),
    ):
        found = [
            (kind, cell)
            for pair in zip(*map(make, DIMS), strict=True)
            for cell in pair
            if args.only in cell.noise
        ]
        cells += (
            [row for row in found if row[1].noise in ("exp-l2:k=2,j=100", "exp-linf:k=2")]
            if args.quick
            else found
        )
    if not cells:
        raise InputError(f"no noise of a row contains {args.only!r}")
    return cells


def measure(args: Any) -> list[dict[str, Any]]:
    cells = choose(args)
    repetitions = 1 if args.quick else args.repetitions
    rows = []
    with cli.progress(len(cells), "radii", "row") as bar:
        for kind, cell in cells:
            job = asdict(cell) | {
                "peer_call": cell.peer_call,
                "radii": RADII[kind],
                "repetitions": repetitions,
            }
            row: dict[str, Any] = {"kind": kind} | {
                key: job[key] for key in ("noise", "norm", "dim", "radii")
            }
            if kind == "single":  # a process has one first call, so the repetitions are processes
                runs = [run_ours(job) for _ in range(repetitions)]
                row["ours"] = runs[0] | {"first_s": median(run["first_s"] for run in runs)}
            else:
                row["ours"] = run_ours(job)
                if args.rs4a:
                    row["peer"] = run_peer(
                        job
                        | {"folder": str(args.rs4a.resolve()), "budget_s": args.peer_seconds}
                        | {"repetitions": args.peer_repetitions}
                    )
            rows.append(row | {"deviation": deviation(cell, row["ours"]["probes"])})
            bar.update()
    return rows


def run_ours(job: dict[str, Any]) -> dict[str, Any]:
    result = _run(job | {"side": "ours"})
    return result | {"cold_median_s": median(result["cold_s"]), "warm_median_s": median(result["warm_s"])}


def run_peer(job: dict[str, Any]) -> dict[str, Any]:
    """What its table took, or why there is none: over the budget, a missing package, an exception."""
    result = _run(job | {"side": "peer"})
    return result | ({"cold_median_s": median(result["cold_s"])} if "cold_s" in result else {})


def _run(job: dict[str, Any]) -> dict[str, Any]:
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker", json.dumps(job)],
        cwd=ROOT,
        env=os.environ | one_thread,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    if done.returncode == -signal.SIGALRM:
        steps = re.findall(r"(\d+)/(\d+) \[", done.stderr)  # of the peer's progress bar
        unfinished = {"over_s": job["budget_s"]} | ({"step": list(steps[-1])} if steps else {})
        return json.loads(lines[-1]) if lines else unfinished
    if done.returncode:
        if job["side"] == "peer":  # such as killed for its memory
            return {"failed": f"ended with code {done.returncode}: {' '.join(done.stderr[-200:].split())}"}
        raise RuntimeError(f"measuring {job['noise']} against {job['norm']} failed:\n{done.stderr}")
    return json.loads(lines[-1])


def deviation(cell: Cell, radii: list[float]) -> float | None:
    """The relative deviation from the oracle that is largest in size; None where there is no reference."""
    try:
        from validation import oracle
    except ImportError:
        return None
    family, _, text = cell.noise.partition(":")
    parameters: dict[str, Any] = dict(item.split("=") for item in text.split(",") if item)
    # Spherical noise is certified by its level sets, whose radii exceed those of the differential method.
    method: Any = "tight" if family in ("exp-l2", "pow-l2") else "differential"
    ask = partial(oracle.radius, family, parameters, cell.dim, cell.norm, scale=1, method=method)
    try:
        exact = [ask(rho) for rho in PROBES]
    except ValueError:
        return None
    return max((float((ours - true) / true) for ours, true in zip(radii, exact, strict=True)), key=abs)


if __name__ == "__main__":
    cli.run(main, "benchmarks.radii")
