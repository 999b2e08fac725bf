"""python -m benchmarks.geometry: crystals, E|<σ,u>|, gauges, Φ and overlaps, beside the peers that can answer.

Every measurement is a process of its own, one thread each, the peers' right after ours. Answers are compared: a time
next to a wrong answer says so.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from geometry import cli
from geometry.errors import InputError

ROOT = Path(__file__).parents[1]
PACKAGES = {"Qhull": "scipy", "PPL": "ppl", "Normaliz": "PyNormaliz", "zonoopt": "zonoopt", "HiGHS": "scipy"}
_AGREE = 1e-6  # relative
_ENOUGH = 10.0  # seconds for repetitions of ours


class Cell(NamedTuple):
    """One question in one dimension, and who is asked besides us."""

    what: str
    dim: int
    peers: tuple[str, ...] = ()
    seconds: float | None = None
    """The target, if there is one."""
    error: float | None = None
    """The target of the relative error that we state."""


CELLS = [
    Cell("volume", 5, ("plain", "Qhull", "Normaliz", "zonoopt")),
    Cell("volume", 6, ("plain", "Qhull", "Normaliz", "zonoopt"), seconds=10),
    Cell("volume", 7, ("plain",), seconds=60),
    *(Cell("vertices", dim, ("zonoopt",)) for dim in (4, 5)),
    Cell("vertices", 6, seconds=10),
    *(Cell("facets", dim, ("Qhull", "PPL", "Normaliz")) for dim in (4, 5)),
    Cell("facets", 6, ("Qhull", "PPL", "Normaliz"), seconds=10),
    *(Cell("f-vector", dim, ("Normaliz",)) for dim in (4, 5)),
    Cell("f-vector", 6, ("Normaliz",), seconds=10),
    Cell("h(u)", 784, ("plain",)),
    Cell("h(u)", 3072, ("plain",), seconds=1e-3, error=1e-12),
    Cell("h(u)", 150_528, ("plain",), error=1e-12),
    Cell("h(u) and gradient", 3072),
    Cell("gauge", 6, ("HiGHS",)),
    Cell("gauge", 12, ("HiGHS",)),
    Cell("gauge", 100),
    Cell("gauge", 3072),
    Cell("phi, all vertices", 16, ("plain",)),
    *(Cell("covariogram", dim, ("Qhull",)) for dim in (3, 4, 5)),
]
QUICK = [
    Cell("volume", 4, ("plain", "Qhull", "Normaliz", "zonoopt")),
    Cell("facets", 4, ("Qhull", "PPL", "Normaliz")),
    Cell("h(u)", 3072, ("plain",), seconds=1e-3, error=1e-12),
]

_LEGEND = """ours      median with every lru_cache of the library emptied before; h(u): of calls after the first
error     of what we state beside the value, relative; blank where the answer is exact
plain     NumPy alone. Of volume: np.linalg.det of the determinants needed, those with a row (1, …, 1), which are
          C(2^(d-1) - 1, d - 1), at d = 7 from a sample; of h(u): the cosine series as it is written (L = 8, K = 32),
          with no bound on its error; of phi: one matrix product over the same 2^(d-1) sign vectors
gauge     of one point: at d = 6 of 2000 at once, facets included; HiGHS solves the linear program as it is written
peers     Qhull, PPL and Normaliz are given the vertices (of covariograms: the facets), which we find ourselves
×         the peer's time over ours"""


def parser() -> cli.Parser:
    p = cli.Parser(
        prog="python -m benchmarks.geometry",
        description="Time the geometry beside Qhull, PPL, Normaliz, zonoopt, and the determinants needed.",
    )
    p.add_argument(
        "--peer-seconds", type=cli.positive_float, default=10, metavar="S", help="how long a peer may take (10)"
    )  # fmt: skip
    p.add_argument(
        "--repetitions",
        type=cli.positive_int,
        default=5,
        metavar="N",
        help="of which medians are shown, at least (5)",
    )
    p.add_argument("--only", default="", metavar="TEXT", help="the rows whose question contains TEXT")
    p.add_argument("--quick", action="store_true", help="few rows, one repetition, no verdicts")
    p.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    p.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return p


def main() -> None:
    from benchmarks.results import describe_machine, write_section

    args = parser().parse_args()
    if args.write and (args.quick or args.only):
        raise InputError("--write is for whole runs: leave out --quick and --only")
    machine = describe_machine(("numpy", "scipy", "pplpy", "PyNormaliz", "zonoopt"))
    rows = measure(args)
    settings = {
        "repetitions": 1 if args.quick else args.repetitions,
        "peer_seconds": args.peer_seconds,
        "quick": args.quick,
    }
    document = {"machine": machine, "settings": settings, "rows": rows}
    text = render(document)
    if args.write:
        write_section("Geometry", f"`python -m benchmarks.geometry --write`\n\n```\n{text}\n```")
    if args.json:
        cli.emit_json(document)
    else:
        print(text)


