"""The second table of reference radii: scores that are mixtures or sums, to fourteen digits.

    python -m validation.oracle_scores_table --out tests/data/oracle_scores.json

Cross-polytope noise against l∞, spherical noise against l2, product noise against l∞, all by the differential method
at λ = 1. The file has the layout of oracle_radii.json, and an existing one is continued case by case.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mpmath

from validation.oracle import radius, sigma_over_scale
from validation.oracle_table import Case, key

DIGITS = 14  # vouched for; eighteen are written
DIMS = (2, 3, 10, 784, 3072, 150528)
RHOS = (0.5 + 1e-6, 0.51, 0.6, 0.75, 0.9, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9)


def mixtures() -> Iterator[Case]:
    """Cross-polytopes against l∞ and balls against l2, with every profile."""
    for dim in DIMS:
        for k in (0.5, 1.0, 2.0):
            settings: list[tuple[str, dict[str, float]]] = [
                ("exp", {"k": k, "j": j}) for j in (0.0, float(dim // 2)) if j < dim - 1
            ]
            settings += [("pow", {"k": k, "a": a}) for a in (dim / k + 0.5, 2 * dim / k)]
            for profile, params in settings:
                yield f"{profile}-l1", params, dim, "linf", "differential"
                yield f"{profile}-l2", params, dim, "l2", "differential"
    for dim in DIMS:
        for k in (3.0, 10.0):
            for profile, params in (("exp", {"k": k, "j": 0.0}), ("pow", {"k": k, "a": 2 * dim / k + 0.5})):
                yield f"{profile}-l1", params, dim, "linf", "differential"
                yield f"{profile}-l2", params, dim, "l2", "differential"


def sums() -> Iterator[Case]:
    """Products against l∞."""
    for dim in DIMS:
        for a in (0.5, 1.0, 3.0, 20.0):
            yield "pareto", {"a": a}, dim, "linf", "differential"
        for p in (0.5, 0.8, 1.5, 3.0, 10.0):
            yield "exp-power", {"p": p}, dim, "linf", "differential"


def near_laplace() -> Iterator[Case]:
    """Products whose scores keep close to ±c, against l∞: their sum is nearly a lattice."""
    for dim in (2, 3, 10, 64, 784):
        for p in (0.95, 0.99, 1.01, 1.05) + ((0.93, 1.1) if dim >= 10 else ()):
            yield "exp-power", {"p": p}, dim, "linf", "differential"
    for p in (0.999, 1.001):
        yield "exp-power", {"p": p}, 10, "linf", "differential"
    for p in (0.99, 1.01):
        yield "exp-power", {"p": p}, 150528, "linf", "differential"
    for dim in (64, 784):
        yield "pareto", {"a": 50.0}, dim, "linf", "differential"


def digits(value: Any) -> str:
    """Eighteen significant digits."""
    return "inf" if value == mpmath.inf else str(mpmath.nstr(value, 18, strip_zeros=False))


def compute(case: Case) -> dict[str, Any]:
    """One entry of the table."""
    noise, params, dim, norm, method = case
    with mpmath.workdps(60):
        return {
            "noise": noise,
            "params": params,
            "dim": dim,
            "norm": norm,
            "method": method,
            "sigma_over_scale": digits(sigma_over_scale(noise, dict(params), dim)),
            "radius": [digits(radius(noise, dict(params), dim, norm, rho, bits=DIGITS * 10)) for rho in RHOS],
        }


def write(path: Path, entries: list[dict[str, Any]]) -> None:
    """The file, whole or not at all."""
    lines = [
        json.dumps({"about": "radii at scale 1 for every rho, by validation.oracle_scores_table"})[:-1] + ",",
        f'"digits": {DIGITS},',
        '"rho": ' + json.dumps([rho.hex() for rho in RHOS]) + ",",
        '"cases": [',
    ]
    text = "\n".join(lines) + "\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]}\n"
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    stored: dict[str, Any] = {"rho": [], "digits": 0, "cases": []}
    if out.exists():
        stored = json.loads(out.read_text())
    same = stored["rho"] == [rho.hex() for rho in RHOS] and stored["digits"] == DIGITS
    known = {key(entry): entry for entry in stored["cases"]} if same else {}
    cases = [*mixtures(), *sums(), *near_laplace()]
    for number, case in enumerate(cases, start=1):
        name = json.dumps(list(case))
        if name in known:
            continue
        print(f"{number}/{len(cases)} {name}", file=sys.stderr, flush=True)
        try:
            known[name] = compute(case)
        except ArithmeticError as error:  # a case less, and a line about it
            print(f"  left out: {error}", file=sys.stderr, flush=True)
            continue
        write(out, [known[other] for other in map(json.dumps, map(list, cases)) if other in known])


if __name__ == "__main__":
    main()
