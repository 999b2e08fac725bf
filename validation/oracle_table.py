"""The tables of reference radii that the tests of the library are held against.

    python -m validation.oracle_table --out tests/data/oracle_radii.json
    python -m validation.oracle_table --table level-sets --out tests/data/oracle_level_sets.json

Every case has its noise, parameters, dimension and norm, σ/λ, and one radius (λ = 1, 30 digits) for each ρ of the
common list, kept as hexadecimal floats. An existing file is continued: cases that stand in it are not computed again.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath

from validation import level_set_cases
from validation.oracle import BITS, radius, sigma_over_scale

DIMS = (1, 2, 10, 784, 3072, 150528)
RHOS = (0.5 + 1e-9, 0.51, 0.6, 0.75, 0.9, 0.99, 0.999, 0.99998, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12)
Case = tuple[str, dict[str, float], int, str, str]  # noise, params, dim, norm, method


def products() -> Iterator[Case]:
    """Product noises, and bodies with a uniform law."""
    for dim in DIMS:
        for norm in ("l1", "l2", "linf", "lp:p=1.5", "lp:p=3"):
            yield "gaussian", {}, dim, norm, "tight"
            yield "uniform-l2", {}, dim, norm, "tight"
            if norm != "lp:p=1.5":
                yield "uniform", {}, dim, norm, "tight"
        yield "laplace", {}, dim, "l1", "tight"
        yield "laplace", {}, dim, "linf", "differential"
        for norm in ("l1", "l2", "linf"):
            yield "uniform-l1", {}, dim, norm, "differential"
        yield "uniform-l1", {}, dim, "l1", "tight"
    for dim in (1, 3072):
        for p in (0.3, 0.5, 0.9, 1.0, 1.5, 2.0, 3.0, 7.5, 40.0):
            yield "exp-power", {"p": p}, dim, "l1", "tight" if p >= 1 else "differential"
        for a in (0.5, 1.0, 3.0, 10.0, 1000.0):
            yield "pareto", {"a": a}, dim, "l1", "differential"


def shells() -> Iterator[Case]:
    """Cubes and cross-polytopes with a radial profile, and two spherical exponentials."""
    for dim in DIMS:
        for k in (1.0, 2.0):
            for norm in ("l1", "l2", "linf"):
                yield "exp-l2", {"k": k, "j": 0.0}, dim, norm, "tight" if k == 2 else "differential"
        settings: list[tuple[str, dict[str, float]]] = []
        for k in (0.5, 1.0, 2.0, 2.5, 10.0):
            for j in sorted({0.0, 1.0, float((dim - 1) // 2)}):
                if j < dim - 1 or j == 0:
                    settings.append(("exp", {"k": k, "j": j}))
        for k in (0.5, 1.0, 2.0):
            for a in sorted({dim / k + 0.5, dim / k + 1.5, 2 * dim / k, 10 * dim / k}):
                settings.append(("pow", {"k": k, "a": a}))
        for profile, params in settings:
            yield f"{profile}-linf", params, dim, "l1", "differential"
            yield f"{profile}-linf", params, dim, "linf", "differential"
            yield f"{profile}-l1", params, dim, "l1", "differential"


def digits(value: Any) -> str:
    """Thirty significant digits."""
    return "inf" if value == mpmath.inf else str(mpmath.nstr(value, 30, strip_zeros=False))


def compute(case: Case) -> dict[str, Any]:
    """One entry of the table."""
    noise, params, dim, norm, method = case
    known: Any = {"method": "tight"} if (noise, norm, method) == ("uniform-l1", "l1", "tight") else {}
    with mpmath.workdps(60):
        return {
            "noise": noise,
            "params": params,
            "dim": dim,
            "norm": norm,
            "method": method,
            "sigma_over_scale": digits(sigma_over_scale(noise, dict(params), dim)),
            "radius": [digits(radius(noise, dict(params), dim, norm, rho, **known)) for rho in RHOS],
        }


def key(entry: dict[str, Any]) -> str:
    """What tells one case from another."""
    return json.dumps([entry[name] for name in ("noise", "params", "dim", "norm", "method")])


@dataclass(frozen=True)
class Table:
    """What a file consists of."""

    head: dict[str, Any]
    rhos: tuple[float, ...]
    cases: list[Case]
    compute: Callable[[Case], dict[str, Any]]


def tables() -> dict[str, Table]:
    """The tables by name."""
    about = "radii at scale 1 for every rho, by validation.oracle_table"
    level_sets = {
        "about": f"{about}: level sets",
        "bits": level_set_cases.BITS,
        "digits": level_set_cases.DIGITS,
    }
    return {
        "radii": Table({"about": about, "bits": BITS}, RHOS, [*products(), *shells()], compute),
        "level-sets": Table(
            level_sets, level_set_cases.RHOS, level_set_cases.cases(), level_set_cases.compute
        ),
    }


def write(path: Path, table: Table, entries: list[dict[str, Any]]) -> None:
    """The file, whole or not at all."""
    lines = [
        json.dumps(table.head)[:-1] + ",",
        '"rho": ' + json.dumps([rho.hex() for rho in table.rhos]) + ",",
        '"cases": [',
    ]
    text = "\n".join(lines) + "\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]}\n"
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def fill(table: Table, out: Path) -> None:
    """Compute what is missing, and write every five cases and at the end."""
    known: dict[str, dict[str, Any]] = {}
    if out.exists():
        stored = json.loads(out.read_text())
        if stored["rho"] == [rho.hex() for rho in table.rhos] and stored["bits"] == table.head["bits"]:
            known = {key(entry): entry for entry in stored["cases"]}
    names = [json.dumps(list(case)) for case in table.cases]
    for number, (name, case) in enumerate(zip(names, table.cases, strict=True), start=1):
        if name not in known:
            known[name] = table.compute(case)
            print(f"{number}/{len(names)} {name}", file=sys.stderr, flush=True)
            if number % 5 == 0:
                write(out, table, list(known.values()))
    write(out, table, [known[name] for name in names])


def main() -> None:
    """Fill the table."""
    choices = tables()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", choices=sorted(choices), default="radii")
    options = parser.parse_args()
    fill(choices[options.table], options.out)


if __name__ == "__main__":
    main()