def measure(args: Any) -> list[dict[str, Any]]:
    cells = [cell for cell in (QUICK if args.quick else CELLS) if args.only in cell.what]
    if not cells:
        raise InputError(f"no question of a row contains {args.only!r}")
    repetitions = 1 if args.quick else args.repetitions
    rows = []
    with cli.progress(len(cells), "geometry", "row") as bar:
        for cell in cells:
            job = {"what": cell.what, "dim": cell.dim, "repetitions": repetitions}
            ours = run_job(job | {"side": "ours"}, None)
            peers = {
                name: run_job(job | {"side": name}, args.peer_seconds)
                for name in cell.peers
                if name == "plain" or importlib.util.find_spec(PACKAGES[name])
            }
            for found in peers.values():
                found["agrees"] = agree(ours["answer"], found.get("answer"))
            rows.append(
                {"what": cell.what, "dim": cell.dim, "ours": ours, "peers": peers}
                | {"target_s": cell.seconds, "target_error": cell.error}
            )
            bar.update()
    return rows


def run_job(job: dict[str, Any], budget: float | None) -> dict[str, Any]:
    """The worker's result with its median; {"over_s"} for a peer beyond its budget, {"failed"} for one that ended."""
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    job = {"enough_s": 0.4 * (budget or _ENOUGH)} | job
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.geometry_worker", json.dumps(job)],
            cwd=ROOT,
            env=os.environ | one_thread,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as worker,
    ):
        assert worker.stdout is not None
        first, start = worker.stdout.readline(), time.monotonic()
        timer = threading.Timer(budget or threading.TIMEOUT_MAX, worker.kill)
        timer.daemon = True
        timer.start()
        out = worker.stdout.read()
        worker.wait()
        timer.cancel()
        if budget and worker.returncode and time.monotonic() - start >= budget:
            return {"over_s": budget}
        errors.seek(0)
        err = errors.read()
    if worker.returncode:
        if job["side"] != "ours":  # such as killed for its memory
            return {"failed": f"ended with code {worker.returncode}: {' '.join(err[-200:].split())}"}
        raise RuntimeError(f"measuring {job['what']} at d = {job['dim']} failed:\n{err}")
    result = json.loads(out or first)
    return result | ({"median_s": median(result["seconds"])} if "seconds" in result else {})


def agree(ours: Any, theirs: Any) -> bool | None:
    """Whether two answers are one up to rounding; None where there is no other."""
    if theirs is None or theirs == "nan":
        return None if theirs is None else False
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
    return all(math.isclose(a, b, rel_tol=_AGREE) for a, b in pairs)


def render(document: dict[str, Any]) -> str:
    """The machine, the legend, one table, then which targets are missed."""
    from benchmarks.report import duration

    rows = document["rows"]
    names = [name for name in ("plain", *PACKAGES) if any(name in row["peers"] for row in rows)]
    lines = []
    for row in rows:
        ours = row["ours"]
        error = f"{ours['error']:.0e}" if ours.get("error") else ""
        line = [row["what"], str(row["dim"]), duration(ours["median_s"]), error]
        for name in names:
            line += _peer(row["peers"].get(name), ours["median_s"])
        lines.append(line)
    header = ["", "d", "ours", "error", *(text for name in names for text in (name, "×"))]
    parts = ["\n".join(f"{name:18}{value}" for name, value in document["machine"].items()), _LEGEND]
    return "\n\n".join([*parts, cli.table(header, lines), _verdict(document)])


def _peer(found: dict[str, Any] | None, ours: float) -> list[str]:
    from benchmarks.report import duration

    if found is None or "missing" in found:
        return ["", ""]
    if "failed" in found:
        return [found["failed"].partition(":")[0], ""]
    if "over_s" in found:
        return [f"> {duration(found['over_s'])}", f"> {_ratio(found['over_s'] / ours)}"]
    wrong = "" if found["agrees"] is not False else f"{found['answer']}? "
    return [wrong + duration(found["median_s"]), _ratio(found["median_s"] / ours)]


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def _verdict(document: dict[str, Any]) -> str:
    from benchmarks.report import duration

    if document["settings"]["quick"]:
        return "No verdict: a quick run has one repetition."
    asked, missed = [], []
    for row in document["rows"]:
        name = f"{row['what']} at d = {row['dim']}"
        if row["target_s"] is not None:
            asked.append(f"{name} in {duration(row['target_s'])}")
            if row["ours"]["median_s"] > row["target_s"]:
                missed.append(f"{name} takes {duration(row['ours']['median_s'])}")
        if row["target_error"] is not None and row["ours"]["error"] > row["target_error"]:
            missed.append(f"{name} is known to {row['ours']['error']:.0e}")
    if not asked:
        return "No targets."
    text = "Targets: " + ", ".join(asked) + "; the h(u) of high dimensions to 1e-12."
    return "\n    ".join([f"{text} Missed:", *missed]) if missed else f"{text} All met."


if __name__ == "__main__":
    cli.run(main, "benchmarks.geometry")
