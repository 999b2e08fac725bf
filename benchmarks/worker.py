"""One measurement in a fresh process: a job comes as JSON in the first argument, results leave as lines of JSON.

The peer's are written after every repetition, so that what was measured survives the end of the time budget.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROBES = (0.9, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9)
WIDEST = 6.0  # Φ_N(6) = 1 - 1e-9


def grid(count: int) -> list[float]:
    """``count`` values of ρ at evenly spaced normal scores up to 1 - 1e-9; one alone is 0.9."""
    if count == 1:
        return [0.9]
    return [1 - 0.5 * math.erfc(WIDEST * i / count / math.sqrt(2)) for i in range(1, count + 1)]


def ours(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Seconds of the first call in this process, of builds with emptied caches, and of answers from full ones."""
    start = time.perf_counter()
    import scipy.interpolate  # noqa: F401  (which the level set imports at its first call)

    from geometry.errors import InputError
    from geometry.norms import parse_norm
    from smoothing import certify_radius, parse_noise
    from smoothing.theorems import Method, theorems

    rows, imports = theorems(), time.perf_counter() - start
    norm = parse_norm(job["norm"])

    def certify(noise: Any, rho: Any) -> Any:
        level_set = next(
            (t.name for t in rows if t.method is Method.LEVEL_SET and t.applies(noise, norm)), None
        )
        if job["tabulated"]:
            return certify_radius(noise, norm, rho, theorem=level_set)
        try:
            return certify_radius(noise, norm, rho)
        except InputError:  # nothing sound there: the approximate one answers when it is named
            if level_set is None:
                raise
            return certify_radius(noise, norm, rho, theorem=level_set)

    def make() -> Any:
        return parse_noise(job["noise"], dim=job["dim"], scale=1)

    rho = grid(job["radii"])
    first, growth = with_growth(lambda: certify(make(), rho))
    cold, warm = [], []
    for _ in range(job["repetitions"]):
        empty_caches()
        cold.append(seconds(lambda: certify(make(), rho)))
    noise = make()
    for _ in range(job["repetitions"]):
        warm.append(seconds(lambda: certify(noise, rho)))
    probed = certify(noise, PROBES)
    yield {
        "imports_s": imports,
        "first_s": first,
        "cold_s": cold,
        "warm_s": warm,
        "growth_bytes": growth,
        "theorems": sorted({str(name) for name in probed.theorem}),
        "probes": [float(radius) for radius in probed.radius],
    }


def empty_caches() -> None:
    """Empty every lru_cache that a loaded module of ours holds; what noises hold themselves goes with them."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("geometry", "smoothing"):
            for value in list(vars(module).values()):
                if callable(getattr(value, "cache_clear", None)):
                    value.cache_clear()


def peer(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The peer's table, made anew in an empty folder at every repetition by what its users call.

    Its own certification passes probabilities as float32, and so does this.
    """
    sys.path.append(str(Path(job["folder"]) / "src"))
    start = time.perf_counter()
    try:
        import torch

        noises = importlib.import_module("noises")
    except ModuleNotFoundError as error:
        yield {"missing": error.name}
        return
    imports = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, job["budget_s"])  # and nobody handles it: the process ends there
    rho = torch.tensor(grid(job["radii"]), dtype=torch.float)
    probes = torch.tensor(PROBES, dtype=torch.float)
    made: list[Any] = []

    def certify(values: Any) -> Any:
        return getattr(made[-1], job["peer_call"])(values)

    def build() -> None:
        made.append(getattr(noises, job["peer"])(job["dim"], lambd=1, **job["peer_arguments"]))
        certify(rho)

    cold: list[float] = []
    result: dict[str, Any] = {"imports_s": imports, "cold_s": cold}
    while len(cold) < job["repetitions"] and sum(cold) + (cold[-1] if cold else 0) <= job["budget_s"]:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            try:
                taken, growth = with_growth(build)
                warm, probed = seconds(lambda: certify(rho)), certify(probes)
            except Exception as error:  # whatever stops the peer is its result
                yield {"failed": f"{type(error).__name__}: {error}"[:200]}
                return
        cold.append(taken)
        table_rho = getattr(made[-1], f"{job['norm']}_rho")
        result.setdefault("growth_bytes", growth)
        result |= {
            "warm_s": warm,
            "points": len(table_rho) - 1,
            "ends": number(table_rho[-1]),
            "monotone": bool((table_rho[1:] > table_rho[:-1]).all()),
            "probes": [number(radius) for radius in probed],
        }
        yield result


def number(value: Any) -> float | None:
    """As a float; None for NaN, which JSON does not have."""
    return None if math.isnan(value) else float(value)


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def with_growth(call: Callable[[], Any]) -> tuple[float, float | None]:
    """(seconds, bytes by which the resident set's peak exceeded what was resident before); None where no /proc is."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _memory("VmRSS")
    taken = seconds(call)
    peak = _memory("VmHWM")
    return taken, None if before is None or peak is None else peak - before


def _memory(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)


def main() -> None:
    job = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the measured code prints is no answer
    for result in (peer if job["side"] == "peer" else ours)(job):
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
